"""One instance of a Lambda function: a child process and the Runtime API that it asks for work. Knows no HTTP event.

An instance takes one invocation at a time, as Lambda's do. A timeout kills it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edges.listener import Answer, Listener, Request
from edges.processes import Child, Log

Client = Literal["any", "vendor", "portable"]

# Lambda's quotas on one synchronous invocation, both as JSON.
REQUEST_LIMIT_BYTES = 6 * 1024 * 1024
RESPONSE_LIMIT_BYTES = 6_291_556
INIT_SECONDS = 10
BOOTSTRAP = Path(__file__).with_name("aws_bootstrap.py")
INVOCATION = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


@dataclass(frozen=True)
class Function:
    """What Lambda knows of a function. The environment may hold secrets, so it is never shown."""

    name: str
    handler: str
    code: Path
    environment: Mapping[str, str] = field(repr=False)
    python: str
    timeout_seconds: float
    memory_mb: int = 1024
    region: str = "us-east-1"
    account_id: str = "123456789012"
    client: Client = "any"

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"

    def variables(self, runtime_api: str) -> dict[str, str]:
        """An instance's environment: Lambda's own names, the function's, and of this process's nothing but PATH."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "en_US.UTF-8",
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
            # Else the SDK would find the developer's own account, and a test could reach it.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": str(self.code),
            "_HANDLER": self.handler,
            **self.environment,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
        }


class InitFailed(Exception):
    """The function did not start. The text is its own word on why, else the last line that it said."""


class InvocationFailed(Exception):
    """The function gave no result. The text is for the log, never for a caller."""


class TimedOut(InvocationFailed):
    """It took longer than the function's timeout, and was killed."""


class RequestTooLarge(InvocationFailed):
    """Lambda does not take the event."""


class ResultTooLarge(InvocationFailed):
    """Lambda does not take the result."""


@dataclass
class _Invocation:
    request_id: str
    event: bytes = field(repr=False)
    deadline: float
    result: asyncio.Future[bytes] = field(repr=False)


class Instance:
    """Start it, invoke it one call at a time, stop it. `alive` says whether it can take another call."""

    def __init__(self, function: Function, log: Log) -> None:
        self._function = function
        self._log = log
        self._last_line = self._init_error = ""
        self._listener = Listener(self._answer, body_limit_bytes=RESPONSE_LIMIT_BYTES)
        self._asked = asyncio.Event()
        self._work: asyncio.Queue[_Invocation] = asyncio.Queue(1)
        self._current: _Invocation | None = None
        self._child: Child | None = None
        self._ended: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self._ended is not None and not self._ended.done()

    async def start(self) -> None:
        """Return when the function has loaded and asks for work; InitFailed otherwise."""
        await self._listener.start()
        function = self._function
        self._child = Child(
            [function.python, str(BOOTSTRAP), function.client, function.handler],
            environment=function.variables(f"127.0.0.1:{self._listener.port}"),
            cwd=function.code,
            log=self._say,
        )
        # Lambda gives an init 10 s, and when that was too little repeats it on the first call's time.
        allowed = INIT_SECONDS + function.timeout_seconds
        asked = asyncio.create_task(self._asked.wait())
        try:
            await self._child.start()
            self._ended = asyncio.create_task(self._follow(self._child))
            await asyncio.wait([asked, self._ended], timeout=allowed, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not self._asked.is_set():
                await self.stop()
        if not self._asked.is_set():
            raise InitFailed(
                self._init_error or self._last_line or f"{function.handler} did not load within {allowed:.0f} s"
            )

    async def invoke(self, event: bytes) -> bytes:
        """The function's result as JSON; InvocationFailed when there is none."""
        seconds = self._function.timeout_seconds
        result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._current = _Invocation(str(uuid.uuid4()), event, time.time() + seconds, result)
        if not self.alive:  # it ended between two calls, after it was chosen for this one
            raise InvocationFailed("the instance had ended")
        self._last_line = ""
        try:
            await self._work.put(self._current)
            return await asyncio.wait_for(result, seconds)
        except asyncio.TimeoutError:
            await self.stop()
            raise TimedOut(f"Task timed out after {seconds:.2f} seconds") from None
        except ResultTooLarge:
            await self.stop()  # the vendor's client ends when a result is refused; the next call must not meet that
            raise
        finally:
            self._current = None

    async def stop(self) -> None:
        """End the process and what it started, and close its port."""
        if self._child is not None:
            await self._child.stop()
        if self._ended is not None:
            await self._ended
        await self._listener.stop()

    async def _follow(self, child: Child) -> None:
        status = await child.wait()
        if self._current is not None and not self._current.result.done():
            failure = InvocationFailed(f"Runtime exited with status {status} {self._last_line}".rstrip())
            self._current.result.set_exception(failure)

    def _say(self, text: str) -> None:
        # The vendor's client joins the lines of a traceback by carriage returns, to keep them one entry of a log.
        for line in text.split("\r"):
            if line.strip():
                self._last_line = line
                self._log(line)

    async def _answer(self, request: Request) -> Answer:
        if request.method == "GET" and request.path == "/2018-06-01/runtime/invocation/next":
            self._asked.set()
            return self._handed_out(await self._work.get())
        if request.method == "POST" and request.path == "/2018-06-01/runtime/init/error":
            self._init_error = _message_of(request.body)
            return Answer(202)
        match = INVOCATION.fullmatch(request.path)
        current = self._current
        if request.method != "POST" or match is None:
            return Answer(404)
        if current is None or current.request_id != match[1] or current.result.done():
            return Answer(400, (("content-type", "application/json"),), b'{"errorType":"InvalidRequestID"}')
        if request.too_large:
            failure = ResultTooLarge(f"the result is larger than {RESPONSE_LIMIT_BYTES} bytes")
            current.result.set_exception(failure)
            return Answer(413)
        if match[2] == "error":
            current.result.set_exception(InvocationFailed("the function raised; the lines above say what"))
        else:
            current.result.set_result(request.body)
        return Answer(202)

    def _handed_out(self, invocation: _Invocation) -> Answer:
        headers = (
            ("content-type", "application/json"),  # without it the vendor's client crashes
            ("lambda-runtime-aws-request-id", invocation.request_id),
            ("lambda-runtime-deadline-ms", str(int(invocation.deadline * 1000))),
            ("lambda-runtime-invoked-function-arn", self._function.arn),
        )
        return Answer(200, headers, invocation.event)


def _message_of(report: bytes) -> str:
    """What a runtime client says of an error; empty when it says nothing of the kind."""
    try:
        error: object = json.loads(report)
    except ValueError:
        return ""
    return str(error.get("errorMessage") or "") if isinstance(error, dict) else ""
