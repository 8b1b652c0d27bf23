"""The audit line: one for every request that asks for something, whatever becomes of it, and nothing secret in it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import MCPServer

from mcp_faas import audit
from mcp_faas import server as server_module
from mcp_faas.auth.errors import ScopeMissing, TokenExpired
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.scopes import Scopes
from mcp_faas.logs import redact
from mcp_faas.platforms.aws import handler_for
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.gate import JWT, ORIGIN, WELL_KNOWN, client, good_token, post
from support.jwts import ISSUER, token

FIELDS = (
    "audit time door request_id decision reason status issuer subject client scopes method tool ms jti_sha256 "
    "elevation detail"
)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What was written since the last look, each line on its own."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def authorized(scope: str = "mcp:tools", **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {good_token(scope=scope, **claims)}"}


def test_fields_are_those_that_the_page_names() -> None:
    told = json.loads(audit.line(audit.Decision(door="jwt"), 0.5))
    assert list(told) == FIELDS.split()
    assert (told["audit"], told["time"]) == ("mcp-faas/1", "1970-01-01T00:00:00.500Z")


def test_decision_is_noted_whole() -> None:
    decision = audit.Decision(door="jwt")
    decision.identify(Principal("c", "s", "https://i", frozenset({"b", "a"}), claims={"jti": "secret-id"}))
    decision.deny(ScopeMissing(frozenset({"y", "x"})))
    assert (decision.client, decision.subject, decision.issuer, decision.scopes) == ("c", "s", "https://i", ["a", "b"])
    assert (decision.decision, decision.reason, decision.elevation) == ("deny", "scope_missing", ["x", "y"])
    assert decision.jti_sha256 == hashlib.sha256(b"secret-id").hexdigest()
    assert "secret-id" not in audit.line(decision, 0)
    other = audit.Decision(door="jwt")
    other.deny(TokenExpired(""))
    assert (other.elevation, other.jti_sha256, other.detail) == (None, None, None)
    other.deny(TokenExpired("exp has passed"))
    assert other.detail == "exp has passed"
    assert decision.detail is None  # `elevation` says it


def test_line_is_one_of_ascii_json_with_every_text_of_callers_cut_and_redacted() -> None:
    """As one would write it without regard for time: each field by itself, whole objects copied."""
    decision = audit.Decision("jwt", "r-1", "deny", "scope_missing", 403, ISSUER, ms=1.25, jti_sha256="0" * 64)
    decision.scopes, decision.elevation, decision.detail = ["a", "b"], ["c"], "exp has passed"
    for text in ("plain", '\u00fcml\u00e4ut\u2028\n"}', "Bearer abcdefgh", "eyJhbGciOiJub25lIn0.e30.", "x" * 300, ""):
        decision.subject = decision.client = decision.method = decision.tool = text
        fields = {name: redact(v[:256]) if isinstance(v, str) else v for name, v in asdict(decision).items()}
        told = {"audit": "mcp-faas/1", "time": "2009-02-13T23:31:30.123Z", **fields}
        assert audit.line(decision, 1234567890.1234) == json.dumps(told, separators=(",", ":"))


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
async def test_line_of_a_call_says_who_did_what(lines: Any, era: str) -> None:
    before = time.time()
    async with client(JWT) as http:
        await post(http, "tools/call", mcp.call("add", {"a": 1, "b": 1}), era=era, **authorized())
    (line,) = lines()
    written = datetime.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
    assert before - 0.001 <= written <= time.time()
    assert 0 < line.pop("ms") < 60_000
    jti = line.pop("jti_sha256")
    assert len(jti) == 64
    assert line == {
        "audit": "mcp-faas/1",
        "door": "jwt",
        "request_id": "r-1",
        "decision": "allow",
        "reason": "ok",
        "status": 200,
        "issuer": ISSUER,
        "subject": "alice",
        "client": "client-1",
        "scopes": ["mcp:tools"],
        "method": "tools/call",
        "tool": "add",
        "elevation": None,
        "detail": None,
    }


@pytest.mark.anyio
@pytest.mark.parametrize("in_result", ["off", "on"])
async def test_line_of_a_denial_says_which_scopes_were_asked_for(lines: Any, in_result: str) -> None:
    async with client({**JWT, "MCP_SCOPES": "mcp:use", "MCP_SCOPE_ERROR_IN_RESULT": in_result}) as http:
        await post(http, "tools/call", mcp.call("countdown"), **authorized("mcp:use"))
    (line,) = lines()
    assert (line["decision"], line["reason"], line["tool"]) == ("deny", "scope_missing", "countdown")
    assert line["elevation"] == ["mcp:tools:countdown", "mcp:use"]
    assert line["status"] == (403 if in_result == "off" else 200)


@pytest.mark.anyio
async def test_line_says_which_claim(lines: Any) -> None:
    """Four tokens, each without another claim, were four equal lines."""
    claims = ("exp", "jti", "client_id", "sub")
    async with client(JWT) as http:
        for name in claims:
            now = int(time.time())
            good = {"iat": now, "exp": now + 600}
            text = token(claims={**good, name: ...})
            await post(http, "tools/list", authorization=f"Bearer {text}")
    told = [(line["reason"], line["detail"]) for line in lines()]
    assert told == [("claim_missing", f"{name} is missing") for name in claims]


@pytest.mark.anyio
async def test_callers_texts_are_cut_in_a_line(lines: Any) -> None:
    async with client(JWT) as http:
        await post(http, "tools/call", mcp.call("n" * 300), **authorized())
        await post(http, "m" * 300, {}, **authorized(sub="s" * 300))
    tool, method = lines()
    assert tool["tool"] == "n" * 256
    assert (method["method"], method["subject"]) == ("m" * 256, "s" * 256)


@pytest.mark.anyio
async def test_requests_and_lines_are_equal_in_number(lines: Any) -> None:
    """Every way in which the endpoint can answer; what asks for nothing behind the door has no line."""
    good = authorized()
    sent = {**mcp.headers("tools/list"), **good}
    add = mcp.message("tools/call", mcp.call("add", {"a": 1, "b": 1}))
    batch = b"[" + add + b"," + add + b"]"
    async with client(JWT) as http:
        bodies = {
            "a call": (add, 200),
            "a batch of two calls": (batch, 400),
            "no JSON": (b"{", 400),
            "too large": (b" " * (4 * 1024 * 1024 + 1), 413),
            "a notification": (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', 202),
            "an unknown tool": (mcp.message("tools/call", mcp.call("nothing")), 200),
            "a tool that fails": (mcp.message("tools/call", mcp.call("roll", {"dice": "x"})), 200),
            "wrong arguments": (mcp.message("tools/call", mcp.call("add", {"a": []})), 200),
            "an unknown method": (mcp.message("nothing/at/all"), 200),
            "a subscription": (mcp.message("subscriptions/listen"), 404),
        }
        for name, (body, status) in bodies.items():
            answer = await http.post("/mcp", content=body, headers=sent)
            assert (answer.status_code, len(lines())) == (status, 1), name
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            await http.request(method, "/mcp", headers=good)
            await http.request(method, "/mcp")
            assert len(lines()) == 2
        await http.post("/mcp", content=add, headers={**sent, "origin": "https://evil.example"})
        await http.post("/mcp", content=add, headers={**sent, "content-type": "text/plain"})
        await http.post("/mcp", content=add, headers={**sent, "mcp-name": "another"})
        assert [line["reason"] for line in lines()] == ["origin_not_allowed", "message_malformed", "message_malformed"]
        for path in ("/healthz", WELL_KNOWN, f"{WELL_KNOWN}/mcp", "/elsewhere"):
            await http.get(path)
        await http.options("/mcp", headers={"origin": ORIGIN})
        assert lines() == []


@pytest.mark.anyio
async def test_calls_at_once_have_a_line_each_and_nobody_elses(lines: Any) -> None:
    async with client(JWT) as http:

        async def one(number: int) -> None:
            name = f"user-{number}"
            tool = ("add", "word_count", "whoami", "nothing")[number % 4]
            await post(http, "tools/call", mcp.call(tool), **authorized(sub=name, client_id=f"c-{name}"))

        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(one, number)
    told = {(line["subject"], line["client"], line["tool"]) for line in lines()}
    tools = ("add", "word_count", "whoami", "nothing")
    assert told == {(f"user-{number}", f"c-user-{number}", tools[number % 4]) for number in range(200)}


@pytest.mark.anyio
async def test_caller_who_hangs_up_leaves_a_line(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, began = MCPServer("waiting"), asyncio.Event()

    @server.tool()
    async def wait() -> None:
        began.set()
        await asyncio.sleep(30)

    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    async with client(JWT) as http:
        call = asyncio.ensure_future(post(http, "tools/call", mcp.call("wait"), **authorized()))
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    (line,) = lines()
    assert (line["decision"], line["reason"], line["status"], line["tool"]) == ("allow", "cut_off", None, "wait")


@pytest.mark.anyio
async def test_caller_who_hangs_up_in_his_own_body_leaves_a_line(lines: Any) -> None:
    taken = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"jsonrpc":"2.0",'
        taken.set()
        await asyncio.sleep(30)

    async with client(JWT) as http:
        sent = {**mcp.headers("tools/list"), **authorized()}
        call = asyncio.ensure_future(http.post("/mcp", content=slowly(), headers=sent))
        await taken.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    (line,) = lines()
    assert (line["decision"], line["reason"], line["subject"]) == ("deny", "cut_off", "alice")


@pytest.mark.anyio
async def test_nothing_of_a_header_or_an_argument_is_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    canary = "canary-0123456789-abcdefghijklmnop"
    good = authorized(jti=canary)
    async with client(JWT) as http:
        for tool in ("add", "word_count", "nothing", "countdown"):
            asked = {**mcp.call(tool, {"text": canary, "a": canary}), "_meta": {"note": canary}}
            await post(http, "tools/call", asked, x_note=canary, cookie=canary, user_agent=canary, **good)
            await post(http, "tools/call", asked, authorization=f"Basic {canary}")
        await post(http, "resources/read", {"uri": f"notes://note/{canary}"}, **good)
        await post(http, "prompts/get", {"name": canary, "arguments": {"text": canary}}, **good)
        await http.get(f"/mcp?access_token={canary}")
        # Where a caller puts a token into a name, it is cut out of that too.
        token = good["authorization"].removeprefix("Bearer ")
        await post(http, "tools/call", mcp.call(token), **good)
    out = capsys.readouterr().out
    assert out.count("\n") == 12
    assert canary not in out
    assert token[:20] not in out


# On a platform


@pytest.fixture
def handler() -> Iterator[Any]:
    """Lambda's handler around tools that end too late, some of which nobody can stop."""
    server = MCPServer("late")
    go_on = threading.Event()

    @server.tool()
    async def sleep() -> str:
        await asyncio.sleep(30)
        return "late"

    @server.tool()
    def block() -> str:
        go_on.wait(30)
        return "late"

    @server.tool()
    async def stubborn() -> str:
        with anyio.CancelScope(shield=True):
            while not go_on.is_set():
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    continue
        return "late"

    @server.tool()
    async def quick() -> str:
        return "in time"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
        instance = Instance(build_app(read_settings({"MCP_DOOR": "platform"}), streaming=False))
        handle = handler_for(instance, None)

        def call(tool: str, number: int) -> dict[str, Any]:
            http = {"method": "POST", "path": "/mcp", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"}
            event = {
                "version": "2.0",
                "rawPath": "/mcp",
                "rawQueryString": "",
                "headers": mcp.headers("tools/call"),
                "requestContext": {"domainName": "x.example.com", "stage": "$default", "http": http},
                "body": mcp.message("tools/call", mcp.call(tool)).decode(),
                "isBase64Encoded": False,
            }
            context = types.SimpleNamespace(
                aws_request_id=f"aws-{number}", get_remaining_time_in_millis=lambda: 1200 if tool != "quick" else 9000
            )
            answer: dict[str, Any] = handle(event, context)
            return answer

        yield call
        go_on.set()
        instance.stop()


@pytest.mark.parametrize("tool", ["sleep", "block", "stubborn"])
def test_call_that_was_cut_off_has_its_line_when_the_answer_is_there(handler: Any, lines: Any, tool: str) -> None:
    """Afterwards the platform freezes the instance, perhaps for good."""
    assert "cut off" in handler(tool, 1)["body"]
    (line,) = lines()
    assert (line["request_id"], line["tool"], line["decision"]) == ("aws-1", tool, "allow")
    assert (line["reason"], line["status"]) == ("cut_off", None)
    assert 400 < line["ms"] < 5000
    assert "in time" in handler("quick", 2)["body"]
    assert [line["request_id"] for line in lines()] == ["aws-2"]
