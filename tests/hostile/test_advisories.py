"""One row for each published advisory: its proofs exist, and those that stand nowhere else are here."""

from __future__ import annotations

import ast
import asyncio
import binascii
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hostile.advisories import ADVISORIES
from hostile.canary import REACHED
from hostile.case import ALLOWED_ORIGIN, CANARIES, STRANGERS_KEY, Request, World, bearer
from hostile.checks import metadata_url
from hostile.corpus import cases, event_cases
from hostile.families import messages
from hostile.ways_in import WAYS, Answer, WayIn, call_app, function, gate, listening_on_loopback, web_function
from mcp_faas.auth import compact
from mcp_faas.auth.errors import TokenTooLong
from mcp_faas.call import Call
from mcp_faas.settings import read_settings
from mcp_faas.settings.values import SettingsError
from support import mcp
from support.jwts import ISSUER, RESOURCE, sign_parts
from support.raw_http import Connection

ROOT = Path(__file__).resolve().parents[2]
ASGI = WAYS[0]
CALL = Call("r-1", RESOURCE)


@cache
def names_of_cases() -> frozenset[str]:
    world = World(RESOURCE)
    return frozenset([case.id for case in cases(world)] + [case.id for case in event_cases(world)])


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("advisory", ADVISORIES)
def test_proofs_exist(advisory: str) -> None:
    proofs = ADVISORIES[advisory][1]
    assert proofs
    for proof in proofs:
        if proof.startswith("corpus:"):
            assert proof.removeprefix("corpus:") in names_of_cases()
        else:
            file, _, name = proof.partition("::")
            assert name in functions_of(ROOT / file), proof


@asynccontextmanager
async def door(**more: str) -> AsyncIterator[Any]:
    """The app of the corpus, and what it is asked by."""
    async with gate() as app:

        async def ask(request: Request) -> Any:
            return await call_app(app, request, CALL)

        yield ask


@pytest.mark.parametrize("scheme", ["file", "ftp", "data", "http", "gopher", "jar", "FILE", "unix"])
def test_keys_come_over_https_alone(scheme: str) -> None:
    url = f"{scheme}://issuer.example.com/keys"
    for name in ("MCP_JWT_JWKS_URL", "MCP_JWT_ISSUER", "MCP_PUBLIC_URL"):
        settings = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": ISSUER, "MCP_PUBLIC_URL": RESOURCE, name: url}
        with pytest.raises(SettingsError, match=name):
            read_settings(settings)


def test_a_long_token_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object, **__: object) -> bytes:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(binascii, "a2b_base64", decoded)
    for text in ("a" * 8193, f"{'a' * 8000}.{'b' * 8000}.{'c' * 300}", "." * 5_000_000):
        with pytest.raises(TokenTooLong):
            compact.parse(text)
    with pytest.raises(AssertionError, match="it was decoded"):
        compact.parse("AAAA.BBBB.CCCC")


def test_no_place_of_keys_in_a_token_is_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    """`jku` and `x5u` lead to a listener that nobody may knock at; any other connection is noticed as well."""
    connected: list[object] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        connected.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    world = World(RESOURCE)

    async def run() -> list[int]:
        knocks: list[object] = []
        server = await asyncio.start_server(lambda *_: knocks.append(1), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys.json"
        async with server, door() as ask:
            for kid, name, key in itertools.product(("k-rsa", "mine", ...), ("jku", "x5u"), (None, STRANGERS_KEY)):
                made = {**world.header(), "kid": kid, name: url}
                text = json.dumps({member: value for member, value in made.items() if value is not ...}).encode()
                await ask(bearer(sign_parts(text, json.dumps(world.claims()).encode(), key=key)))
        assert not knocks
        return [len(knocks)]

    with function(ASGI.environment()):
        asyncio.run(run())
    assert [address for address in connected if isinstance(address, tuple)] == []


@pytest.mark.parametrize("way", [way for way in WAYS if way.transport != "http-api"], ids=lambda way: way.name)
def test_an_instance_goes_on_after_every_message(way: WayIn) -> None:
    REACHED.clear()
    world = World(way.resource)
    hostile = [case.request for case in messages.cases(world) if case.expected(way.transport)]
    with function(way.environment()), way.open() as ask:
        answers = ask([("r", request) for sent in hostile for request in (sent, bearer(world.token()))])
    assert {answer.status for answer in answers[1::2]} == {200}
    assert len(REACHED) == len(hostile)


def test_origin_decides_whatever_the_host_is() -> None:
    """Rebinding needs a browser that sends the victim's authority; it sends its own origin with it."""
    hosts = (
        "mcp.example.com",
        "evil.example",
        "localhost",
        "127.0.0.1:9000",
        "[::1]",
        "",
        "mcp.example.com.evil.example",
    )
    origins = {None: 200, ALLOWED_ORIGIN: 200, "https://evil.example": 403, "null": 403, "http://localhost": 403}
    good = World(RESOURCE).token()

    async def run() -> list[tuple[object, ...]]:
        wrong: list[tuple[object, ...]] = []
        async with door() as ask:
            for host, (origin, status), token in itertools.product(hosts, origins.items(), (good, None)):
                headers = [("Host", host)]
                headers += [("Origin", origin)] if origin is not None else []
                headers += [("Authorization", f"Bearer {token}")] if token else []
                answer = await ask(Request(tuple(headers)))
                expected = 401 if status == 200 and token is None else status
                named = [metadata_url(RESOURCE) in text for text in answer.all("www-authenticate")]
                if answer.status != expected or not all(named) or answer.all("location"):
                    wrong.append((host, origin, token is None, answer.status))
        return wrong

    with function(ASGI.environment()):
        assert asyncio.run(run()) == []


def test_session_of_the_legacy_transport_belongs_to_who_opened_it() -> None:
    world = World(RESOURCE)
    alice, again = world.token(), world.token(claims={"jti": "another token of hers"})
    strangers = {
        "another subject": {"sub": "mallory"},
        "another client of the same subject": {"client_id": "other"},
    }
    web = next(way for way in WAYS if way.name == "fc-web")

    async def run(config: Any) -> dict[str, int]:
        async with listening_on_loopback(config) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /sse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice}\r\n\r\n".encode())
            path = (await reader.readuntil(b"session_id=")).rpartition(b"data: ")[2].decode()
            path += (await reader.readexactly(32)).decode()
            statuses = {}
            async with Connection(port) as connection:

                async def post(**headers: str) -> int:
                    sent = {**mcp.headers("tools/call"), **headers}
                    body = mcp.message("tools/call", mcp.call("touch"))
                    return (await connection.ask("POST", path, sent.items(), body))[0]

                for name, claims in strangers.items():
                    statuses[name] = await post(authorization=f"Bearer {world.token(claims=claims)}")
                statuses["no token"] = await post()
                statuses["reached"] = len(REACHED)
                statuses["another token of the same"] = await post(authorization=f"Bearer {again}")
            writer.close()
            return statuses

    REACHED.clear()
    with function({**web.environment(), "MCP_SSE": "on"}):
        statuses = asyncio.run(run(web_function()))
    assert statuses == {
        "another subject": 404,
        "another client of the same subject": 404,
        "no token": 401,
        "reached": 0,
        "another token of the same": 202,
    }


@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("method", ["tasks/list", "tasks/get", "tasks/result", "tasks/cancel", "tasks/update"])
def test_there_are_no_tasks(method: str, era: str) -> None:
    good = ("Authorization", f"Bearer {World(RESOURCE).token()}")
    params = {"taskId": "1"}
    request = Request((good, *mcp.headers(method, params, era=era).items()), mcp.message(method, params, era=era))

    async def run() -> Any:
        async with door() as ask:
            return json.loads((await ask(request)).body)

    with function(ASGI.environment()):
        assert asyncio.run(run())["error"]["code"] == -32601


def test_there_are_no_websockets() -> None:
    """FC's web function runs a server that knows none; should another one offer them, the app takes none."""
    good = World(RESOURCE).token()
    sent: list[Any] = []

    async def connect(app: Any, path: str) -> None:
        scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b""}
        headers = [(b"authorization", f"Bearer {good}".encode())]
        incoming = [{"type": "websocket.connect"}]

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Any) -> None:
            sent.append(message)

        await app({**scope, "subprotocols": [], "headers": headers}, receive, send)

    async def run() -> None:
        async with gate() as app:
            for path in ("/mcp", "/sse", "/", "/ws"):
                await connect(app, path)

    with function(ASGI.environment()):
        asyncio.run(run())
    assert {message["type"] for message in sent} == {"websocket.close"}
    assert len(sent) == 4


def test_no_uri_takes_long() -> None:
    good = ("Authorization", f"Bearer {World(RESOURCE).token()}")

    async def run() -> dict[str, float]:
        slow = {}
        async with door() as ask:
            for name, uri in messages.URIS.items():
                began = time.process_time()
                await ask(Request((good,), mcp.message("resources/read", {"uri": uri})))
                slow[name] = time.process_time() - began
        return slow

    with function(ASGI.environment()):
        taken = asyncio.run(run())
    assert {name: seconds for name, seconds in taken.items() if seconds > 0.5} == {}


def test_metadata_holds_the_settings_and_nothing_of_a_caller() -> None:
    command = "https://evil.example/$(calc.exe)"
    headers = tuple(
        (name, command) for name in ("Host", "X-Forwarded-Host", "Forwarded", "Origin", "Referer", "X-Original-URL")
    )

    async def run() -> bytes:
        async with door() as ask:
            target = "/.well-known/oauth-protected-resource?resource=$(calc.exe)"
            answer: Answer = await ask(Request(headers, b"", "GET", target))
            return answer.body

    with function(ASGI.environment()):
        told = json.loads(asyncio.run(run()))
    assert (told["resource"], told["authorization_servers"]) == (RESOURCE, [ISSUER])
    assert "calc" not in json.dumps(told)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
PATHS = (
    "/mcp",
    "/sse",
    "/messages/",
    "/messages/?session_id=" + "0" * 32,
    "/",
    "/healthz",
    "/mcp/",
    "/tools",
    "/token",
)
WELL_KNOWN = (
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/openid-configuration",
)


def test_no_route_and_no_method_is_open() -> None:
    """Without a good token nothing answers 2xx but health, metadata, and a browser's question before its request."""
    world = World(RESOURCE)
    credentials = {
        "none": None,
        "bad": "bad",
        "forged": world.token()[:-8] + "AAAAAAAA",
        "expired": world.token(claims={"exp": world.now - 3600, "iat": world.now - 7200}),
        "of another audience": world.token(claims={"aud": "https://other.example.com"}),
        "of low scope": world.token(claims={"scope": "mcp:other"}),
    }
    public = {(method, path) for method in ("GET", "HEAD") for path in ("/healthz", *WELL_KNOWN[:2])}

    async def run() -> set[tuple[str, str]]:
        opened = set()
        async with door() as ask:
            for path, method, token in itertools.product((*PATHS, *WELL_KNOWN), METHODS, credentials.values()):
                headers = (("Authorization", f"Bearer {token}"),) if token else ()
                answer = await asyncio.wait_for(ask(Request(headers, method=method, target=path)), 20)
                if answer.status < 400 and method != "OPTIONS":
                    opened.add((method, path))
                assert answer.status < 500
                assert CANARIES["sub"].encode() not in answer.body
        return opened

    REACHED.clear()
    with function({**ASGI.environment(), "MCP_SSE": "on"}):
        assert asyncio.run(run()) == public
    assert not REACHED
