"""Callers of a web function who hang up, which is how a request is cancelled since MCP 2026-07-28. No door, no place.

The SDK looks for it only while it streams an answer, and ours are one piece of JSON. An event function cannot see it,
and neither can anybody while a further request waits on the same connection.
"""

from __future__ import annotations

import asyncio

import anyio
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_faas.asgi import value_of

QUICK_SECONDS = 0.05  # what has ended by then is not worth a task that watches
_ERAS_BEFORE = frozenset(version.encode() for version in ("", *HANDSHAKE_PROTOCOL_VERSIONS))


def cancelled_with_caller(app: ASGIApp) -> ASGIApp:
    """The app, whose work on a message is cancelled when the caller is gone (2026-07-28, Cancellation).

    Earlier versions of the protocol say that a disconnect is not to be taken for it (2025-11-25, Transports): what
    they ask for goes on to its end.
    """

    async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
        # Told apart as the SDK does: what is no era before is the modern one, or refused by it.
        if value_of(scope["headers"], b"mcp-protocol-version") in _ERAS_BEFORE:
            await app(scope, receive, send)
            return
        with anyio.CancelScope() as work:
            watch = _Watch(receive, send, work)
            try:
                await app(scope, watch.receive, watch.send)
            finally:
                watch.end()

    return cancelled


class _Watch:
    """Looks whether the caller is still there, from shortly after his message has arrived until he has his answer."""

    def __init__(self, receive: Receive, send: Send, work: anyio.CancelScope) -> None:
        self._receive = receive
        self._send = send
        self._work = work
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """What comes next, for the app."""
        message = await self._receive()
        if self._timer is None and not message.get("more_body", False):
            self._timer = asyncio.get_running_loop().call_later(QUICK_SECONDS, self._begin)
        return message

    async def send(self, message: Message) -> None:
        """What the app sends. To the server an answered caller is as one who hung up, and the app may not be done."""
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.end()
        await self._send(message)

    def end(self) -> None:
        """Look no longer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        # Nothing but this can come after the whole of a body.
        if (await self._receive())["type"] == "http.disconnect":
            self._work.cancel()
