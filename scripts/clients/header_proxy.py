"""Stand between a client and a server on loopback: add a header if asked, note what passes. No token is kept or shown.

The conformance suite sends no token, so the proxy adds one for it. For the other clients it adds nothing and notes
what they did on the wire, which their own output does not tell: the versions they spoke, whether the header came with
every request, what they were answered. It copies bytes, so that odd white space and doubled headers arrive as sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

HEAD_LIMIT_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
LOOPBACK = "127.0.0.1"


@dataclass
class Exchange:
    """One request and the status of its answer; of the credential only that there was one."""

    method: str
    path: str
    version: str | None  # MCP-Protocol-Version, which a client sends from its second request on, or always (2026-07-28)
    authorized: bool
    status: int = 0  # 0: no answer was seen
    challenge: str | None = None


@dataclass
class HeaderProxy:
    """A running proxy; `exchanges` grows while clients use it."""

    port: int
    target_port: int = 0  # 0 until the server behind it is known
    authorization: str | None = field(default=None, repr=False)
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def serve(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        """One request on one connection: `Connection: close` on the way in keeps the framing simple."""
        async with contextlib.AsyncExitStack() as open_ends:
            open_ends.callback(client_out.close)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                head = await client_in.readuntil(b"\r\n\r\n")
                exchange = exchange_of(head)
                self.exchanges.append(exchange)
                server_in, server_out = await asyncio.open_connection(
                    LOOPBACK, self.target_port, limit=HEAD_LIMIT_BYTES
                )
                open_ends.callback(server_out.close)
                server_out.write(self.forwarded(head))
                upward = asyncio.create_task(copy(client_in, server_out))
                open_ends.callback(upward.cancel)
                answer = await server_in.readuntil(b"\r\n\r\n")
                exchange.status = int(answer.split(b" ", 2)[1])
                exchange.challenge = header_of(answer, "WWW-Authenticate")
                client_out.write(answer)
                downward = asyncio.create_task(copy(server_in, client_out))
                open_ends.callback(downward.cancel)
                # A client that hangs up ends the exchange at once, or a stream of the server's would never end.
                await asyncio.wait({upward, downward}, return_when=asyncio.FIRST_COMPLETED)

    def forwarded(self, head: bytes) -> bytes:
        """The request's head as the server gets it: the client's own bytes, and at most two lines of ours."""
        first, _, rest = head.partition(b"\r\n")
        rest = re.sub(rb"(?im)^connection:[^\r\n]*\r\n", b"", rest)
        added = b"Connection: close\r\n"
        if self.authorization is not None:
            added += b"Authorization: " + self.authorization.encode() + b"\r\n"
        return first + b"\r\n" + added + rest


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            sink.write(piece)
            await sink.drain()


def header_of(head: bytes, name: str) -> str | None:
    found = re.search(rb"(?im)^" + name.encode() + rb":[ \t]*([^\r\n]*)", head)
    return found.group(1).decode("latin-1").strip() if found else None


def exchange_of(head: bytes) -> Exchange:
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    path = target.split("?", 1)[0]  # what follows may be a session's id: not ours to keep
    has_token = header_of(head, "Authorization") is not None
    return Exchange(method, path, header_of(head, "MCP-Protocol-Version"), has_token)


@contextlib.asynccontextmanager
async def running_proxy() -> AsyncIterator[HeaderProxy]:
    """A proxy on a free port; set `target_port` once the server behind it is up."""
    open_tasks: set[asyncio.Task[None]] = set()

    async def serve(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            open_tasks.add(task)
            task.add_done_callback(open_tasks.discard)
        await proxy.serve(client_in, client_out)

    listener = await asyncio.start_server(serve, LOOPBACK, 0, limit=HEAD_LIMIT_BYTES)
    proxy = HeaderProxy(port=listener.sockets[0].getsockname()[1])
    try:
        yield proxy
    finally:
        listener.close()
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
