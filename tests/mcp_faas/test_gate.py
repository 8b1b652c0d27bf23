"""The gate in front of the real SDK app: each rule of the endpoint, in every door that it concerns."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
import types
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mcp_faas import server as server_module
from mcp_faas.asgi import respond
from mcp_faas.auth.errors import TokenUnknown
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.scopes import Scopes
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.documents import TokenDocuments
from mcp_faas.doors import BearerDoor, PlatformDoor, open_door
from mcp_faas.gate import Gate
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from mcp_faas.tokens import Token, TokenDocument
from support import mcp
from support.gate import DOORS, JWT, METADATA, ORIGIN, TOKEN, WELL_KNOWN, client, doors, good_token, post
from support.jwts import ISSUER, RESOURCE, token


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("door", DOORS)
async def test_good_credentials_call_a_tool_in_every_era(door: str, era: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ) as http:
        answer = await post(http, "tools/call", mcp.call("add", {"a": 2, "b": 3}), era=era, **opens)
    assert answer.status_code == 200
    assert answer.json()["result"]["structuredContent"] == {"result": 5.0}
    assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.anyio
@pytest.mark.parametrize("door", ["bearer", "jwt"])
@pytest.mark.parametrize("path", ["/mcp"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"])
async def test_stranger_is_401_with_every_method(door: str, path: str, method: str, tmp_path: Any) -> None:
    async with client(doors(tmp_path)[door][0]) as http:
        answer = await http.request(method, path, headers={"accept": "text/event-stream"})
    assert answer.status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods_are_405_at_once_once_inside(door: str, method: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ) as http:
        answer = await http.request(method, "/mcp", headers={"accept": "text/event-stream", **opens})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
@pytest.mark.parametrize("accept", ["application/json", "application/json, text/event-stream"])
async def test_subscription_is_answered_at_once(era: str, accept: str) -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "subscriptions/listen", {"notifications": {}}, era=era, accept=accept)
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}


@pytest.mark.anyio
async def test_no_promise_of_notifications_is_made() -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        modern = await post(http, "server/discover", era=mcp.MODERN)
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        legacy = await post(http, "initialize", hello, era="2025-06-18")
    for answer in (modern, legacy):
        capabilities = answer.json()["result"]["capabilities"]
        assert set(capabilities) >= {"tools", "resources", "prompts"}
        assert "true" not in json.dumps(capabilities)


@pytest.mark.anyio
async def test_notification_is_202() -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        body = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        for era in (mcp.MODERN, mcp.LEGACY[0]):
            answer = await http.post("/mcp", content=body, headers=mcp.headers("notifications/initialized", era=era))
            assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.anyio
async def test_session_id_of_a_dead_session_is_ignored() -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/list", mcp_session_id="dead")
    assert answer.status_code == 200
    assert "mcp-session-id" not in answer.headers


# Origin and CORS


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", ORIGIN + ".evil.example", ORIGIN.upper()])
async def test_origin_that_is_not_allowed_is_403(door: str, origin: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ) as http:
        answer = await post(http, "tools/list", origin=origin, **opens)
        asked = await http.options("/mcp", headers={"origin": origin, "access-control-request-method": "POST"})
    for refused in (answer, asked):
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.anyio
async def test_two_origins_are_403() -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        sent = [*mcp.headers("tools/list").items(), ("origin", ORIGIN), ("origin", ORIGIN)]
        answer = await http.post("/mcp", content=mcp.message("tools/list"), headers=sent)
    assert answer.status_code == 403


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
async def test_preflight_of_an_allowed_origin_needs_no_token(door: str, tmp_path: Any) -> None:
    async with client(doors(tmp_path)[door][0]) as http:
        answer = await http.options("/mcp", headers={"origin": ORIGIN, "access-control-request-method": "POST"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    allowed = answer.headers["access-control-allow-headers"]
    for name in ("authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name"):
        assert name in allowed


@pytest.mark.anyio
async def test_preflight_allows_the_headers_that_tools_name() -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        asked = {"origin": ORIGIN, "access-control-request-headers": "content-type, Mcp-Param-Region, x-evil"}
        answer = await http.options("/mcp", headers=asked)
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert "mcp-param-region" in allowed
    assert "x-evil" not in allowed


@pytest.mark.anyio
async def test_browser_can_read_the_challenge() -> None:
    async with client(JWT) as http:
        answer = await post(http, "tools/list", origin=ORIGIN)
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "www-authenticate" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"].lower()


# Metadata


@pytest.mark.anyio
async def test_metadata_is_the_same_bytes_for_everybody() -> None:
    async with client(JWT) as http:
        answers = [
            await http.get(path, headers=sent)
            for path in (WELL_KNOWN, WELL_KNOWN + "/mcp")
            for sent in (
                {},
                {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"},
                {"forwarded": "host=evil.example", "x-original-url": "/x", "origin": ORIGIN},
            )
        ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    document = answers[0].json()
    assert document["resource"] == RESOURCE
    assert document["authorization_servers"] == [ISSUER]
    assert document["scopes_supported"] == ["mcp:tools:countdown"]


@pytest.mark.anyio
@pytest.mark.parametrize("door", ["platform", "bearer"])
@pytest.mark.parametrize(
    "path", [WELL_KNOWN, WELL_KNOWN + "/mcp", "/.well-known/oauth-authorization-server", "/register", "/"]
)
async def test_token_door_serves_no_metadata(door: str, path: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ, Call(public_url=RESOURCE)) as http:
        for sent in ({}, opens):
            assert (await http.get(path, headers=sent)).status_code == 404


@pytest.mark.anyio
async def test_scopes_supported_can_be_said() -> None:
    async with client({**JWT, "MCP_SCOPES_SUPPORTED": "a b"}) as http:
        assert (await http.get(WELL_KNOWN)).json()["scopes_supported"] == ["a", "b"]


@pytest.mark.anyio
async def test_issuer_that_knows_one_broad_scope_is_asked_for_no_other() -> None:
    """Everybody needs `mcp:tools`, which covers what the demo's countdown declares."""
    async with client({**JWT, "MCP_SCOPES": "mcp:tools mcp:tools:more"}) as http:
        assert (await http.get(WELL_KNOWN)).json()["scopes_supported"] == ["mcp:tools"]
        assert (await post(http, "tools/list")).json()["scope"] == "mcp:tools"
        told = []
        for scope in ("x", "mcp:tools"):
            token = f"Bearer {good_token(scope=scope)}"
            told.append(await post(http, "tools/call", mcp.call("countdown", {"seconds": 0}), authorization=token))
    assert [answer.status_code for answer in told] == [403, 200]
    assert told[0].json()["scope"] == "mcp:tools"


@pytest.mark.anyio
async def test_public_url_with_a_longer_path() -> None:
    url = "https://mcp.example.com/tools/mcp"
    async with client({**JWT, "MCP_PUBLIC_URL": url}) as http:
        assert (await http.get(WELL_KNOWN + "/tools/mcp")).json()["resource"] == url
        answer = await http.post("/tools/mcp", content=mcp.message("tools/list"), headers=mcp.headers("tools/list"))
        assert answer.status_code == 401
        assert (
            f'resource_metadata="https://mcp.example.com{WELL_KNOWN}/tools/mcp"' in answer.headers["www-authenticate"]
        )
        good = {"authorization": f"Bearer {good_token(aud=url)}", **mcp.headers("tools/list")}
        assert (await http.post("/tools/mcp", content=mcp.message("tools/list"), headers=good)).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/mcp/", "//mcp", "/MCP", "/mcp/..;/", "/mcp/x", "/healthz/", "/messages/", "/sse"])
async def test_paths_beside_the_endpoint_are_404(path: str) -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await http.post(path, content=mcp.message("tools/list"), headers=mcp.headers("tools/list"))
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
async def test_health_says_ok_and_nothing_else(door: str, tmp_path: Any) -> None:
    async with client(doors(tmp_path)[door][0]) as http:
        answer = await http.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")
    assert set(answer.headers) == {"content-type", "content-length"}


# Credentials


@pytest.mark.anyio
async def test_credentials_in_other_places_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    good = good_token()
    async with client(JWT) as http:
        sent = mcp.headers("tools/list")
        answers = [
            await http.post(f"/mcp?access_token={good}", content=mcp.message("tools/list"), headers=sent),
            await post(http, "tools/list", cookie=f"access_token={good}"),
            await post(http, "tools/list", x_forwarded_authorization=f"Bearer {good}"),
            await post(http, "tools/list", x_amzn_remapped_authorization=f"Bearer {good}"),
            await post(http, "tools/list", proxy_authorization=f"Bearer {good}"),
            await post(http, "tools/list", authorization=f"Basic {good}"),
        ]
    for answer in answers:
        assert answer.status_code == 401
        assert "error" not in answer.headers["www-authenticate"]
        assert "error" not in answer.json()
    captured = capsys.readouterr()
    assert good not in captured.out + captured.err


@pytest.mark.anyio
@pytest.mark.parametrize("door", ["bearer", "jwt"])
async def test_two_credentials_are_never_let_in(door: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ) as http:
        twice = [*mcp.headers("tools/list").items(), *opens.items(), *opens.items()]
        doubled = await http.post("/mcp", content=mcp.message("tools/list"), headers=twice)
        joined = await post(http, "tools/list", authorization=", ".join([opens["authorization"]] * 2))
    assert {doubled.status_code, joined.status_code} == {400}


@pytest.mark.anyio
async def test_white_space_around_header_values_is_trimmed() -> None:
    async with client(JWT) as http:
        answer = await post(
            http,
            "tools/call",
            mcp.call("add", {"a": 1, "b": 1}),
            era=mcp.MODERN,
            authorization=f"  Bearer {good_token()} \t",
            mcp_name=" add ",
        )
    assert answer.status_code == 200


@pytest.mark.anyio
async def test_disabled_and_foreign_tokens_of_a_document(tmp_path: Any) -> None:
    document = tmp_path / "tokens.json"
    entries = [
        {"tokenName": f"t{n}", "enable": n != 3, "tokenData": f"foreign.token~{n}+/=".ljust(40, "x")} for n in range(20)
    ]
    document.write_text(json.dumps({"tokens": entries}))
    async with client({"MCP_DOOR": "bearer", "MCP_TOKENS": f"file:{document}"}) as http:
        for number, entry in enumerate(entries):
            answer = await post(http, "tools/call", mcp.call("whoami"), authorization=f"Bearer {entry['tokenData']}")
            assert answer.status_code == (401 if number == 3 else 200), number
            if number != 3:
                assert answer.json()["result"]["structuredContent"]["client"] == f"t{number}"


@pytest.mark.anyio
async def test_unreadable_document_lets_nobody_in(tmp_path: Any) -> None:
    document = tmp_path / "tokens.json"
    async with client({"MCP_DOOR": "bearer", "MCP_TOKENS": f"file:{document}"}) as http:
        for text in (None, "", "{", '{"tokens": {}}', '{"tokens": [{"tokenName": "a", "tokenData": 1}]}'):
            if text is not None:
                document.write_text(text)
            answer = await post(http, "tools/list", authorization=f"Bearer {TOKEN}")
            assert answer.status_code == 503
            assert "token store" in answer.json()["message"]


# Scopes


@pytest.mark.anyio
async def test_scope_of_every_request() -> None:
    async with client({**JWT, "MCP_SCOPES": "mcp:use"}) as http:
        stranger = await post(http, "tools/list")
        poor = await post(http, "tools/list", authorization=f"Bearer {good_token(scope='other')}")
        rich = await post(http, "tools/list", authorization=f"Bearer {good_token(scope='mcp:use')}")
    assert 'scope="mcp:use"' in stranger.headers["www-authenticate"]
    assert (poor.status_code, rich.status_code) == (403, 200)
    assert 'error="insufficient_scope"' in poor.headers["www-authenticate"]
    assert 'scope="mcp:use"' in poor.headers["www-authenticate"]
    assert f'resource_metadata="{METADATA}"' in poor.headers["www-authenticate"]


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
async def test_scope_of_a_tool_is_asked_before_the_sdk_runs(era: str) -> None:
    asked = mcp.call("countdown", {"seconds": 0})
    async with client(JWT) as http:
        poor = await post(http, "tools/call", asked, era=era, authorization=f"Bearer {good_token(scope='x')}")
        rich = await post(http, "tools/call", asked, era=era, authorization=f"Bearer {good_token(scope='mcp:tools:*')}")
    assert poor.status_code == 403
    assert 'scope="mcp:tools:countdown"' in poor.headers["www-authenticate"]
    assert rich.status_code == 200


@pytest.mark.anyio
async def test_lying_name_header_does_not_widen_a_scope() -> None:
    async with client(JWT) as http:
        answer = await post(
            http,
            "tools/call",
            mcp.call("countdown", {"seconds": 0}),
            era=mcp.LEGACY[0],
            mcp_name="add",
            authorization=f"Bearer {good_token(scope='x')}",
        )
    assert answer.status_code == 403


@pytest.mark.anyio
@pytest.mark.parametrize("granted", ["", "mcp:tools:countdown"])
async def test_static_token_carries_the_scopes_of_the_setting(granted: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)["bearer"]
    async with client({**environ, "MCP_TOKEN_SCOPES": granted}) as http:
        answer = await post(http, "tools/call", mcp.call("countdown", {"seconds": 0}), **opens)
    assert answer.status_code == (200 if granted else 403)


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "guarded"}),
        ("resources/read", {"uri": "notes://index"}),
        ("resources/read", {"uri": "notes://note/7"}),
        ("resources/read", {"uri": "notes://note/a%2Fb"}),
        ("resources/read", {"uri": "files://a/b/c"}),
    ],
)
async def test_scopes_of_prompts_resources_and_templates(
    method: str, params: dict[str, Any], era: str, monkeypatch: Any
) -> None:
    guarded, scopes = MCPServer("guarded"), server_module.Scopes()

    @scopes.prompt("s:prompt", name="guarded")
    @guarded.prompt(name="guarded")
    def prompt() -> str:
        return "secret"

    @scopes.resource("notes://index", "s:notes")
    @guarded.resource("notes://index")
    def index() -> str:
        return "secret"

    @scopes.resource("notes://note/{name}", "s:notes")
    @guarded.resource("notes://note/{name}")
    def note(name: str) -> str:
        return "secret"

    @scopes.resource("files://{+path}", "s:files")
    @guarded.resource("files://{+path}")
    def file(path: str) -> str:
        return "secret"

    monkeypatch.setattr(server_module, "load_server", lambda _: (guarded, scopes))
    async with client(JWT) as http:
        poor = await post(http, method, params, era=era, authorization=f"Bearer {good_token(scope='x')}")
        rich = await post(http, method, params, era=era, authorization=f"Bearer {good_token(scope='s')}")
    assert (poor.status_code, "secret" in poor.text) == (403, False)
    assert (rich.status_code, "secret" in rich.text) == (200, True)


@pytest.mark.anyio
async def test_token_that_is_none_of_ours_costs_no_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    monkeypatch.setattr("mcp_faas.jwks.KeySource.keys_for", lambda *asked: fetched.append(asked))
    now = int(time.time())
    async with client(JWT) as http:
        for header in ({"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"crit": ["x"]}, {"kid": 1}):
            bad = token(header, {"iat": now, "exp": now + 600})
            assert (await post(http, "tools/list", authorization=f"Bearer {bad}")).status_code == 401
    assert fetched == []


@pytest.mark.anyio
async def test_new_token_of_a_document_works_within_seconds(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environ, opens = doors(tmp_path)["bearer"]
    monkeypatch.setattr("mcp_faas.documents.RETRY_SECONDS", 0)
    async with client(environ) as http:
        assert (await post(http, "tools/list", **opens)).status_code == 200
        fresh = "New-" + "n" * 40
        entries = [{"tokenName": "t2", "enable": True, "tokenData": fresh}]
        (tmp_path / "tokens.json").write_text(json.dumps({"tokens": entries}))
        assert (await post(http, "tools/list", authorization=f"Bearer {fresh}")).status_code == 200


@pytest.mark.anyio
async def test_slow_store_delays_nobody_whose_token_is_known() -> None:
    """A stranger's token makes the store be asked; the others do not wait for him."""
    known, reads = Token("t", True, TOKEN), []

    def slowly() -> TokenDocument:
        reads.append(time.monotonic())
        if len(reads) > 1:
            time.sleep(1.5)
        return TokenDocument((known,))

    ahead = 0.0
    documents = TokenDocuments(slowly, clock=lambda: time.time() + ahead)
    door = BearerDoor(documents, frozenset())
    await door.admit([f"Bearer {TOKEN}"], Call())
    ahead = 10.0
    stranger = asyncio.ensure_future(door.admit(["Bearer " + "x" * 40], Call()))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    assert (await door.admit([f"Bearer {TOKEN}"], Call())).client == "t"
    assert time.monotonic() - began < 0.2
    with pytest.raises(TokenUnknown):
        await stranger
    assert len(reads) == 2


# Identity


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
async def test_tool_learns_who_calls_and_never_the_token(era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = MCPServer("probe")

    def seen(ctx: Any) -> dict[str, Any]:
        from mcp.server.auth.middleware.auth_context import get_access_token

        access = get_access_token()
        assert access is not None
        return {**access.model_dump(), "headers": dict(ctx.request_context.request.headers)}

    @probe.tool()
    async def with_async(ctx: Context) -> dict[str, Any]:  # type: ignore[type-arg]  # the plain form users write
        return seen(ctx)

    @probe.tool()
    def with_def(ctx: Context) -> dict[str, Any]:  # type: ignore[type-arg]
        return seen(ctx)

    monkeypatch.setattr(server_module, "load_server", lambda _: (probe, server_module.Scopes()))
    text = good_token()
    async with client(JWT) as http:
        for tool in ("with_async", "with_def"):
            answer = await post(http, "tools/call", mcp.call(tool), era=era, authorization=f"Bearer {text}")
            told = answer.json()["result"]["structuredContent"]
            assert (told["subject"], told["client_id"], told["token"]) == ("alice", "client-1", "")
            assert told["claims"]["iss"] == ISSUER
            assert "authorization" not in told["headers"]
            assert text not in answer.text


@pytest.mark.anyio
async def test_platform_door_believes_the_gateway_and_no_header() -> None:
    call = Call(request_id="r", gateway=Principal(client="t-7", subject="t-7"))
    async with client({"MCP_DOOR": "platform"}, call) as http:
        answer = await post(http, "tools/call", mcp.call("whoami"), authorization=f"Bearer {good_token()}")
    assert answer.json()["result"]["structuredContent"] == {"client": "t-7", "subject": "t-7", "scopes": []}


# Bodies


BODIES = {
    "empty": (b"", 400),
    "not JSON": (b"{", 400),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', 400),
    "UTF-16": ('{"jsonrpc":"2.0","id":1,"method":"tools/list"}'.encode("utf-16"), 400),
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', 400),
    "a number": (b"1", 400),
    "a member twice": (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}', 400),
    "a name twice": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"countdown","name":"add","arguments":{}}}',
        400,
    ),
    "deep": (b"[" * 100_000, 400),
    "no version": (b'{"id":1,"method":"tools/list"}', 400),
    "another version": (b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', 400),
    "params a list": (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}', 400),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":NaN,"b":1}}}', 400),
    "a lone surrogate": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":"\\ud800"}}}',
        400,
    ),
    "id an object": (b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}', 400),
    "too large": (b" " * (4 * 1024 * 1024 + 1), 413),
}


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
async def test_bad_body_is_the_callers_error(body: bytes, status: int, era: str) -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await http.post("/mcp", content=body, headers=mcp.headers("tools/list", era=era))
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert "pydantic" not in answer.text


@pytest.mark.anyio
async def test_body_of_unknown_length_ends_at_the_limit() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b" " * 1024 * 1024

    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await http.post("/mcp", content=endless(), headers=mcp.headers("tools/list"))
    assert (answer.status_code, taken) == (413, 5)
    assert "larger than" in answer.json()["message"]


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
@pytest.mark.parametrize(
    ("extra", "statuses"),
    [
        ({"content_type": "text/plain"}, {415}),
        ({"content_type": ""}, {415}),
        ({"content_type": "application/jsonx"}, {415}),
        ({"accept": "text/html"}, {406}),
        ({"mcp_protocol_version": "1999-01-01"}, {400}),
    ],
    ids=["content type", "no content type", "nearly the content type", "accept", "version"],
)
async def test_bad_headers_are_the_callers_error(extra: dict[str, str], statuses: set[int], era: str) -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/list", era=era, **extra)
    assert answer.status_code in statuses


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
async def test_unknown_method_is_the_protocols_error(era: str) -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/unknown", era=era)
    assert answer.json()["error"]["code"] == -32601
    assert answer.status_code < 500


@pytest.mark.anyio
async def test_tool_that_raises_tells_nothing(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    broken = MCPServer("broken")

    @broken.tool()
    async def explode() -> str:
        raise RuntimeError("the database password is hunter2")

    monkeypatch.setattr(server_module, "load_server", lambda _: (broken, server_module.Scopes()))
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/call", mcp.call("explode"))
    assert answer.status_code == 200
    assert answer.json()["result"]["isError"] is True
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
@pytest.mark.parametrize("tool", ["leave", "leave_plainly"])
async def test_tool_that_ends_the_process_ends_its_call(tool: str, era: str, monkeypatch: Any) -> None:
    leaving = MCPServer("leaving")

    @leaving.tool()
    async def leave() -> str:
        raise SystemExit(3)

    @leaving.tool()
    def leave_plainly() -> str:
        raise SystemExit(3)

    @leaving.prompt()
    def leave_too() -> str:
        raise SystemExit(3)

    monkeypatch.setattr(server_module, "load_server", lambda _: (leaving, server_module.Scopes()))
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/call", mcp.call(tool), era=era)
        assert (answer.status_code, answer.json()["result"]["isError"]) == (200, True)
        asked = await post(http, "prompts/get", {"name": "leave_too"}, era=era)
        assert asked.json()["error"]["message"] == "Internal error"
        assert (await post(http, "tools/list", era=era)).status_code == 200


# The audit line


@pytest.mark.anyio
async def test_every_decision_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async with client(JWT) as http:
        await post(http, "tools/list")
        await post(http, "tools/call", mcp.call("add", {"a": 1, "b": 1}), authorization=f"Bearer {good_token()}")
        await post(http, "tools/call", mcp.call("countdown", {}), authorization=f"Bearer {good_token(scope='x')}")
        await http.get("/mcp", headers={"authorization": f"Bearer {good_token()}"})
        await post(http, "tools/list", origin="https://evil.example")
        await http.get("/healthz")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [(line["decision"], line["reason"], line["status"], line["tool"]) for line in lines]
    assert told == [
        ("deny", "token_missing", 401, None),
        ("allow", "ok", 200, "add"),
        ("deny", "scope_missing", 403, "countdown"),
        ("allow", "ok", 405, None),
        ("deny", "origin_not_allowed", 403, None),
    ]
    assert [line["subject"] for line in lines] == [None, "alice", "alice", "alice", None]
    assert {line["audit"] for line in lines} == {"mcp-faas/1"}
    assert {line["request_id"] for line in lines} == {"r-1"}
    assert all(list(line) == list(lines[0]) for line in lines)


@pytest.mark.anyio
async def test_callers_text_cannot_break_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    async with client({"MCP_DOOR": "platform"}) as http:
        await post(http, "tools/call", mcp.call('x"\n{"audit":"forged"}\u2028' + "y" * 1000))
    (line,) = capsys.readouterr().out.splitlines()
    assert len(json.loads(line)["tool"]) == 256


@pytest.mark.anyio
async def test_nobody_changes_the_principal_that_all_share() -> None:
    door = PlatformDoor(frozenset())
    shared = await door.admit([], Call())
    assert await door.admit([], Call()) is shared
    with pytest.raises(TypeError):
        shared.claims["sub"] = "mallory"  # type: ignore[index]  # the point of the test


# Misuse that must not start


def test_scope_declared_for_an_unknown_tool_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp_faas.settings.values import SettingsError

    scopes = server_module.Scopes()

    @scopes.tool("x")
    def ad() -> None: ...

    monkeypatch.setattr(server_module, "load_server", lambda _: (MCPServer("s"), scopes))
    with pytest.raises(SettingsError, match='There is no tool "ad"'):
        build_app(read_settings({"MCP_DOOR": "platform"}), streaming=True)


def test_sse_does_not_start_where_nothing_streams() -> None:
    from mcp_faas.settings.values import SettingsError

    with pytest.raises(SettingsError, match="MCP_SSE is on"):
        build_app(read_settings({"MCP_DOOR": "platform", "MCP_SSE": "on"}), streaming=False)


def test_server_with_a_door_of_its_own_does_not_start() -> None:
    from mcp.server.auth.settings import AuthSettings

    from mcp_faas.settings.values import SettingsError

    class Verifier:
        async def verify_token(self, token: str) -> None:
            return None

    module = types.ModuleType("has_auth")
    settings = AuthSettings.model_validate(
        {"issuer_url": ISSUER, "resource_server_url": RESOURCE, "validate_token_resource": True}
    )
    module.server = MCPServer("s", auth=settings, token_verifier=Verifier())  # type: ignore[attr-defined]
    sys.modules["has_auth"] = module
    try:
        with pytest.raises(SettingsError, match="has `auth=` of its own"):
            server_module.load_server("has_auth:server")
    finally:
        del sys.modules["has_auth"]


def test_call_is_frozen() -> None:
    with pytest.raises(AttributeError):
        replace(Call(), request_id="x").request_id = "y"  # type: ignore[misc]  # the point of the test


# The legacy transport


@pytest.mark.anyio
@pytest.mark.parametrize(("door", "seconds"), [("platform", 3600), ("bearer", 3600), ("jwt", 600)])
async def test_stream_ends_after_an_hour_or_with_its_token(door: str, seconds: int, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    left: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        left.append(anyio.current_effective_deadline() - anyio.current_time())
        await respond(send, 200, [], b"")

    gate = Gate(
        app=app,
        door_name=door,
        door=open_door(read_settings(environ), background=False),
        scopes=Scopes(),
        streams=frozenset({"/sse"}),
    )

    async def with_call(scope: Any, receive: Any, send: Any) -> None:
        await gate({**scope, SCOPE_KEY: Call(public_url=RESOURCE)}, receive, send)

    transport = httpx2.ASGITransport(app=with_call)
    async with httpx2.AsyncClient(transport=transport, base_url="http://any.host.example") as http:
        assert (await http.get("/sse", headers=opens)).status_code == 200
        asked = {**mcp.headers("ping"), **opens}
        assert (await http.post("/mcp", content=mcp.message("ping"), headers=asked)).status_code == 200
    assert seconds - 30 < left[0] <= seconds
    assert left[1] == math.inf, "a message has the platform's end, and none of the gate's"


@pytest.mark.anyio
@pytest.mark.parametrize("door", ["bearer", "jwt"])
async def test_legacy_transport_is_behind_the_same_door(door: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    session = "/messages/?session_id=" + "0" * 32
    async with client({**environ, "MCP_SSE": "on"}) as http:
        assert (await http.get("/sse")).status_code == 401
        assert (await http.post(session, content=mcp.message("tools/list"))).status_code == 401
        sent = {**mcp.headers("tools/list"), **opens}
        assert (await http.post(session, content=mcp.message("tools/list"), headers=sent)).status_code == 404
        evil = {**sent, "origin": "https://evil.example"}
        assert (await http.post(session, content=mcp.message("tools/list"), headers=evil)).status_code == 403
        redirected = await http.post("/messages?session_id=" + "0" * 32, content=b"{}", headers=sent)
        assert redirected.status_code == 404


@pytest.mark.anyio
async def test_legacy_paths_take_their_one_method(tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)["bearer"]
    async with client({**environ, "MCP_SSE": "on"}) as http:
        for path, allowed, others in (("/sse", "GET", ["HEAD", "POST"]), ("/messages/", "POST", ["GET", "HEAD"])):
            for method in (*others, "PUT", "DELETE"):
                answer = await http.request(method, path, headers=opens)
                assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    async with client(environ) as http:
        assert (await http.post("/messages/", content=b"{}", headers=opens)).json() == {"message": "Not found."}


@pytest.mark.anyio
async def test_routes_of_the_users_own_are_behind_the_door(monkeypatch: Any, tmp_path: Any) -> None:
    routed = MCPServer("routed")

    @routed.custom_route("/hook", methods=["POST"])
    @routed.custom_route("/items/{name}", methods=["GET"])
    async def hook(request: Request) -> Response:
        return PlainTextResponse(request.url.path + (await request.body()).decode())

    monkeypatch.setattr(server_module, "load_server", lambda _: (routed, server_module.Scopes()))
    environ, opens = doors(tmp_path)["bearer"]
    async with client(environ) as http:
        assert (await http.post("/hook", content=b"not JSON")).status_code == 401
        assert (await http.get("/items/7")).status_code == 401
        assert (await http.post("/hook", content=b" not JSON", headers=opens)).text == "/hook not JSON"
        assert (await http.get("/items/7", headers=opens)).text == "/items/7"
        assert (await http.get("/other", headers=opens)).status_code == 404


@pytest.mark.anyio
async def test_scope_of_a_tool_is_asked_on_the_legacy_transport_too() -> None:
    sent = {**mcp.headers("tools/call"), "authorization": f"Bearer {good_token(scope='x')}"}
    asked = mcp.message("tools/call", mcp.call("countdown", {"seconds": 0}))
    async with client({**JWT, "MCP_SSE": "on"}) as http:
        answer = await http.post("/messages/?session_id=" + "0" * 32, content=asked, headers=sent)
    assert answer.status_code == 403


# State between instances


def asking_server() -> MCPServer[Any]:
    """A server as anybody writes one, whose tool asks a question first and keeps state in the client's hands."""
    asking = MCPServer("asking")

    @asking.tool()
    async def ask(ctx: Context) -> str | InputRequiredResult:  # type: ignore[type-arg]  # the plain form users write
        if ctx.request_state is None:
            return InputRequiredResult(request_state="the secret plan")
        return f"resumed: {ctx.request_state}"

    return asking


async def resume(first: dict[str, str], second: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> httpx2.Response:
    """Ask on one instance, and answer on another that has other settings."""
    monkeypatch.setattr(server_module, "load_server", lambda _: (asking_server(), server_module.Scopes()))
    async with client({"MCP_DOOR": "platform", **first}) as http:
        asked = (await post(http, "tools/call", mcp.call("ask"), era=mcp.MODERN)).json()["result"]
    assert asked["resultType"] == "input_required"
    assert "secret plan" not in asked["requestState"]
    async with client({"MCP_DOOR": "platform", **second}) as http:
        again = {**mcp.call("ask"), "requestState": asked["requestState"]}
        return await post(http, "tools/call", again, era=mcp.MODERN)


@pytest.mark.anyio
async def test_state_survives_another_instance_with_the_same_key(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "key").write_text("k" * 32 + "\n")
    environ = {"MCP_REQUEST_STATE_KEY": f"file:{tmp_path / 'key'}"}
    answer = await resume(environ, environ, monkeypatch)
    assert answer.json()["result"]["content"][0]["text"] == "resumed: the secret plan"


@pytest.mark.anyio
async def test_state_key_can_be_rotated(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "old").write_text("k" * 32 + "\n")
    (tmp_path / "new").write_text("n" * 32 + "\n" + "k" * 32 + "\n")
    old, new = ({"MCP_REQUEST_STATE_KEY": f"file:{tmp_path / name}"} for name in ("old", "new"))
    assert (await resume(old, new, monkeypatch)).status_code == 200


@pytest.mark.anyio
async def test_state_of_another_key_is_refused(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "one").write_text("k" * 32)
    (tmp_path / "other").write_text("o" * 32)
    one, other = ({"MCP_REQUEST_STATE_KEY": f"file:{tmp_path / name}"} for name in ("one", "other"))
    assert (await resume(one, other, monkeypatch)).status_code == 400


@pytest.mark.anyio
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_a_defect_of_the_door_is_told_without_its_text(
    level: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A token of another tool has no shape that the log could know it by."""

    def broken(presented: str, tokens: Any) -> Any:
        raise KeyError(f"{presented} in {tokens}")

    monkeypatch.setattr("mcp_faas.doors.identify", broken)
    environ, _ = doors(tmp_path)["bearer"]
    foreign = "foreign~" + "v" * 40
    with caplog.at_level(level):
        async with client(environ) as http:
            answer = await post(http, "tools/list", authorization=f"Bearer {foreign}")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error."})
    assert "the request could not be answered: KeyError at test_gate.py:" in caplog.text
    assert ("in _guarded" in caplog.text) is (level == "DEBUG")
    assert foreign not in caplog.text
