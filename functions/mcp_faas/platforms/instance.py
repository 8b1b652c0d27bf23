"""One instance of a function that is called with events: one loop and one task for its whole life. No event shapes.

An MCP app has a lifespan that can be entered once, and its plain `def` tools run in threads that belong to the topmost
task of those that anyio knows. So the app runs in one task that outlives the calls; a call hands it a request and
waits. Each request is answered in a child of that task, for a tool can do to its task what the next caller must not
find: set a context variable, or cancel it, at once or later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import anyio
from mangum.types import ASGI, Response
from starlette.applications import Starlette

from mcp_faas import logs
from mcp_faas.call import DEADLINE_KEY
from mcp_faas.platforms.exchange import Exchange

_GOODBYE_SECONDS = 0.2  # what a call that was cut off gets to end by itself

logger = logging.getLogger(__name__)


class CallCutOff(Exception):
    """The call had to end before its answer was there."""


class Instance:
    """Answers one request at a time, as both clouds promise for their event functions."""

    def __init__(self, make: Callable[[], tuple[ASGI, Starlette]]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None]
        self._next: asyncio.Future[Exchange]
        # anyio's workers are not daemons, so without a farewell the interpreter would wait for them for ever.
        threading.Thread(target=self._end_with_main_thread, name="mcp-faas farewell", daemon=True).start()

    def start(self) -> asyncio.AbstractEventLoop:
        """Enter the app's lifespan. Raises what the lifespan raises."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._next, ready = loop.create_future(), loop.create_future()
        self._task = loop.create_task(self._serve(loop, ready))  # kept: a loop holds its tasks only weakly
        loop.run_until_complete(ready)
        self._loop = loop
        self._task.add_done_callback(lambda _: self._halt(loop))
        return loop

    def answer(self, scope: dict[str, Any], body: bytes, seconds: float) -> Response:
        """The app's response to one request.

        Raises `CallCutOff` after `seconds`; the app is then given up with everything that it has begun, so that the
        next call finds a fresh one. The same when the lifespan ends during the call, or when something in the
        background wants to end the process: `KeyboardInterrupt` is raised, and with `SystemExit` the call goes on, for
        it may be another caller's tool that has left it behind.
        """
        if self._loop is not None and (self._next.done() or self._task.done()):
            self.stop()  # nobody waits for a request: the lifespan has ended by itself
        loop = self._loop or self.start()
        end = loop.time() + seconds
        exchange = Exchange({**scope, DEADLINE_KEY: end}, body)
        timer = loop.call_at(end, _expire, exchange, loop)
        lost = False
        self._next.set_result(exchange)
        try:
            # The task stops the loop when it has answered. To wait for a future's end instead would be one more turn of
            # the loop for each call; and a tool may stop the loop too, which ends nobody's call.
            while not (exchange.over or exchange.expired or self._task.done()):
                try:
                    loop.run_forever()
                except SystemExit as error:
                    logs.report(logger, "something in the background tried to end the process", error)
                    lost = True
        except BaseException:
            self._give_up(loop)
            raise
        finally:
            timer.cancel()
        cut_off = exchange.expired and not exchange.over
        if lost or not exchange.over:
            self._give_up(loop)
        if cut_off:
            raise CallCutOff
        return exchange.response

    def stop(self) -> None:
        """Leave the app's lifespan; a later call starts anew."""
        if self._loop is not None:
            self._give_up(self._loop)

    async def _serve(self, loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
        app, inner = self._make()
        try:
            # The lifespan is entered and left in this one task: anyio's cancel scopes demand it.
            async with inner.router.lifespan_context(inner), anyio.create_task_group() as exchanges:
                ready.set_result(None)
                while True:
                    exchange = await self._next
                    self._next = loop.create_future()
                    exchanges.start_soon(self._exchange, exchange, app, loop)
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _exchange(self, exchange: Exchange, app: ASGI, loop: asyncio.AbstractEventLoop) -> None:
        await exchange.run(app)
        if self._loop is loop:
            loop.stop()
            # A cancellation that the app has asked for and not waited for is waited for here: a task that ends
            # cancelled would take the group with it, and the lifespan.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    def _halt(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is loop:  # else it was given up, and runs to its own end
            loop.stop()

    def _end_with_main_thread(self) -> None:
        """When the interpreter ends, leave the lifespan: the workers of the one task end with it."""
        threading.main_thread().join()
        self.stop()

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = None
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with contextlib.suppress(SystemExit):  # of what was cancelled; the rest is to end all the same
            if _end(loop, _GOODBYE_SECONDS):
                return
        # A tool that blocks its thread cannot be stopped; somebody has to wait for it, but no caller.
        threading.Thread(target=_end, args=(loop, None), name="mcp-faas goodbye", daemon=True).start()


def _end(loop: asyncio.AbstractEventLoop, seconds: float | None) -> bool:
    """Let a loop's cancelled tasks end, and close it; False when they have not after `seconds`."""
    tasks = asyncio.all_tasks(loop)
    if tasks and loop.run_until_complete(asyncio.wait(tasks, timeout=seconds))[1]:
        return False
    loop.close()
    return True


def _expire(exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
    exchange.expired = True
    loop.stop()
