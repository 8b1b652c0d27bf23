"""Serve an ASGI app on a loopback port inside the running event loop, and leave nothing open. Knows nothing of clouds.

uvicorn's own `Server` wants the process for itself: signal handlers, `sys.exit` when a port is taken, a wait for every
open stream before it ends. A stand-in is one of several in a process and must be gone at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HOST = "127.0.0.1"
BACKLOG = 1024
HEAD_LIMIT_BYTES = 256 * 1024  # far over what any cloud takes, so that the stand-in's own refusal is heard


class Edge(Protocol):
    """What every local stand-in promises: listening when `start` returns, nothing left when `stop` does."""

    @property
    def port(self) -> int: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Connection:
    """One client connection, in the scope as `edge.connection`: which one it is, and the means to break it."""

    def __init__(self, serial: int, transport: asyncio.Transport) -> None:
        self.serial = serial
        self.broken = False
        self._transport = transport

    def close(self) -> None:
        """Hang up in the middle of an answer; what was sent of it arrives."""
        self.broken = True
        self._transport.close()

    def reset(self) -> None:
        """Break off without an answer, as a client meets it when a gateway dies: TCP reset, nothing flushed."""
        self.broken = True
        peer = self._transport.get_extra_info("socket")
        if peer is not None:
            with contextlib.suppress(OSError):  # the client was faster
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._transport.abort()


class _Http(H11Protocol):
    """uvicorn's protocol; requests also carry their `Connection`."""

    serials = itertools.count()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it so
        super().connection_made(transport)
        app, connection = self.app, Connection(next(self.serials), transport)

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            scope["edge.connection"] = connection
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:  # only `Server.stop` cancels, and it wants silence
                connection.reset()
            while connection.broken and (await receive())["type"] != "http.disconnect":
                pass  # uvicorn takes an app that returns before the end of its answer for a bug, and says so

        self.app = with_connection


class PortTaken(OSError):
    """Somebody else has the port, or may have it; the message names it."""


def listen(port: int) -> socket.socket:
    """A socket bound to this loopback port (0: any), or `PortTaken`."""
    # With the protocol named, asyncio turns Nagle's algorithm off; without, each answer in two writes costs 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = os.strerror(error.errno or 0)
        raise PortTaken(error.errno, f"cannot listen on {HOST} port {port}: {why}") from None
    return listener


class Server:
    """An ASGI app on a loopback port. `port` is known after `start`; `stop` breaks what is still open."""

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self.port = port
        self._config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            timeout_keep_alive=60,
            h11_max_incomplete_event_size=HEAD_LIMIT_BYTES,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        listener = listen(self.port)
        self.port = listener.getsockname()[1]
        if not self._config.loaded:
            self._config.load()

        def protocol() -> _Http:
            return _Http(config=self._config, server_state=self._state, app_state={})

        self._server = await asyncio.get_running_loop().create_server(protocol, sock=listener, backlog=BACKLOG)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for connection in [*self._state.connections]:
            connection.transport.abort()
        tasks = [*self._state.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None


EdgeT = TypeVar("EdgeT", bound=Edge)


@contextlib.contextmanager
def running(edge: EdgeT) -> Iterator[EdgeT]:
    """Run an edge in a thread with an event loop of its own, for callers that block: SDKs, subprocesses, tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=type(edge).__name__, daemon=True)
    thread.start()

    def call(coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    try:
        call(edge.start())
        try:
            yield edge
        finally:
            call(edge.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
