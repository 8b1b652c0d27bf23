"""Calls whose callers are gone before the answer: ended since 2026-07-28, gone on with in the protocols before."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer

from mcp_faas import server as server_module
from mcp_faas.asgi import JSON, respond
from mcp_faas.auth.scopes import Scopes
from mcp_faas.platforms import hang_up
from mcp_faas.platforms.capacity import limited
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp


class Tools:
    """A server with tools that wait, and what became of them."""

    def __init__(self) -> None:
        self.server = MCPServer("tools")
        self.began = asyncio.Event()
        self.told: list[str] = []
        self.held = threading.Event()

        @self.server.tool()
        async def wait(seconds: float) -> str:
            self.began.set()
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self.told.append("cancelled")
                raise
            self.told.append("done")
            return "done"

        @self.server.tool()
        def block(seconds: float) -> str:
            self.told.append("begins")
            self.held.wait(seconds)
            self.told.append("done")
            return "done"


class Caller:
    """One POST, whose caller hangs up when he is told to."""

    def __init__(self, tool: str, era: str, seconds: float) -> None:
        parameters = mcp.call(tool, {"seconds": seconds})
        headers = mcp.headers("tools/call", parameters, era=era)
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/mcp",
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self.gone = asyncio.Event()
        self.answer: list[Any] = []
        self._parts = [{"type": "http.request", "body": mcp.message("tools/call", parameters, era=era)}]

    async def receive(self) -> Any:
        if self._parts:
            return self._parts.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.answer.append(message)
        if message["type"] == "http.response.body":
            self.gone.set()  # as uvicorn has it: a caller who was answered is disconnected


@pytest.fixture
async def tools(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> Tools:
    tools = Tools()
    monkeypatch.setattr(server_module, "load_server", lambda _: (tools.server, Scopes()))
    return tools


@pytest.mark.anyio
@pytest.mark.parametrize(("era", "told"), [(mcp.MODERN, "cancelled"), *((era, "done") for era in mcp.LEGACY)])
async def test_disconnect_cancels_what_today_takes_it_for(
    era: str, told: str, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, app = build_app(read_settings({"MCP_DOOR": "platform"}), streaming=True)()
    async with app.router.lifespan_context(app):
        caller = Caller("wait", era, 60 if told == "cancelled" else 0.3)
        call = asyncio.create_task(limited(gate)(caller.scope, caller.receive, caller.send))
        await tools.began.wait()
        caller.gone.set()
        await asyncio.wait_for(call, 10)
    assert tools.told == [told]
    line = json.loads(capsys.readouterr().out)
    if told == "cancelled":
        assert caller.answer == []
        assert (line["decision"], line["reason"], line["status"]) == ("allow", "cut_off", None)
    else:
        assert (line["decision"], line["reason"], line["status"]) == ("allow", "ok", 200)


@pytest.mark.anyio
async def test_caller_who_stays_gets_his_answer(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watched for most of its time; afterwards nobody looks any longer."""
    monkeypatch.setattr(hang_up, "QUICK_SECONDS", 0.01)
    gate, app = build_app(read_settings({"MCP_DOOR": "platform"}), streaming=True)()
    async with app.router.lifespan_context(app):
        before = asyncio.all_tasks()
        caller = Caller("wait", mcp.MODERN, 0.1)
        await limited(gate)(caller.scope, caller.receive, caller.send)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
    start, body = caller.answer
    assert (start["status"], json.loads(body["body"])["result"]["structuredContent"]) == (200, {"result": "done"})


@pytest.mark.anyio
async def test_thread_holds_its_place_to_its_end(tools: Tools) -> None:
    """It cannot be stopped, so nobody else may be let in for it."""
    gate, app = build_app(read_settings({"MCP_DOOR": "platform"}), streaming=True)()
    async with app.router.lifespan_context(app):
        caller = Caller("block", mcp.MODERN, 60)
        call = asyncio.create_task(limited(gate)(caller.scope, caller.receive, caller.send))
        while not tools.told:  # noqa: ASYNC110 - another thread says so
            await asyncio.sleep(0.01)
        caller.gone.set()
        assert (await asyncio.wait({call}, timeout=0.3))[0] == set()
        tools.held.set()
        await asyncio.wait_for(call, 10)
    assert tools.told == ["begins", "done"]


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [0.0, 0.1])
async def test_what_is_done_after_the_answer_is_done(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the answer took: a user's middleware may have to note something."""
    monkeypatch.setattr(hang_up, "QUICK_SECONDS", 0.01)
    told = []

    async def answers_and_notes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(seconds)
        await respond(send, 200, [JSON], b"{}")
        await asyncio.sleep(0.02)
        told.append("noted")

    caller = Caller("wait", mcp.MODERN, 0)
    await hang_up.cancelled_with_caller(answers_and_notes)(caller.scope, caller.receive, caller.send)
    assert told == ["noted"]
