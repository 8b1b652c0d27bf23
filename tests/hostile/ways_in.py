"""The ways into the function: each takes requests and gives answers, around the real entry points as they are deployed.

Nothing is asserted here. Settings are the process's environment for as long as a way is open, and what the function
writes is kept.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import importlib.util
import io
import json
import logging
import os
import runpy
import socket
import types
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock
from urllib.parse import unquote

import uvicorn

from edges import aws_events
from edges.listener import Request as Arrived
from hostile.case import ALLOWED_ORIGIN, REQUIRED_SCOPE, Request, Transport
from hostile.families.fc_events import EVENT
from hostile.families.keys import served
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import raw_http
from support.jwts import ISSUER, RESOURCE

ENTRY_POINTS = Path(__file__).resolve().parents[2] / "functions/mcp_server"
HOST = "mcp.example.com"
PROFILE_AUDIENCE = {"cognito": "canary-client-31c7"}  # its tokens have no aud


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case, in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


Sent = tuple[str, Request]  # the platform's id of the call, and the call


@dataclass(frozen=True)
class WayIn:
    """One way: how requests are carried, and what the function's public URL is there."""

    name: str
    transport: Transport
    resource: str
    says_public_url: bool
    open: Callable[[], contextlib.AbstractContextManager[Callable[[Sequence[Sent]], list[Answer]]]]

    def environment(self, profile: str = "rfc9068") -> dict[str, str]:
        """The settings of the function that the corpus is thrown at."""
        settings = {
            "MCP_DOOR": "jwt",
            "MCP_SERVER": "hostile.canary:server",
            "MCP_JWT_ISSUER": ISSUER,
            "MCP_JWT_JWKS": served(),
            "MCP_JWT_PROFILE": profile,
            "MCP_SCOPES": REQUIRED_SCOPE,
            "MCP_ALLOWED_ORIGINS": ALLOWED_ORIGIN,
            "MCP_LOG_LEVEL": "DEBUG",
        }
        if self.says_public_url:
            settings["MCP_PUBLIC_URL"] = self.resource
        if profile in PROFILE_AUDIENCE:
            settings["MCP_JWT_AUDIENCE"] = PROFILE_AUDIENCE[profile]
        return settings


@dataclass
class Output:
    """What the function has written to both streams."""

    stdout: io.StringIO = field(default_factory=io.StringIO)
    stderr: io.StringIO = field(default_factory=io.StringIO)

    @property
    def lines(self) -> list[str]:
        return (self.stdout.getvalue() + self.stderr.getvalue()).splitlines()


@contextlib.contextmanager
def function(environ: Mapping[str, str]) -> Iterator[Output]:
    """The process as the platform would have it: these settings alone, the function's own logging, its output kept."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MCP_", "OTEL_"))}
    output = Output()
    started: list[Instance] = []
    start = Instance.start

    def noted(self: Instance) -> asyncio.AbstractEventLoop:
        started.append(self)
        return start(self)

    with (
        mock.patch.dict(os.environ, {**kept, **environ}, clear=True),
        mock.patch.object(Instance, "start", noted),
        # Each would wait in a thread for the end of this process; all are stopped here.
        mock.patch.object(Instance, "_end_with_main_thread", return_value=None),
        _logging(),
        _server(environ.get("MCP_SERVER", "tools:server")),
        contextlib.redirect_stdout(output.stdout),
        contextlib.redirect_stderr(output.stderr),
    ):
        try:
            yield output
        finally:
            for instance in started:
                instance.stop()
            if started:
                asyncio.set_event_loop(None)


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Leave the logging of this process as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: made.level for name, made in root.manager.loggerDict.items() if isinstance(made, logging.Logger)}
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, made in root.manager.loggerDict.items():
            if isinstance(made, logging.Logger):
                made.setLevel(levels.get(name, logging.NOTSET))


@contextlib.contextmanager
def _server(address: str) -> Iterator[None]:
    """A user's server is one object per process, and a door hardens it: leave it as it was."""
    server = importlib.import_module(address.partition(":")[0]).server
    before = list(server.middleware)
    try:
        yield
    finally:
        server.middleware[:] = before


def load(name: Literal["aws_lambda", "alibaba_fc"]) -> types.ModuleType:
    """An entry point, run anew with the settings of now."""
    spec = importlib.util.spec_from_file_location(f"hostile_{name}", ENTRY_POINTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    gc.unfreeze()  # the start has kept the collector from all that other tests have left in this process, too
    return module


# --- the app itself ---------------------------------------------------------------------------------------------------


async def call_app(app: Any, request: Request, call: Call) -> Answer:
    """One request to an ASGI app, as an HTTP server would hand it over."""
    path, _, query = request.target.partition("?")
    headers = [(name.lower(), value) for name, value in request.all_headers()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers],
        "client": ("192.0.2.1", 1),
        "server": (HOST, 443),
        SCOPE_KEY: call,
    }
    messages = [{"type": "http.request", "body": request.body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    answered = [(name.decode().lower(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))


@contextlib.asynccontextmanager
async def gate() -> AsyncIterator[Any]:
    """The app behind its gate, its lifespan entered."""
    app, inner = build_app(read_settings(os.environ), streaming=True)()
    async with inner.router.lifespan_context(inner):
        yield app


@contextlib.contextmanager
def _asgi() -> Iterator[Callable[[Sequence[Sent]], list[Answer]]]:
    from mcp_faas import logs

    logs.configure("DEBUG")

    async def all_of(requests: Sequence[Sent]) -> list[Answer]:
        async with gate() as app:
            return [
                await call_app(app, sent, Call(request_id=identity, public_url=RESOURCE)) for identity, sent in requests
            ]

    yield lambda requests: asyncio.run(all_of(requests))


# --- FC's web function: HTTP over a socket ----------------------------------------------------------------------------


def web_function() -> uvicorn.Config:
    """What `python -m alibaba_fc` runs uvicorn with."""
    configurations: list[uvicorn.Config] = []
    with mock.patch.object(uvicorn.Server, "run", lambda self: configurations.append(self.config)):
        runpy.run_path(str(ENTRY_POINTS / "alibaba_fc.py"), run_name="__main__")
    return configurations[0]


@contextlib.asynccontextmanager
async def listening_on_loopback(config: uvicorn.Config) -> AsyncIterator[int]:
    """The port on which it answers."""
    server = uvicorn.Server(config)
    # With its protocol named, asyncio sends small packets at once, as it does on sockets of its own.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                assert not serving.done(), "uvicorn did not start"
                await asyncio.sleep(0.005)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@contextlib.contextmanager
def _http() -> Iterator[Callable[[Sequence[Sent]], list[Answer]]]:
    config = web_function()

    async def all_of(requests: Sequence[Sent]) -> list[Answer]:
        async with listening_on_loopback(config) as port, raw_http.Connection(port) as connection:
            answers = []
            for identity, sent in requests:
                headers = [("x-fc-request-id", identity), *sent.all_headers()]
                status, answered, body = await connection.ask(sent.method, sent.target, headers, sent.body)
                answers.append(Answer(status, answered, body))
            return answers

    yield lambda requests: asyncio.run(all_of(requests))


# --- Lambda -----------------------------------------------------------------------------------------------------------

API = aws_events.Platform("http-api")
STAGE = aws_events.Platform("http-api", stage="prod")
URL = aws_events.Platform("function-url")


def aws_event(platform: aws_events.Platform, request: Request, *, domain: str | None = None) -> dict[str, Any]:
    """The event that a front door makes of a request. With a domain of its own the body comes in base64."""
    on_stage = platform.stage != "$default" and request.target.startswith("/")
    arrived = Arrived(
        request.method,
        f"/{platform.stage}{request.target}" if on_stage else request.target,
        tuple((name.lower(), value) for name, value in request.all_headers()),
        request.body,
    )
    made = aws_events.event_of(
        platform, arrived, route_key="$default", path_parameters={}, request_id="gw", trace_id="Root=1-0-0", now=0.0
    )
    if platform is API:
        # How names are spelt is nowhere promised: `look headers up case-insensitively`.
        made["headers"] = {name.title(): value for name, value in made["headers"].items()}
    if domain is not None:
        made["requestContext"]["domainName"] = made["headers"]["host"] = domain
        made["headers"] = {name.upper(): value for name, value in made["headers"].items()}
        made |= {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}
    return made


def aws_context(identity: str) -> Any:
    return types.SimpleNamespace(aws_request_id=identity, get_remaining_time_in_millis=lambda: 60_000)


def of_function(answer: Any) -> Answer:
    """The answer that a front door makes of what a handler has returned."""
    body = answer.get("body") or ""
    data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return Answer(answer["statusCode"], [(name.lower(), value) for name, value in answer["headers"].items()], data)


def _aws(platform: aws_events.Platform, domain: str | None = None) -> Any:
    @contextlib.contextmanager
    def opened() -> Iterator[Callable[[Sequence[Sent]], list[Answer]]]:
        handler = load("aws_lambda").handler

        def ask(identity: str, request: Request) -> Answer:
            event = json.loads(json.dumps(aws_event(platform, request, domain=domain)))
            return of_function(json.loads(json.dumps(handler(event, aws_context(identity)))))

        yield lambda requests: [ask(*sent) for sent in requests]

    return opened


# --- FC's built-in runtime --------------------------------------------------------------------------------------------


def fc_event(request: Request, *, encoded: bool) -> bytes:
    """The event of an HTTP trigger: names as sent, repeated values joined by commas."""
    path, _, query = request.target.partition("?")
    headers: dict[str, str] = {}
    for name, value in request.all_headers():
        known = next((key for key in headers if key.lower() == name.lower()), name)
        headers[known] = f"{headers[known]},{value}" if known in headers else value
    made = {**EVENT, "rawPath": path, "headers": headers, "isBase64Encoded": encoded}
    made["queryParameters"] = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    made["body"] = base64.b64encode(request.body).decode() if encoded else request.body.decode()
    http = {**EVENT["requestContext"]["http"], "method": request.method, "path": path}
    made["requestContext"] = {**EVENT["requestContext"], "http": http}
    return json.dumps(made).encode()


def fc_context(identity: str) -> Any:
    return types.SimpleNamespace(request_id=identity)


@contextlib.contextmanager
def _fc() -> Iterator[Callable[[Sequence[Sent]], list[Answer]]]:
    handler = load("alibaba_fc").handler

    def ask(number: int, identity: str, request: Request) -> Answer:
        encoded = bool(number % 2) or not _is_text(request.body)
        answer = handler(fc_event(request, encoded=encoded), fc_context(identity))
        return of_function(json.loads(json.dumps(answer)))

    yield lambda requests: [ask(number, *sent) for number, sent in enumerate(requests)]


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


WAYS = (
    WayIn("asgi", "asgi", RESOURCE, True, _asgi),
    WayIn("aws-function-url", "function-url", f"https://{URL.domain_name}/mcp", False, _aws(URL)),
    WayIn("aws-http-api", "http-api", RESOURCE, True, _aws(API)),
    WayIn("aws-named-stage", "http-api", f"https://{STAGE.domain_name}/prod/mcp", False, _aws(STAGE)),
    WayIn(
        "aws-custom-domain", "http-api", RESOURCE, False, _aws(aws_events.Platform("http-api", api_id="other"), HOST)
    ),
    WayIn("fc-web", "http", RESOURCE, True, _http),
    WayIn("fc-event", "fc", RESOURCE, True, _fc),
)
