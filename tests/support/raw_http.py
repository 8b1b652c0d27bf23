"""HTTP/1.1 by hand, for requests that an honest client library refuses to send. Loopback only; no rule of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

TIMEOUT_SECONDS = 30.0
Answer = tuple[int, list[tuple[str, str]], bytes]


class Connection:
    """One connection that is kept as long as the server keeps it, and opened anew when it does not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()
            self._streams = None

    async def ask(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
        """Send a request with these headers, `Host` and `Content-Length` added where they lack."""
        headers = list(headers)
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            headers.insert(0, ("Host", "mcp.example.com"))
        if "content-length" not in names:
            headers.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")
        return await self.send(head + body, head_only=method == "HEAD")

    async def send(self, data: bytes, *, head_only: bool = False) -> Answer:
        """Send these bytes and read one answer. Raises `ConnectionError` when the server hangs up before it."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sending = asyncio.create_task(_send(writer, data))
        try:
            status, headers, body, kept = await asyncio.wait_for(_answer(reader, head_only), TIMEOUT_SECONDS)
            await sending
        except asyncio.IncompleteReadError:
            await self.close()
            raise ConnectionResetError("the server hung up") from None
        finally:
            sending.cancel()
        if not kept:
            await self.close()
        return status, headers, body


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # an answer may come before the whole request was read
        writer.write(data)
        await writer.drain()


async def _answer(reader: asyncio.StreamReader, head_only: bool) -> tuple[int, list[tuple[str, str]], bytes, bool]:
    status, headers = await _head(reader)
    while 100 <= status < 200:
        status, headers = await _head(reader)
    length = next((value for name, value in headers if name == "content-length"), None)
    kept = length is not None and ("connection", "close") not in headers
    if head_only or status in (204, 304):
        return status, headers, b"", kept
    body = await (reader.read() if length is None else reader.readexactly(int(length)))
    return status, headers, body, kept


async def _head(reader: asyncio.StreamReader) -> tuple[int, list[tuple[str, str]]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.partition(":")[::2] for line in lines)
    return int(first.split(" ")[1]), [(name.lower(), value.strip()) for name, value in pairs]
