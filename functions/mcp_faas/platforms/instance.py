"""One instance of a function that is called with events: one loop and one task for its whole life. No event shapes.

An MCP app has a lifespan that can be entered once, and its plain `def` tools run in threads that belong to the task
that started them. So the app runs in one task that outlives the calls; a call hands it a request and waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from mangum.protocols import HTTPCycle
from mangum.types import ASGI, Response
from starlette.applications import Starlette

from mcp_faas.call import DEADLINE_KEY

_GOODBYE_SECONDS = 0.2  # what a call that was cut off gets to end by itself


class CallCutOff(Exception):
    """The call had to end before its answer was there."""


class Instance:
    """Answers one request at a time, as both clouds promise for their event functions."""

    def __init__(self, make: Callable[[], tuple[ASGI, Starlette]]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None]
        self._requests: asyncio.Queue[tuple[HTTPCycle, asyncio.Future[None]]]
        # anyio's workers are not daemons, so without a farewell the interpreter would wait for them for ever.
        threading.Thread(target=self._end_with_main_thread, name="mcp-faas farewell", daemon=True).start()

    def start(self) -> asyncio.AbstractEventLoop:
        """Enter the app's lifespan. Raises what the lifespan raises."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._requests = asyncio.Queue()
        ready = loop.create_future()
        self._task = loop.create_task(self._serve(ready))  # kept: a loop holds its tasks only weakly
        loop.run_until_complete(ready)
        self._loop = loop
        return loop

    def answer(self, scope: dict[str, Any], body: bytes, seconds: float) -> Response:
        """The app's response to one request.

        Raises `CallCutOff` after `seconds`; the app is then given up with everything that it has begun, so that the
        next call finds a fresh one.
        """
        loop = self._loop or self.start()
        cycle, done = HTTPCycle({**scope, DEADLINE_KEY: loop.time() + seconds}, body), loop.create_future()
        self._requests.put_nowait((cycle, done))
        timer = loop.call_later(seconds, _cut_off, done)
        try:
            loop.run_until_complete(done)
        except CallCutOff:
            self._give_up(loop)
            raise
        finally:
            timer.cancel()
        return {"status": int(cycle.status), "headers": cycle.headers, "body": cycle.body}

    def stop(self) -> None:
        """Leave the app's lifespan; a later call starts anew."""
        if self._loop is not None:
            self._give_up(self._loop)

    async def _serve(self, ready: asyncio.Future[None]) -> None:
        app, inner = self._make()
        try:
            # The lifespan is entered and left in this one task: anyio's cancel scopes demand it.
            async with inner.router.lifespan_context(inner):
                ready.set_result(None)
                while True:
                    cycle, done = await self._requests.get()
                    await cycle.run(app)
                    if done.cancelled() or done.done():
                        return  # it was given up; mangum's cycle keeps the cancellation to itself
                    done.set_result(None)
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    def _end_with_main_thread(self) -> None:
        """When the interpreter ends, leave the lifespan: the workers of the one task end with it."""
        threading.main_thread().join()
        self.stop()

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = None
        for task in asyncio.all_tasks(loop):
            task.cancel()
        if not _end(loop, _GOODBYE_SECONDS):
            # A tool that blocks its thread cannot be stopped; somebody has to wait for it, but no caller.
            threading.Thread(target=_end, args=(loop, None), name="mcp-faas goodbye", daemon=True).start()


def _end(loop: asyncio.AbstractEventLoop, seconds: float | None) -> bool:
    """Let a loop's cancelled tasks end, and close it; False when they have not after `seconds`."""
    tasks = asyncio.all_tasks(loop)
    if tasks and loop.run_until_complete(asyncio.wait(tasks, timeout=seconds))[1]:
        return False
    loop.close()
    return True


def _cut_off(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(CallCutOff())
