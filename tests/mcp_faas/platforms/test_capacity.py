"""The places of an instance, one rule at a time; tests/artifacts/test_fc_capacity.py is the same from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from mcp_faas import server as server_module
from mcp_faas.asgi import JSON, read_body, respond
from mcp_faas.auth.jwt import Policy
from mcp_faas.auth.scopes import Scopes
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.doors import Door, PlatformDoor
from mcp_faas.gate import Gate
from mcp_faas.jwks import KeySource
from mcp_faas.jwt_door import JwtDoor
from mcp_faas.platforms import capacity
from mcp_faas.platforms.capacity import limited
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.jwts import RESOURCE, jwk, key_set, rsa_key, token

ORIGIN = "https://app.example.com"
MESSAGE = mcp.message("tools/list")


class Held:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.open = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began.append(scope["name"])
        await self.open.wait()
        await respond(send, 200, [JSON], b"{}")


def limit_of(app: ASGIApp, door: Door | None = None) -> ASGIApp:
    return limited(
        Gate(
            app=app,
            door_name="platform",
            door=door or PlatformDoor(frozenset()),
            scopes=Scopes(),
            allowed_origins=frozenset({ORIGIN}),
            streams=frozenset({"/sse"}),
            leads=lambda scope: scope["path"] == "/own",
            clock=lambda: 0.0,
        )
    )


def calls(limit: ASGIApp) -> Callable[..., asyncio.Task[list[Any]]]:
    """What sends a request, and gives what was answered; after `parts` of a body comes nothing more."""

    async def one(name: Any, method: str, path: str, headers: dict[str, str], parts: list[Any]) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            if not parts:
                await asyncio.Event().wait()
            return parts.pop(0)

        told = {**mcp.headers("tools/list"), **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in told.items()],
            "name": name,
            SCOPE_KEY: Call(request_id="r-1", public_url=RESOURCE),
        }
        await limit(scope, receive, send)
        return sent

    whole = {"type": "http.request", "body": MESSAGE, "more_body": False}
    return lambda name, method="POST", path="/mcp", parts=(whole,), **headers: asyncio.create_task(
        one(name, method, path, headers, list(parts))
    )


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PLACES", 2)
    monkeypatch.setattr(capacity, "WAITING_MAX", 3)


@pytest.fixture
async def gate(anyio_backend: str) -> Held:
    return Held()


@pytest.mark.anyio
async def test_first_come_first_served(small: None, gate: Held) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number) for number in range(5)]
    await settle()
    assert gate.began == [0, 1]
    gate.open.set()
    assert [(await task)[0]["status"] for task in tasks] == [200] * 5
    assert gate.began == [0, 1, 2, 3, 4]


@pytest.mark.anyio
async def test_refusal_can_be_read_by_a_page_and_in_the_log(
    small: None, gate: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number) for number in range(5)]
    start, body = await call(5, origin=ORIGIN)
    assert start["status"] == 503
    assert {(b"retry-after", b"1"), (b"access-control-allow-origin", ORIGIN.encode())} <= set(start["headers"])
    assert json.loads(body["body"]) == {"message": "This instance is busy; try again."}
    told = json.loads(capsys.readouterr().out)
    assert (told["door"], told["request_id"], told["decision"]) == ("platform", "r-1", "allow")
    assert (told["reason"], told["status"]) == ("instance_busy", 503)
    gate.open.set()
    await asyncio.gather(*tasks)


@pytest.mark.anyio
async def test_nobody_waits_longer_than_a_client_would(
    small: None, gate: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "WAIT_SECONDS", 0.05)
    call = calls(limit_of(gate))
    served = [call(number) for number in range(2)]
    assert (await call(2))[0]["status"] == 503
    gate.open.set()
    assert [(await task)[0]["status"] for task in [*served, call(3)]] == [200] * 3


@pytest.mark.anyio
async def test_those_who_were_cut_off_leave_no_trace(small: None, gate: Held) -> None:
    """While they wait, and when they are in."""
    call = calls(limit_of(gate))
    for _ in range(3):
        tasks = [call(number) for number in range(5)]
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    gate.open.set()
    tasks = [call(number) for number in range(5)]
    assert [(await task)[0]["status"] for task in tasks] == [200] * 5


@pytest.mark.anyio
async def test_a_queue_that_was_full_takes_as_many_again(small: None, gate: Held) -> None:
    call = calls(limit_of(gate))
    for _ in range(3):
        gate.open.clear()
        tasks = [call(number) for number in range(6)]
        await settle()
        assert [task.done() for task in tasks] == [False] * 5 + [True], "two are in, three wait, one is refused"
        gate.open.set()
        assert [(await task)[0]["status"] for task in tasks] == [200] * 5 + [503]


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "path"), [("GET", "/sse"), ("GET", "/own"), ("HEAD", "/own")])
async def test_who_only_reads_takes_no_place(small: None, gate: Held, method: str, path: str) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number) for number in range(5)]
    tasks.append(call("other", method, path))
    await settle()
    assert set(gate.began) == {0, 1, "other"}
    gate.open.set()
    await asyncio.gather(*tasks)


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_own_routes_take_places_too(small: None, gate: Held, method: str) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number, method, "/own") for number in range(5)]
    await settle()
    assert gate.began == [0, 1]
    gate.open.set()
    await asyncio.gather(*tasks)


@pytest.mark.anyio
async def test_tools_that_compute_do_not_all_begin_in_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no health check could come in between."""
    monkeypatch.setattr(capacity, "ROUND_SECONDS", 0.001)
    rounds, began = 0, []

    def next_round() -> None:
        nonlocal rounds
        rounds += 1
        asyncio.get_running_loop().call_soon(next_round)

    async def compute(scope: Any, receive: Any, send: Any) -> None:
        began.append(rounds)
        until = time.monotonic() + 0.005
        while time.monotonic() < until:
            pass
        await respond(send, 200, [JSON], b"{}")

    call = calls(limit_of(compute))
    asyncio.get_running_loop().call_soon(next_round)
    await asyncio.gather(*(call(number) for number in range(5)))
    assert len(set(began)) == 5


# Bodies


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/mcp"), ("POST", "/own"), ("PUT", "/own"), ("PUT", "/swallows"), ("PUT", "/stream")]
)
async def test_late_body_is_408_wherever_it_goes(
    method: str, path: str, small: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "BODY_SECONDS", 0.05)
    routed = MCPServer("routed")

    @routed.custom_route("/own", methods=["POST", "PUT"])
    async def own(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    @routed.custom_route("/swallows", methods=["PUT"])
    async def swallows(request: Request) -> Response:
        try:
            await request.body()
        except Exception:  # noqa: BLE001 - what such a route may not get to see
            return PlainTextResponse("swallowed")
        return PlainTextResponse("whole")

    @routed.custom_route("/stream", methods=["PUT"])
    async def stream(request: Request) -> Response:
        return PlainTextResponse(b"".join([part async for part in request.stream()]))

    monkeypatch.setattr(server_module, "load_server", lambda _: (routed, Scopes()))
    made, app = build_app(read_settings({"MCP_DOOR": "platform"}), streaming=True)()
    begun = {"type": "http.request", "body": b"{", "more_body": True}
    async with app.router.lifespan_context(app):
        call = calls(limited(made))
        for _ in range(3):  # more often than there are places
            start, body = await call(0, method, path, [begun])
            assert (start["status"], (b"connection", b"close") in start["headers"]) == (408, True)
            assert json.loads(body["body"]) == {"message": "The body did not arrive within 0.05 seconds."}
            told = json.loads(capsys.readouterr().out)
            assert (told["decision"], told["reason"], told["status"]) == ("allow", "message_late", 408)


@pytest.mark.anyio
async def test_body_that_drips_is_late_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "BODY_SECONDS", 0.1)

    async def drips(scope: Any, receive: Any, send: Any) -> None:
        async def dripping() -> Any:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def sent(message: Any) -> None:
            answers.append(message)

        await limit(scope, dripping, sent)

    answers: list[Any] = []
    limit = limit_of(Held())
    await asyncio.wait_for(calls(drips)(0), 10)
    assert answers[0]["status"] == 408


@pytest.mark.anyio
async def test_what_a_route_does_between_two_parts_is_not_the_callers_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "BODY_SECONDS", 0.05)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.1)

        async def on_its_way() -> Any:
            await asyncio.sleep(0)  # read from the connection only now
            return await receive()

        body = await read_body(scope["headers"], on_its_way, 1000)
        await respond(send, 200, [JSON], body or b"")

    parts = [{"type": "http.request", "body": b"{", "more_body": more} for more in (True, False)]
    start, body = await calls(limit_of(slow))(0, "PUT", "/own", parts)
    assert (start["status"], body["body"]) == (200, b"{")


@pytest.mark.anyio
async def test_who_hangs_up_before_his_body_is_there_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert await calls(limit_of(Held()))(0, parts=parts) == []
    told = json.loads(capsys.readouterr().out)
    assert (told["decision"], told["reason"], told["status"]) == ("deny", "cut_off", None)


# Strangers


@contextlib.asynccontextmanager
async def issuer_that_hangs() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """One that gives its keys once and then takes connections without a word; its URL, and that it has begun to."""
    keys = key_set(jwk(rsa_key()))
    answers = [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(keys) + keys]
    held: list[asyncio.StreamWriter] = []
    hanging = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answers:
            writer.write(answers.pop())
            await writer.drain()
        else:
            hanging.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", hanging
    finally:
        server.close()
        for writer in held:
            writer.close()
            with contextlib.suppress(OSError):  # the other end was quicker
                await writer.wait_closed()


@pytest.mark.anyio
async def test_strangers_who_wait_for_a_hanging_issuer_hold_no_place(small: None, gate: Held) -> None:
    gate.open.set()
    now = int(time.time())
    async with issuer_that_hangs() as (issuer, hanging):
        source = KeySource(issuer, jwks_url=f"{issuer}/jwks")
        call = calls(limit_of(gate, JwtDoor([(Policy(issuer, frozenset({RESOURCE})), source)])))

        def bearer(kid: str) -> dict[str, str]:
            made = token(header={"kid": kid}, claims={"iss": issuer, "iat": now, "exp": now + 600})
            return {"authorization": f"Bearer {made}"}

        assert (await call("first", **bearer("k1")))[0]["status"] == 200
        strangers = [call(f"stranger {number}", **bearer(f"unknown-{number}")) for number in range(20)]
        await asyncio.wait_for(hanging.wait(), 10)
        for number in range(5):
            answer = await asyncio.wait_for(call(number, **bearer("k1")), 2)
            assert answer[0]["status"] == 200
        assert not any(stranger.done() for stranger in strangers), "they wait for the issuer"
        for stranger in strangers:
            stranger.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)
    assert gate.began == ["first", 0, 1, 2, 3, 4]
