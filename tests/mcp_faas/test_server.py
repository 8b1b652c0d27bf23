"""What a warm call costs does not depend on how many tools there are; and the short way to the SDK is the same way."""

from __future__ import annotations

import json
import sys
import types
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.inbound import validate_mcp_param_headers, x_mcp_header_map
from pydantic import Field
from starlette.applications import Starlette
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_faas import server as server_module
from mcp_faas.auth.scopes import Scopes
from mcp_faas.mirrored import MirroredSchemas
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.gate import client, post

# What the SDK would do at each call: walk the tool's schema, make a span for nobody, have a router find the endpoint.
WALK, FIRST_WALK = validate_mcp_param_headers.__code__, x_mcp_header_map.__code__
(TRACING,) = (type(entry).__call__.__code__ for entry in Server("").middleware)
ROUTER = Router.app.__code__


async def plain(a: int) -> int:
    return a


async def mirrored(a: Annotated[int, Field(json_schema_extra={"x-mcp-header": "A"})]) -> int:
    return a


def functions_called(
    tools: int,
    era: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    server: MCPServer[Any] | None = None,
    tool: Callable[..., Any] = plain,
    meta: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Counter[types.CodeType]:
    """Which functions one warm call of the first tool runs, and how often."""
    server = server or MCPServer("many")
    for number in range(tools):
        server.add_tool(tool, name=f"tool{number}")
    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    instance = Instance(build_app(read_settings({"MCP_DOOR": "platform"}), streaming=False))
    parameters = mcp.call("tool0", {"a": 5}) | ({"_meta": meta} if meta else {})
    sent = {**mcp.headers("tools/call", parameters, era=era), **(headers or {})}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "server": ("any.host.example", 443),
        "client": ("192.0.2.1", 0),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    counted: Counter[types.CodeType] = Counter()

    def count(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call":
            counted[frame.f_code] += 1

    try:
        body = mcp.message("tools/call", parameters, era=era)
        for _ in range(3):
            answer = instance.answer(scope, body, 20)
        sys.setprofile(count)
        try:
            answer = instance.answer(scope, body, 20)
        finally:
            sys.setprofile(None)
    finally:
        instance.stop()
    assert json.loads(answer["body"])["result"]["structuredContent"] == {"result": 5}
    return counted


@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
def test_work_of_a_call_is_the_same_for_ten_tools_and_a_thousand(era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (functions_called(tools, era, monkeypatch) for tools in (10, 1000))
    assert few.total() > 100
    assert many.total() < few.total() * 1.1  # one more turn of the loop is no work for each of 990 tools
    for called in (few, many):
        assert [called[each] for each in (WALK, FIRST_WALK, TRACING, ROUTER)] == [0] * 4, "it does nothing for anybody"


def test_schemas_are_looked_at_once_where_the_sdk_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MCPServer("asked")
    called = functions_called(10, mcp.MODERN, monkeypatch, server=server, tool=mirrored, headers={"mcp-param-a": "5"})
    assert type(server.session_manager.app.get_tool_input_schema) is MirroredSchemas
    assert (called[WALK], called[FIRST_WALK]) == (1, 0), "of the called tool, by the SDK"


def test_callers_trace_goes_through_the_sdks_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert functions_called(1, mcp.LEGACY[0], monkeypatch, meta=parent)[TRACING] > 0


def test_an_app_that_the_sdk_did_not_make_goes_through_its_router(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(MCPServer[Any]):
        def streamable_http_app(self, **options: Any) -> Starlette:
            return super().streamable_http_app(**options)

    assert functions_called(1, mcp.MODERN, monkeypatch, server=Own("own"))[ROUTER] > 0


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
async def test_tool_finds_its_request_and_its_app(era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MCPServer("curious")

    @server.tool()
    async def look(ctx: Context) -> str:
        request: Any = ctx.request_context.request
        return f"{request.method} {request.url.path} {type(request.app).__name__} {request.user.display_name}"

    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/call", mcp.call("look"), era=era)
    assert answer.json()["result"]["structuredContent"] == {"result": "POST /mcp Starlette platform"}


class Refusing:
    """A check of the user's, as ASGI middleware, that lets nobody in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"not for you"})


class Subclass(MCPServer[Any]):
    def streamable_http_app(self, **options: Any) -> Starlette:
        app = super().streamable_http_app(**options)
        app.add_middleware(Refusing)
        return app


class SubclassAroundTheRouter(MCPServer[Any]):
    def streamable_http_app(self, **options: Any) -> Starlette:
        app = super().streamable_http_app(**options)
        app.router.middleware_stack = Refusing(app.router.middleware_stack)
        return app


def with_method_of_its_own() -> MCPServer[Any]:
    server = MCPServer[Any]("instance")
    make = server.streamable_http_app

    def wrapped(**options: Any) -> Starlette:
        app = make(**options)
        app.router.routes.insert(0, Mount("/", Refusing(app)))
        return app

    server.streamable_http_app = wrapped  # type: ignore[method-assign]  # as users of Python do
    return server


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
@pytest.mark.parametrize("make", [lambda: Subclass("s"), lambda: SubclassAroundTheRouter("s"), with_method_of_its_own])
async def test_middleware_of_the_users_is_not_gone_past(
    make: Callable[[], MCPServer[Any]], era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make()

    @server.tool()
    async def secret() -> str:
        return "told"

    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/call", mcp.call("secret"), era=era)
    assert (answer.status_code, answer.text) == (418, "not for you")


@pytest.mark.anyio
async def test_middleware_that_comes_with_the_sdks_class_is_not_gone_past(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MCPServer("instrumented")
    build = Starlette.__init__

    def instrumented(app: Starlette, *args: Any, **options: Any) -> None:
        build(app, *args, **options)
        app.add_middleware(Refusing)

    monkeypatch.setattr(Starlette, "__init__", instrumented)
    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    async with client({"MCP_DOOR": "platform"}) as http:
        answer = await post(http, "tools/list")
    assert answer.status_code == 418


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
async def test_generator_exit_of_a_tool_is_an_error_of_the_tool(era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MCPServer("closing")

    @server.tool()
    async def closes() -> str:
        raise GeneratorExit

    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    async with client({"MCP_DOOR": "platform"}) as http:
        for _ in range(2):
            answer = await post(http, "tools/call", mcp.call("closes"), era=era)
            assert answer.json()["result"]["isError"] is True
