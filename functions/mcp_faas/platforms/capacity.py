"""How much one instance of a web function does at a time: places, a queue in front of them, a refusal behind it.

Only counts and waits. Who may call and what is asked is the gate's business, and neither can change who is next.
Strangers are never counted: one that waits at the door costs a coroutine and what the server has read of his body, at
most 64 KB, and each door ends his wait by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

import anyio
import anyio.lowlevel
import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_faas.gate import Gate
from mcp_faas.operations import MessageRefused
from mcp_faas.platforms.hang_up import cancelled_with_caller

# The highest instanceConcurrency that FC knows, so its gateway never needs the queue. What fills more places than it
# has calls under way are those whose callers hung up: a thread cannot be stopped, and earlier protocols forbid it.
PLACES = 200
WAITING_MAX = 200
WAIT_SECONDS = 10.0
RETRY_AFTER_SECONDS = 1
ROUND_SECONDS = 0.02
BODY_SECONDS = 20.0  # for a whole body, which may have 4 MiB


def limited(gate: Gate) -> ASGIApp:
    """The gate, for so many messages at a time as an instance has places; first come from the door, first served."""
    gate = replace(gate, place=Capacity().place, straight=cancelled_with_caller(gate.straight or gate.app))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # With anyio's 40, the 41st plain `def` tool would wait in a queue that nobody sees.
            anyio.to_thread.current_default_thread_limiter().total_tokens = PLACES
        await gate(scope, receive, send)

    return app


class Capacity:
    """The places of one instance."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(PLACES)
        self._waiting = 0
        self._round_ends: float | None = None

    @asynccontextmanager
    async def place(self, receive: Receive) -> AsyncIterator[Receive]:
        """Hold a place, and get the body from what is given. Raises `MessageRefused`: no place, or a late body."""
        if not await self._take():
            told = json.dumps({"message": "This instance is busy; try again."}).encode()
            headers = [(b"retry-after", b"%d" % RETRY_AFTER_SECONDS), (b"cache-control", b"no-store")]
            raise MessageRefused(HTTPStatus.SERVICE_UNAVAILABLE, told, "instance_busy", headers)
        try:
            await self._turn()
            with anyio.CancelScope() as work:
                body = _Body(receive, work)
                yield body.receive
            if body.late:
                told = json.dumps({"message": f"The body did not arrive within {BODY_SECONDS:g} seconds."}).encode()
                # RFC 9110 §15.5.9: the rest of it would be taken for another request.
                raise MessageRefused(HTTPStatus.REQUEST_TIMEOUT, told, "message_late", [(b"connection", b"close")])
        finally:
            self._places.release()

    async def _take(self) -> bool:
        """Take a place; False when there is none for longer than a client would wait, or too many wait already."""
        if not self._places.locked():
            return await self._places.acquire()
        if self._waiting >= WAITING_MAX:
            return False
        self._waiting += 1
        try:
            with anyio.move_on_after(WAIT_SECONDS):
                return await self._places.acquire()
            return False
        finally:
            self._waiting -= 1

    async def _turn(self) -> None:
        """Wait while enough messages have begun in this round of the loop.

        Tools that compute would otherwise all do so in one round, and no health check could come in between.
        """
        loop = asyncio.get_running_loop()
        while True:
            if self._round_ends is None:
                self._round_ends = loop.time() + ROUND_SECONDS
                loop.call_soon(self._end_round)
            if loop.time() <= self._round_ends:
                return
            await asyncio.sleep(0)  # the loop keeps the order of those who wait so

    def _end_round(self) -> None:
        self._round_ends = None


class _Body:
    """A body that must arrive in time; the work on one that does not is cancelled.

    An exception would go through the code of a user's route, which may take it for a defect of its own.
    """

    def __init__(self, receive: Receive, work: anyio.CancelScope) -> None:
        self.late = False
        self._receive = receive
        self._work = work
        self._left = BODY_SECONDS  # of waiting for the caller; what the route does between two parts is not his delay
        self._whole = False

    async def receive(self) -> Message:
        """What comes next."""
        if self._whole:
            return await self._receive()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with anyio.move_on_after(self._left):
            message = await self._receive()
            self._whole = not message.get("more_body", False)
            self._left -= loop.time() - began
            return message
        self.late = True
        self._work.cancel()
        await anyio.lowlevel.checkpoint()
        return {"type": "http.disconnect"}  # to a task of the route's own, which is not part of the work
