"""One instance for many calls: one loop, one task, no thread per call, and nothing left of a call that was cut off."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import anyio
import pytest
from mangum.types import Response
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette

from mcp_faas.platforms.instance import CallCutOff, Instance
from support import mcp

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("CALLER", default="nobody")


def this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


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

        @server.tool()
        async def signs_in() -> str:
            CALLER.set("alice")
            return "signed in"

        @server.tool()
        async def who() -> str:
            cancelled = getattr(this_task(), "cancelling", lambda: 0)()  # Python 3.11 began to count them
            return f"{CALLER.get()}, cancelled {cancelled} times"

        @server.tool()
        async def cancels_itself() -> str:
            this_task().cancel()
            await asyncio.sleep(0)
            return "never"

        @server.tool()
        async def cancels_itself_at_the_end() -> str:
            this_task().cancel()
            return "perhaps"

        @server.tool()
        async def cancels_itself_soon() -> str:
            asyncio.get_running_loop().call_soon(this_task().cancel)
            return "perhaps"

        @server.tool()
        async def leaves_a_timer() -> str:
            asyncio.get_running_loop().call_later(0.05, this_task().cancel)
            return "in time"

        @server.tool()
        async def takes_a_while() -> str:
            await asyncio.sleep(0.2)
            return "done"

        @server.tool()
        async def cancels_every_task() -> str:
            for task in asyncio.all_tasks():
                task.cancel()
            await asyncio.sleep(0)
            return "never"

        @server.tool()
        async def cancels_every_task_soon() -> str:
            for task in asyncio.all_tasks():
                asyncio.get_running_loop().call_soon(task.cancel)
            return "perhaps"

        @server.tool()
        async def closes() -> str:
            raise GeneratorExit

        @server.tool()
        async def interrupts() -> str:
            raise KeyboardInterrupt

        @server.tool()
        async def interrupts_elsewhere() -> str:
            async def interrupt() -> None:
                raise KeyboardInterrupt

            background = asyncio.ensure_future(interrupt())
            await asyncio.sleep(60)
            return f"too late {background}"

        async def exit_soon(turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            raise SystemExit(3)

        @server.tool()
        async def leaves_a_task_that_exits() -> str:
            self.leave_behind(exit_soon(100))
            return "in time"

        async def exit_when_cancelled() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise SystemExit(3)

        @server.tool()
        async def leaves_a_task_that_exits_when_it_is_cancelled() -> str:
            self.leave_behind(exit_when_cancelled())
            return "in time"

        @server.tool()
        async def exits_elsewhere() -> str:
            self.leave_behind(exit_soon(0))
            await asyncio.sleep(0.05)
            return "all the same"

        @server.tool()
        async def exits_elsewhere_and_hangs() -> str:
            self.leave_behind(exit_soon(0))
            await asyncio.sleep(60)
            return "too late"

        self.left_behind: list[asyncio.Future[None]] = []
        self.server = server
        self.instance = Instance(self.make)

    def leave_behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # else asyncio says so at length
        self.left_behind.append(task)

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

    def call(self, tool: str, seconds: float = 10, era: str = mcp.LEGACY[0]) -> str:
        answer = self.answer(tool, seconds, era)
        assert answer["status"] == 200
        return answer["body"].decode()

    def answer(self, tool: str, seconds: float = 10, era: str = mcp.LEGACY[0]) -> Response:
        headers = {"host": "localhost:1", **mcp.headers("tools/call", mcp.call(tool), era=era)}
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
        return self.instance.answer(scope, mcp.message("tools/call", mcp.call(tool), era=era), seconds)


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


eras = pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])


@eras
def test_context_of_one_caller_does_not_reach_the_next(probe: Probe, era: str) -> None:
    assert "signed in" in probe.call("signs_in", era=era)
    assert "nobody, cancelled 0 times" in probe.call("who", era=era)
    assert probe.entered == 1


@eras
@pytest.mark.parametrize("tool", ["cancels_itself", "cancels_itself_at_the_end", "cancels_itself_soon"])
def test_tool_that_cancels_itself_leaves_no_trace(probe: Probe, tool: str, era: str) -> None:
    for _ in range(3):
        probe.answer(tool, era=era)  # what the tool gets for it is the SDK's to say
        assert "nobody, cancelled 0 times" in probe.call("who", era=era)
    assert probe.entered == 1


@eras
def test_cancellation_that_a_tool_left_behind_does_not_reach_the_next_caller(probe: Probe, era: str) -> None:
    assert "in time" in probe.call("leaves_a_timer", era=era)
    assert "done" in probe.call("takes_a_while", era=era)


@eras
@pytest.mark.parametrize("tool", ["cancels_every_task", "cancels_every_task_soon"])
def test_end_of_the_one_task_costs_nobody_his_time(probe: Probe, tool: str, era: str) -> None:
    probe.call("who", era=era)
    began = time.monotonic()
    probe.answer(tool, seconds=20, era=era)
    probe.answer("who", seconds=20, era=era)  # a cancellation that comes late may end this one, which hears so at once
    assert "nobody" in probe.call("who", seconds=20, era=era)
    assert time.monotonic() - began < 10
    assert probe.entered == 2


def test_generator_exit_of_a_tool_ends_its_call_at_once(probe: Probe) -> None:
    began = time.monotonic()
    assert probe.answer("closes", seconds=20, era=mcp.MODERN)["status"] == 500
    assert "plain" in probe.call("plain", seconds=20)
    assert time.monotonic() - began < 10


@eras
@pytest.mark.parametrize("tool", ["interrupts", "interrupts_elsewhere"])
def test_call_after_an_interrupt_finds_a_fresh_app(probe: Probe, tool: str, era: str) -> None:
    probe.call("who", era=era)
    if tool == "interrupts" and era == mcp.MODERN:
        assert probe.answer(tool, era=era)["status"] == 500  # raised in the call's own task, it ends that alone
    else:
        with pytest.raises(KeyboardInterrupt):
            probe.answer(tool, era=era)
        assert (probe.entered, probe.left) == (1, 1)
    for _ in range(3):
        assert "nobody" in probe.call("who", era=era)


@eras
@pytest.mark.parametrize("tool", ["leaves_a_task_that_exits", "exits_elsewhere"])
def test_background_task_that_exits_ends_no_call(
    probe: Probe, tool: str, era: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the one that began it, and not the next caller's, whose call it comes out in."""
    assert ("in time" if tool.startswith("leaves") else "all the same") in probe.call(tool, era=era)
    assert "done" in probe.call("takes_a_while", era=era)
    assert [record.message.split(":")[0] for record in caplog.records if record.name.endswith("instance")] == [
        "something in the background tried to end the process"
    ]
    assert "nobody" in probe.call("who", era=era)
    assert (probe.entered, probe.left) == (2, 1)


def test_call_whose_background_task_exits_still_ends_in_time(probe: Probe) -> None:
    with pytest.raises(CallCutOff):
        probe.call("exits_elsewhere_and_hangs", seconds=0.2)
    assert "nobody" in probe.call("who")
    assert (probe.entered, probe.left) == (2, 1)


def test_background_task_that_exits_when_it_is_cancelled_ends_no_process(probe: Probe) -> None:
    probe.call("leaves_a_task_that_exits_when_it_is_cancelled")
    probe.instance.stop()
    assert "nobody" in probe.call("who")
    assert probe.entered == 2


def test_lifespan_that_exits_ends_no_process() -> None:
    entered: list[int] = []

    async def exits() -> None:
        await asyncio.sleep(0.01)  # the start is over
        raise SystemExit(3)

    @contextlib.asynccontextmanager
    async def exiting(_: Any) -> AsyncIterator[None]:
        entered.append(1)
        async with anyio.create_task_group() as group:
            if len(entered) == 1:
                group.start_soon(exits)
            yield

    probe = Probe()
    probe.server = MCPServer("exiting", lifespan=exiting)

    @probe.server.tool()
    async def waits() -> str:
        await asyncio.sleep(0.05)
        return "waited"

    try:
        probe.answer("waits", seconds=20)  # the call during which it ended has no answer
        assert "waited" in probe.call("waits")
        assert len(entered) == 2
    finally:
        probe.instance.stop()


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
