"""One instance for many calls: one loop, one task, no thread per call, and nothing left of a call that was cut off."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette

from mcp_faas.platforms.instance import CallCutOff, Instance
from support import mcp


class Probe:
    """An MCP server that remembers where its tools ran and how often its lifespan was entered and left."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.entered = self.left = 0
        server = MCPServer("probe", lifespan=self.lifespan)

        @server.tool()
        def plain() -> str:
            self.threads.add(threading.get_ident())
            return "plain"

        @server.tool()
        def blocks() -> str:
            time.sleep(1)
            return "too late"

        @server.tool()
        async def waits() -> str:
            await asyncio.sleep(60)
            return "too late"

        @server.tool()
        async def stops_the_loop() -> str:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0.01)
            return "all the same"

        @server.tool()
        async def stubborn() -> str:
            until = time.monotonic() + 1
            while time.monotonic() < until:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)
            return "too late"

        self.server = server
        self.instance = Instance(self.make)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        self.entered += 1
        try:
            yield
        finally:
            self.left += 1

    def make(self) -> tuple[Any, Starlette]:
        app = self.server.streamable_http_app(stateless_http=True, json_response=True)
        return app, app

    def call(self, tool: str, seconds: float = 10) -> str:
        headers = {"host": "localhost:1", **mcp.headers("tools/call")}
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "root_path": "",
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "https",
            "server": ("localhost", 443),
            "client": ("192.0.2.1", 0),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        answer = self.instance.answer(scope, mcp.message("tools/call", mcp.call(tool)), seconds)
        assert answer["status"] == 200
        return answer["body"].decode()


@pytest.fixture
def probe() -> Iterator[Probe]:
    made = Probe()
    yield made
    made.instance.stop()


def test_lifespan_is_entered_once_for_many_calls(probe: Probe) -> None:
    for _ in range(50):
        assert "plain" in probe.call("plain")
    assert (probe.entered, probe.left) == (1, 0)


def test_plain_tools_share_one_thread(probe: Probe) -> None:
    for _ in range(50):
        probe.call("plain")
    assert len(probe.threads) == 1
    assert threading.get_ident() not in probe.threads


def test_a_thousand_calls_of_plain_tools_start_no_thread(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    probe.call("plain")
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def count(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", count)
    before = set(threading.enumerate())
    for _ in range(1000):
        probe.call("plain")
    assert started == []
    assert set(threading.enumerate()) == before
    assert len(probe.threads) == 1


def test_tool_that_stops_the_loop_ends_no_call(probe: Probe) -> None:
    assert "all the same" in probe.call("stops_the_loop")
    assert "plain" in probe.call("plain")
    assert probe.entered == 1


def test_lifespan_that_ends_by_itself_is_entered_anew() -> None:
    entered: list[int] = []

    @contextlib.asynccontextmanager
    async def short(_: Any) -> AsyncIterator[None]:
        entered.append(1)
        async with anyio.create_task_group() as group:
            group.start_soon(fail_once)
            yield

    async def fail_once() -> None:
        if len(entered) == 1:
            raise RuntimeError("the connection is gone")

    probe = Probe()
    probe.server = MCPServer("short", lifespan=short)

    @probe.server.tool()
    async def plain() -> str:
        return "plain"

    try:
        for _ in range(3):
            with contextlib.suppress(CallCutOff, AssertionError):  # the call during which it ended has no answer
                probe.call("plain", seconds=0.5)
        assert "plain" in probe.call("plain")
        assert len(entered) == 2
    finally:
        probe.instance.stop()


@pytest.mark.parametrize("tool", ["waits", "blocks", "stubborn"])
def test_call_that_was_cut_off_is_forgotten(probe: Probe, tool: str) -> None:
    probe.call("plain")
    began = time.monotonic()
    with pytest.raises(CallCutOff):
        probe.call(tool, seconds=0.2)
    assert time.monotonic() - began < 1
    for _ in range(5):
        assert "plain" in probe.call("plain")
    assert probe.entered == 2


def test_stop_leaves_the_lifespan(probe: Probe) -> None:
    before = set(threading.enumerate())
    probe.call("plain")
    workers = {thread for thread in set(threading.enumerate()) - before if "AnyIO" in thread.name}
    assert len(workers) == 1
    probe.instance.stop()
    assert (probe.entered, probe.left) == (1, 1)
    for worker in workers:
        worker.join(timeout=5)
        assert not worker.is_alive()


def test_nobody_waits_for_a_tool_that_does_not_end_and_it_ends(probe: Probe) -> None:
    probe.call("plain")
    before = set(threading.enumerate())
    with pytest.raises(CallCutOff):
        probe.call("stubborn", seconds=0.1)
    (goodbye,) = [thread for thread in set(threading.enumerate()) - before if thread.name == "mcp-faas goodbye"]
    goodbye.join(timeout=10)
    assert not goodbye.is_alive()
    assert probe.left == 1


def test_thread_of_a_tool_that_blocked_ends_with_it(probe: Probe) -> None:
    before = set(threading.enumerate())
    with pytest.raises(CallCutOff):
        probe.call("blocks", seconds=0.1)
    for worker in set(threading.enumerate()) - before:
        worker.join(timeout=10)
        assert not worker.is_alive()


def test_lifespan_that_fails_is_told_at_the_start() -> None:
    @contextlib.asynccontextmanager
    async def broken(_: Any) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    server = MCPServer("broken", lifespan=broken)

    def make() -> tuple[Any, Starlette]:
        app = server.streamable_http_app(stateless_http=True, json_response=True)
        return app, app

    with pytest.raises(RuntimeError, match="no database"):
        Instance(make).start()
