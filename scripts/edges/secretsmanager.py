"""AWS Secrets Manager on this machine, as the official SDK calls it with AWS_ENDPOINT_URL, and able to fail on purpose.

A test that wants a failure sets `fault`, a function that sees each call and may answer with a `Fault`:

    manager.fault = lambda call: Fault.reset(applied=True) if call.operation == "PutSecretValue" else None

The SDK repeats most failures by itself; `Call.number` counts every request, so a fault can hit the first one only.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from edges.listener import Answer, HangUp, Listener, Request
from edges.secretsmanager_state import Parameters, Refused, Secrets

BODY_LIMIT_BYTES = 1024 * 1024
JSON = ("content-type", "application/x-amz-json-1.1")
SIGNATURE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/ ]+/\d{8}/([a-z0-9-]+)/secretsmanager/aws4_request\b")
TARGET = re.compile(r"secretsmanager\.(\w+)")
ROTATION_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
WRITES = frozenset(["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage", "RotateSecret"])
REMEMBERED_WRITES = 16


@dataclass(frozen=True)
class Call:
    """One request, as a fault sees it. `number` is 1 for the first since the start, repeats of the SDK included."""

    number: int
    operation: str
    parameters: Parameters = field(repr=False)  # may hold a secret's value


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one call. `applied` says whether the service does the work before it goes wrong."""

    effect: Literal["error", "reset", "hang", "truncated", "malformed", "stale"]
    applied: bool = False
    status: int = 500
    kind: str = "InternalServiceError"
    seconds: float = 0.0
    writes: int = 1

    @classmethod
    def error(cls, status: int = 500, kind: str = "InternalServiceError", *, applied: bool = False) -> Fault:
        """An error of the service; the SDK repeats those of 500 and above."""
        return cls("error", applied, status, kind)

    @classmethod
    def throttle(cls) -> Fault:
        return cls("error", False, 400, "ThrottlingException")

    @classmethod
    def reset(cls, *, applied: bool) -> Fault:
        """The connection breaks without an answer, before the work or after it."""
        return cls("reset", applied)

    @classmethod
    def hang(cls, seconds: float, *, applied: bool) -> Fault:
        """Silence for so long, then a reset: for a client with a timeout."""
        return cls("hang", applied, seconds=seconds)

    @classmethod
    def truncated(cls) -> Fault:
        """The work is done and half of the answer arrives. The SDK does not raise here: see `malformed`."""
        return cls("truncated", True)

    @classmethod
    def malformed(cls) -> Fault:
        """The work is done and status 200 comes with something that is no JSON, as from a proxy in between.

        The SDK takes what it cannot read for an empty answer: its caller misses every member, and gets no exception.
        """
        return cls("malformed", True)

    @classmethod
    def stale(cls, writes: int = 1) -> Fault:
        """A read that does not see the last writes yet."""
        return cls("stale", writes=writes)


class SecretsManager:
    """Start it, point AWS_ENDPOINT_URL at `url`, stop it. Regions are apart, as the signature of a call names them.

    `rotate` stands for the rotation function: it is called with the event of each of the four steps in turn. Without it
    a RotateSecret only begins, and a test takes the steps itself.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        account_id: str = "123456789012",
        now: Callable[[], float] = time.time,
        rotate: Callable[[dict[str, str]], Awaitable[object]] | None = None,
    ) -> None:
        self.fault: Callable[[Call], Fault | None] = lambda call: None
        self._account_id = account_id
        self._now = now
        self._rotate = rotate
        self._rotations: set[asyncio.Task[None]] = set()
        self._regions: dict[str, Secrets] = {}
        self._before: list[dict[str, Secrets]] = []  # copies from before each of the last writes, for stale reads
        self._calls = 0
        self._listener = Listener(self._answer, port=port, body_limit_bytes=BODY_LIMIT_BYTES, now=now)

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def region(self, name: str) -> Secrets:
        """The secrets of a region, for a caller in this process: to lay one in before the first client comes."""
        return self._regions.setdefault(name, Secrets(region=name, account_id=self._account_id, now=self._now))

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        for rotation in list(self._rotations):
            rotation.cancel()
        await asyncio.gather(*self._rotations, return_exceptions=True)
        await self._listener.stop()

    async def _answer(self, request: Request) -> Answer | HangUp:
        target = TARGET.fullmatch(request.header("x-amz-target") or "")
        signature = SIGNATURE.match(request.header("authorization") or "")
        if signature is None:
            return _error(403, "MissingAuthenticationTokenException", "The request is not signed for secretsmanager.")
        if request.too_large or request.method != "POST" or target is None or target[1] not in OPERATIONS:
            return _error(400, "UnknownOperationException", "")
        try:
            parameters: object = json.loads(request.body)
        except ValueError:
            return _error(400, "SerializationException", "")
        if not isinstance(parameters, dict):
            return _error(400, "SerializationException", "")
        self._calls += 1
        call = Call(self._calls, target[1], parameters)
        fault = self.fault(call)
        region = self.region(signature[1])
        if fault is None:
            return self._perform(call, region)
        if fault.effect == "stale":
            past = self._before[-fault.writes :][:1] or [self._regions]
            return self._perform(call, past[0].get(signature[1], Secrets(region="", account_id="", now=self._now)))
        answer = self._perform(call, region) if fault.applied else Answer(500)
        return await _spoil(answer, fault)

    def _perform(self, call: Call, region: Secrets) -> Answer:
        before = (
            {name: secrets.snapshot() for name, secrets in self._regions.items()} if call.operation in WRITES else None
        )
        try:
            result = OPERATIONS[call.operation](region, call.parameters)
        except Refused as refused:
            return _error(400, refused.kind, str(refused))
        if before is not None:
            self._before = [*self._before, before][-REMEMBERED_WRITES:]
        if call.operation == "RotateSecret" and "VersionId" in result and self._rotate is not None:
            rotation = asyncio.create_task(self._take_steps(self._rotate, result["ARN"], result["VersionId"]))
            self._rotations.add(rotation)
            rotation.add_done_callback(self._rotations.discard)
        return Answer(200, (JSON, _request_id()), json.dumps(result).encode())

    async def _take_steps(self, rotate: Callable[[dict[str, str]], Awaitable[object]], arn: str, token: str) -> None:
        rotation_token = str(uuid.uuid4())
        for step in ROTATION_STEPS:
            event = {"Step": step, "SecretId": arn, "ClientRequestToken": token, "RotationToken": rotation_token}
            await rotate(event)


OPERATIONS: dict[str, Callable[[Secrets, Parameters], dict[str, Any]]] = {
    "CreateSecret": Secrets.create_secret,
    "DescribeSecret": Secrets.describe_secret,
    "GetSecretValue": Secrets.get_secret_value,
    "ListSecretVersionIds": Secrets.list_secret_version_ids,
    "PutSecretValue": Secrets.put_secret_value,
    "RotateSecret": Secrets.rotate_secret,
    "UpdateSecretVersionStage": Secrets.update_secret_version_stage,
}


async def _spoil(answer: Answer, fault: Fault) -> Answer | HangUp:
    if fault.effect == "error":
        text = "Rate exceeded" if fault.kind == "ThrottlingException" else "An error occurred on the server side."
        return _error(fault.status, fault.kind, text)
    if fault.effect == "truncated":
        return Answer(answer.status, answer.headers, answer.body, cut=len(answer.body) // 2)
    if fault.effect == "malformed":
        return Answer(200, (JSON, _request_id()), b"<html>not what you asked for</html>")
    await asyncio.sleep(fault.seconds)
    return HangUp()


def _error(status: int, kind: str, text: str) -> Answer:
    return Answer(status, (JSON, _request_id()), json.dumps({"__type": kind, "Message": text}).encode())


def _request_id() -> tuple[str, str]:
    return ("x-amzn-requestid", str(uuid.uuid4()))
