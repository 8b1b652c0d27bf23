"""The four places of a token document, each as its own client reaches it, with what a test may do to them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from edges import fc_faults, secretsmanager
from edges.fc_openapi import API_BODY_LIMIT_BYTES, OpenApi
from edges.fc_state import Account, Unproven
from edges.listener import Listener
from edges.secretsmanager import SecretsManager
from edges.secretsmanager_state import Refused
from edges.serving import running
from mcp_faas.stores import Access, TokenStore, open_store
from rotating.clock import FastClock

Kind = Literal["read", "write"]
Fail = Callable[[Kind, int], str | None]  # (kind of call, the how-many-eth of all) -> name of a fault

FUNCTION, TRIGGER, DOMAIN, SECRET = "mcp-server", "http", "mcp.example.com", "team/mcp-tokens"
SETTINGS = {"methods": ["GET", "POST", "DELETE"], "authType": "bearer", "disableURLInternet": False, "note": {"a": [1]}}


class Service(Protocol):
    """A document's place: what is really there, how often it was written, and what goes wrong."""

    name: str
    address: str
    writes: int
    calls: int
    faults: tuple[str, ...]
    fail: Fail

    def open(self, timeout: float = 10.0) -> TokenStore: ...

    def truth(self) -> dict[str, Any]: ...

    def put(self, document: object) -> None: ...


class FcService:
    """The FC OpenAPI's stand-in with one trigger and one custom domain, called by the official SDK."""

    faults = tuple(fc_faults.FAULTS)

    def __init__(
        self, name: Literal["fc_trigger", "fc_domain"], clock: FastClock, unproven: Unproven | None = None
    ) -> None:
        self.name = name
        self.address = f"fc://local/{FUNCTION}/{TRIGGER}" if name == "fc_trigger" else f"fc-domain://local/{DOMAIN}"
        self.account = Account(unproven or Unproven(), clock.true_time)
        self.api = OpenApi(self.account, region="local", account_id="1")
        self.api.faults = self._decide
        self._listener = Listener(self.api.handle, body_limit_bytes=API_BODY_LIMIT_BYTES, now=clock.true_time)
        self.fail: Fail = lambda kind, number: None
        self.calls = 0

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def writes(self) -> int:
        return self.api.counts["UpdateTrigger"] + self.api.counts["UpdateCustomDomain"]

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    def open(self, timeout: float = 10.0) -> TokenStore:
        return open_store(self.address, Access(timeout, f"http://127.0.0.1:{self.port}"))

    def config(self) -> dict[str, Any]:
        if self.name == "fc_trigger":
            return self.account.triggers[FUNCTION, TRIGGER].current
        return self.account.domains[DOMAIN].current

    def truth(self) -> dict[str, Any]:
        auth = self.config()["authConfig" if self.name == "fc_trigger" else "authInfo"]
        document: dict[str, Any] = json.loads(auth) if isinstance(auth, str) else auth
        return document

    def put(self, document: object) -> None:
        if self.name == "fc_domain":
            self.account.put_domain(DOMAIN, {"authType": "bearer", "authInfo": json.dumps(document)})
        else:
            as_object = self.account.unproven.auth_config == "object"
            auth = document if as_object else json.dumps(document)
            literal = self.account.unproven.bearer_literal
            self.account.put_trigger(FUNCTION, TRIGGER, {**SETTINGS, "authType": literal, "authConfig": auth})

    def _decide(self, call: fc_faults.Call) -> fc_faults.Fault | None:
        self.calls += 1
        name = self.fail("write" if call.action.startswith("Update") else "read", self.calls)
        return fc_faults.FAULTS[name] if name else None


AWS_FAULTS: dict[str, secretsmanager.Fault] = {
    "throttled": secretsmanager.Fault.throttle(),
    "500": secretsmanager.Fault.error(),
    "503": secretsmanager.Fault.error(503, "ServiceUnavailable"),
    "500 after": secretsmanager.Fault.error(applied=True),
    "denied": secretsmanager.Fault.error(400, "AccessDeniedException"),
    "expired": secretsmanager.Fault.error(400, "ExpiredTokenException"),
    "conflict": secretsmanager.Fault.error(400, "InvalidRequestException"),
    "reset before": secretsmanager.Fault.reset(applied=False),
    "reset after": secretsmanager.Fault.reset(applied=True),
    "timeout before": secretsmanager.Fault.hang(3600, applied=False),
    "timeout after": secretsmanager.Fault.hang(3600, applied=True),
    "truncated": secretsmanager.Fault.truncated(),
    "malformed": secretsmanager.Fault.malformed(),
    "stale": secretsmanager.Fault.stale(),
}


class AwsService:
    """Secrets Manager's stand-in with one secret, called by boto3."""

    name = "secretsmanager"
    address = f"aws://eu-west-1/{SECRET}"
    faults = tuple(AWS_FAULTS)

    def __init__(self, clock: FastClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.manager = SecretsManager(now=clock.true_time)
        self.manager.fault = self._decide
        self.fail: Fail = lambda kind, number: None
        self.calls = self.writes = 0
        self._monkeypatch = monkeypatch

    @property
    def port(self) -> int:
        return self.manager.port

    async def start(self) -> None:
        await self.manager.start()
        self._monkeypatch.setenv("AWS_ENDPOINT_URL", self.manager.url)
        self._monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        self._monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")

    async def stop(self) -> None:
        await self.manager.stop()

    def open(self, timeout: float = 10.0) -> TokenStore:
        return open_store(self.address, Access(timeout))

    def truth(self) -> dict[str, Any]:
        found = self.manager.region("eu-west-1").get_secret_value({"SecretId": SECRET})
        document: dict[str, Any] = json.loads(found["SecretString"])
        return document

    def put(self, document: object) -> None:
        region = self.manager.region("eu-west-1")
        value = {"SecretString": json.dumps(document), "ClientRequestToken": str(uuid.uuid4())}
        try:
            region.put_secret_value({"SecretId": SECRET, **value})
        except Refused:
            region.create_secret({"Name": SECRET, **value})

    def _decide(self, call: secretsmanager.Call) -> secretsmanager.Fault | None:
        self.calls += 1
        write = call.operation in secretsmanager.WRITES
        self.writes += write
        name = self.fail("write" if write else "read", self.calls)
        if name == "stale" and write:
            return None  # only a read can be stale
        return AWS_FAULTS[name] if name else None


class FileService:
    """A document in a file."""

    name = "file"
    faults = ()
    calls = 0

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = f"file:{path}"
        self.fail: Fail = lambda kind, number: None
        self._seen = b""
        self._changes = 0

    @property
    def writes(self) -> int:
        raise NotImplementedError("a file does not count its writes; compare st_ino instead")

    def open(self, timeout: float = 10.0) -> TokenStore:
        return open_store(self.address, Access(timeout))

    def truth(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path.read_text())
        return document

    def put(self, document: object) -> None:
        self.path.write_text(json.dumps(document))
        self.path.chmod(0o600)


SERVICES = ("fc_trigger", "fc_domain", "secretsmanager", "file")


@contextmanager
def service(
    name: str, clock: FastClock, monkeypatch: pytest.MonkeyPatch, folder: Path, unproven: Unproven | None = None
) -> Iterator[Any]:
    """A running service of this name."""
    if name == "file":
        yield FileService(folder / "tokens.json")
    elif name == "secretsmanager":
        with running(AwsService(clock, monkeypatch)) as aws:
            yield aws
    else:
        with running(FcService("fc_trigger" if name == "fc_trigger" else "fc_domain", clock, unproven)) as fc:
            yield fc
