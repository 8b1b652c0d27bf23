"""How much one instance of a web function does at a time: places, a queue in front of them, a refusal behind it.

Only counts and waits. Who may call and what is asked is the gate's business, and neither can change who is next.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import anyio
import anyio.to_thread
from starlette.types import Message, Receive, Scope, Send

from mcp_faas import audit, cors
from mcp_faas.asgi import JSON, respond
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.gate import Gate
from mcp_faas.operations import MessageRefused

# The highest instanceConcurrency that FC knows, so its gateway never needs the queue. What fills more places than it
# has calls under way are tools in threads whose callers hung up: a thread cannot be stopped.
PLACES = 200
WAITING_MAX = 200
WAIT_SECONDS = 10.0
RETRY_AFTER_SECONDS = 1
ROUND_SECONDS = 0.02
BODY_SECONDS = 20.0  # for a whole body, which may have 4 MiB


class Capacity:
    """The gate, for so many messages at a time as an instance has places; first come, first served.

    Only POST takes a place: a health check, the metadata and the streams of the legacy transport, which would hold one
    for an hour, wait for nobody.
    """

    def __init__(self, gate: Gate, *, clock: Callable[[], float] = time.time) -> None:
        self._gate = gate
        self._clock = clock
        self._places = asyncio.Semaphore(PLACES)
        self._waiting = 0
        self._round_ends: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # With anyio's 40, the 41st plain `def` tool would wait in a queue that nobody sees.
            anyio.to_thread.current_default_thread_limiter().total_tokens = PLACES
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._gate(scope, receive, send)
        elif await self._place():
            try:
                await self._turn()
                body = _Body(receive, send)
                await self._gate(scope, body.receive, body.send)
            finally:
                self._places.release()
        else:
            await self._refuse(scope, send)

    async def _place(self) -> bool:
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

    async def _refuse(self, scope: Scope, send: Send) -> None:
        call = scope.get(SCOPE_KEY) or Call()
        decision = audit.Decision(
            door=self._gate.door_name, request_id=call.request_id, reason="instance_busy", status=503
        )
        audit.write(decision, self._clock())
        send = cors.shared(send, cors.origin_of(scope["headers"], self._gate.allowed_origins))
        told = json.dumps({"message": "This instance is busy; try again."}).encode()
        retry = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)
        await respond(send, HTTPStatus.SERVICE_UNAVAILABLE, [JSON, retry, (b"cache-control", b"no-store")], told)


class _Body:
    """A request whose body must arrive in time; the connection of one that does not is closed (RFC 9110 §15.5.9)."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS
        self._whole = False
        self._late = False

    async def receive(self) -> Message:
        """What comes next. Raises `MessageRefused` when the body took too long."""
        if self._whole:
            return await self._receive()
        with anyio.CancelScope(deadline=self._until):
            message = await self._receive()
            self._whole = not message.get("more_body", False)
            return message
        self._late = True
        told = json.dumps({"message": f"The body did not arrive within {BODY_SECONDS:g} seconds."}).encode()
        raise MessageRefused(HTTPStatus.REQUEST_TIMEOUT, told, "message_late")

    async def send(self, message: Any) -> None:
        if self._late and message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await self._send(message)
