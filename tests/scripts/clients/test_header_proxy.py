"""The proxy passes bytes on as they came, adds only what it was told to, and keeps no token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from clients.header_proxy import LOOPBACK, HeaderProxy, running_proxy

REQUEST = (
    b"POST /mcp?session=abc HTTP/1.1\r\nHost: x\r\nMcp-Name:  add \r\nX-Two: 1\r\nx-two: 2\r\n"
    b"MCP-Protocol-Version: 2026-07-28\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody"
)
ANSWER = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\nno"


@contextlib.asynccontextmanager
async def upstream(heard: list[bytes]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"body"))
        writer.write(ANSWER)
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0) as listener:
        yield listener.sockets[0].getsockname()[1]


async def exchange(authorization: str | None = None, request: bytes = REQUEST) -> tuple[bytes, bytes, HeaderProxy]:
    heard: list[bytes] = []
    async with upstream(heard) as port, running_proxy() as proxy:
        proxy.target_port, proxy.authorization = port, authorization
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
    return heard[0], answer, proxy


def test_all_but_the_connection_header_passes_as_sent() -> None:
    heard, answer, _ = asyncio.run(exchange())
    assert heard == REQUEST.replace(b"Connection: keep-alive\r\n", b"").replace(
        b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1
    )
    assert answer == ANSWER


def test_the_header_is_added_when_there_is_one() -> None:
    heard, _, proxy = asyncio.run(exchange("Bearer secret"))
    assert b"\r\nAuthorization: Bearer secret\r\n" in heard
    assert "secret" not in repr(proxy)


def test_an_exchange_is_noted_without_its_secrets() -> None:
    _, _, proxy = asyncio.run(exchange(request=REQUEST.replace(b"X-Two: 1", b"Authorization: Bearer secret")))
    (noted,) = proxy.exchanges
    assert (noted.method, noted.path, noted.version, noted.authorized) == ("POST", "/mcp", "2026-07-28", True)
    assert (noted.status, noted.challenge) == (401, "Bearer")
    assert "secret" not in repr(noted)
    assert "abc" not in repr(noted)
