"""FC's built-in runtime: its event in, its answer out, around the real app."""

from __future__ import annotations

import base64
import copy
import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.platforms.fc import FunctionComputeEvent, handler_for, run_web_function, web_function
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp

EVENT: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "events/fc/http_trigger.json").read_text(encoding="utf-8")
)
CONTEXT = types.SimpleNamespace(request_id="fc-1")


@pytest.fixture(scope="module")
def handler() -> Iterator[Any]:
    import tools

    before = list(tools.server.middleware)
    settings = read_settings({"MCP_DOOR": "platform", "MCP_TOKEN_SCOPES": "mcp:tools"})
    instance = Instance(build_app(settings, streaming=False))
    yield handler_for(instance, None, 2.0)
    instance.stop()
    tools.server.middleware[:] = before


def event(body: bytes, *, method: str = "POST", path: str = "/mcp", **headers: str) -> dict[str, Any]:
    made = copy.deepcopy(EVENT)
    made["rawPath"] = made["requestContext"]["http"]["path"] = path
    made["requestContext"]["http"]["method"] = method
    made["headers"] = {name.replace("_", "-").title(): value for name, value in headers.items()}
    made["body"], made["isBase64Encoded"] = base64.b64encode(body).decode(), True
    return made


def call(handler: Any, tool: str, arguments: dict[str, Any], *, era: str = mcp.MODERN) -> dict[str, Any]:
    parameters = mcp.call(tool, arguments)
    sent = {name.replace("-", "_"): value for name, value in mcp.headers("tools/call", parameters, era=era).items()}
    answer = handler(json.dumps(event(mcp.message("tools/call", parameters, era=era), **sent)).encode(), CONTEXT)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    body: dict[str, Any] = json.loads(answer["body"])
    return body


@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize(("tool", "arguments"), [("add", {"a": 1, "b": 2}), ("word_count", {"text": "a b c"})])
def test_tools_answer_in_every_era_again_and_again(
    handler: Any, era: str, tool: str, arguments: dict[str, Any]
) -> None:
    for _ in range(5):
        assert call(handler, tool, arguments, era=era)["result"]["structuredContent"]["result"] == 3


def test_documented_event_becomes_this_request() -> None:
    request = FunctionComputeEvent(EVENT)
    assert request.scope == {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"a=1",
        "headers": [
            (b"accept", b"application/json, text/event-stream"),
            (b"content-type", b"application/json"),
            (b"host", b"mcp-server-abcdefghij.cn-hangzhou.fcapp.run"),
        ],
        "client": ("192.0.2.10", 0),
        "server": ("mcp-server-abcdefghij.cn-hangzhou.fcapp.run", 443),
        "asgi": {"version": "3.0", "spec_version": "2.0"},
    }
    assert json.loads(request.body)["method"] == "tools/list"


def test_answer_joins_headers_and_leaves_out_the_platforms() -> None:
    headers = [[b"X-A", b"1"], [b"x-a", b"2"], [b"Content-Length", b"3"], [b"Date", b"now"], [b"Server", b"me"]]
    answer = FunctionComputeEvent(EVENT)({"status": 201, "headers": headers, "body": b"\xff\x00"})
    assert answer == {"statusCode": 201, "headers": {"x-a": "1, 2"}, "body": "/wA=", "isBase64Encoded": True}


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        json.dumps({**EVENT, "version": "2.0"}).encode(),
        json.dumps({**EVENT, "headers": None}).encode(),
        json.dumps({**EVENT, "headers": {"a": 1}}).encode(),
        json.dumps({**EVENT, "requestContext": {}}).encode(),
        json.dumps({**EVENT, "rawPath": 7}).encode(),
        json.dumps({**EVENT, "body": {}}).encode(),
        json.dumps({**EVENT, "body": "!", "isBase64Encoded": True}).encode(),
        json.dumps({**EVENT, "queryParameters": 7}).encode(),
        b'{"triggerTime": "2026-11-22T07:49:00Z", "triggerName": "timer", "payload": ""}',
    ],
)
def test_other_events_are_the_callers_error(handler: Any, bad: bytes) -> None:
    answer = handler(bad, CONTEXT)
    assert answer["statusCode"] == 400
    assert "Traceback" not in answer["body"]


def test_get_is_405_at_once(handler: Any) -> None:
    answer = handler(json.dumps(event(b"", method="GET", accept="text/event-stream")).encode(), CONTEXT)
    assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "POST")


def test_call_that_takes_too_long_leaves_nothing_behind(handler: Any) -> None:
    cut = call(handler, "countdown", {"seconds": 20})
    assert "cut off" in cut["error"]["message"]
    for _ in range(3):
        assert call(handler, "add", {"a": 1, "b": 2})["result"]["structuredContent"] == {"result": 3.0}
        assert call(handler, "word_count", {"text": "x"})["result"]["structuredContent"] == {"result": 1}


@pytest.mark.anyio
async def test_platforms_headers_go_no_further_than_the_call() -> None:
    """Older runtimes put the function's own credentials into them."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    sent = [(b"x-fc-request-id", b"r-1"), (b"x-fc-access-key-secret", b"secret"), (b"accept", b"*/*")]
    await web_function(app, "https://mcp.example.com/mcp")({"type": "http", "headers": sent}, None, None)  # type: ignore[arg-type]  # not used
    assert seen[0]["headers"] == [(b"accept", b"*/*")]
    assert seen[0][SCOPE_KEY] == Call(request_id="r-1", public_url="https://mcp.example.com/mcp")


def test_web_function_listens_where_fc_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every interface, with connections kept for 15 minutes, and deaf to the proxies' headers."""
    import uvicorn

    served: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self: served.append(self.config))
    run_web_function(lambda *_: None, 9000, None)  # type: ignore[arg-type]  # never called
    config = served[0]
    assert (config.host, config.port, config.timeout_keep_alive) == ("0.0.0.0", 9000, 900)  # noqa: S104 - what FC wants
    assert (config.proxy_headers, config.access_log, config.server_header) == (False, False, False)
    assert config.http == "h11", "tests/hostile/test_wire.py fails with uvicorn's other parsers"
