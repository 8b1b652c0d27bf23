"""A loopback port: a `Request` goes in, an `Answer` comes out, whole or broken on purpose. Knows no cloud."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from starlette.types import Receive, Scope, Send

from edges.serving import HOST, Connection, Server

NO_BODY = (204, 304)  # RFC 9110 §6.4.1


@dataclass(frozen=True)
class Request:
    """What one caller sent. Header names are in lower case, in the order sent, repeated ones apart."""

    method: str
    target: str  # as sent, the query behind its question mark
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # holds the caller's token
    body: bytes = field(default=b"", repr=False)
    client: str = HOST
    too_large: bool = False  # the body went over the port's limit and was thrown away

    def header(self, name: str) -> str | None:
        """Repeated headers are one value, joined by commas (RFC 9110 §5.3)."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """What the caller gets. `cut` sends only so many bytes of the body that the header announces, then hangs up."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    cut: int | None = None


@dataclass(frozen=True)
class HangUp:
    """No answer at all: the connection is reset."""


class Listener:
    """A port with a handler behind it. Port 0 takes a free one; `port` says which, once started."""

    def __init__(
        self,
        handle: Callable[[Request], Awaitable[Answer | HangUp]],
        *,
        port: int = 0,
        body_limit_bytes: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._handle = handle
        self._body_limit_bytes = body_limit_bytes
        self._now = now
        self._server = Server(self._converse, port=port)

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self) -> None:
        """Return once callers can connect; OSError names the port when somebody else has it."""
        await self._server.start()

    async def stop(self) -> None:
        """Close the port and every connection to it, whatever is under way."""
        await self._server.stop()

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await self._receive(scope, receive)
        if request is None:
            return
        answer = await self._handle(request)
        connection: Connection = scope["edge.connection"]
        if isinstance(answer, HangUp):
            connection.reset()
            return
        bodiless = answer.status in NO_BODY
        headers = [*answer.headers] if bodiless else [*answer.headers, ("content-length", str(len(answer.body)))]
        if not any(name.lower() == "date" for name, _ in headers):
            headers.append(("date", formatdate(self._now(), usegmt=True)))
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        if answer.cut is not None:
            await send({"type": "http.response.body", "body": answer.body[: answer.cut], "more_body": True})
            connection.close()
            return
        await send({"type": "http.response.body", "body": b"" if bodiless else answer.body})

    async def _receive(self, scope: Scope, receive: Receive) -> Request | None:
        """The request, or None when its sender hung up. A body too large is read to its end, so that he hears why."""
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk, more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size <= self._body_limit_bytes:
                chunks.append(chunk)
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1")
        too_large = size > self._body_limit_bytes
        return Request(
            scope["method"],
            f"{path}?{query}" if query else path,
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            b"" if too_large else b"".join(chunks),
            scope["client"][0] if scope["client"] else HOST,
            too_large,
        )
