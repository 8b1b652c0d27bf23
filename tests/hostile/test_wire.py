"""HTTP that no honest client sends, byte by byte, to FC's web function: refused, and nothing of it reaches a tool.

Two readings of one message are how requests are smuggled past a gateway, so such a message must not be answered as if
it were good, and the connection must not go on.
"""

from __future__ import annotations

import asyncio

import pytest

from hostile.canary import REACHED
from hostile.case import World
from hostile.checks import leaks
from hostile.ways_in import WAYS, function, listening_on_loopback, web_function
from support import mcp
from support.jwts import RESOURCE
from support.raw_http import Connection

WEB = next(way for way in WAYS if way.name == "fc-web")
BODY = mcp.message("tools/call", mcp.call("touch"))
HUNG_UP = 0


def head(token: str, *lines: str, first: str = "POST /mcp HTTP/1.1") -> bytes:
    common = (first, "Host: mcp.example.com", "Content-Type: application/json", "Accept: application/json")
    return "\r\n".join([*common, *lines, f"Authorization: Bearer {token}", "", ""]).encode("latin-1")


def messages(token: str) -> dict[str, tuple[bytes, set[int]]]:
    """What is sent, and the statuses that refuse it; 0 stands for a connection that is closed without a word."""
    length, chunk = f"Content-Length: {len(BODY)}", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    refused = {400, HUNG_UP}
    return {
        "two lengths": (head(token, length, "Content-Length: 5") + BODY, refused),
        "two lengths in one": (head(token, f"Content-Length: {len(BODY)}, 5") + BODY, refused),
        "a negative length": (head(token, "Content-Length: -1") + BODY, refused),
        "a length with a sign": (head(token, f"Content-Length: +{len(BODY)}") + BODY, refused),
        "a length in hexadecimal": (head(token, f"Content-Length: {len(BODY):#x}") + BODY, refused),
        "a length of 100 digits": (head(token, "Content-Length: " + "9" * 100) + BODY, {*refused, 413}),
        "a length that is empty": (head(token, "Content-Length:") + BODY, refused),
        "an unknown coding": (head(token, "Transfer-Encoding: gzip") + BODY, {*refused, 501}),
        "a coding that is not the last": (head(token, "Transfer-Encoding: chunked, identity") + chunk, {*refused, 501}),
        "a coding twice": (
            head(token, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunk,
            {*refused, 501},
        ),
        "a coding with a tab in front": (head(token, "Transfer-Encoding: \x0bchunked") + chunk, {*refused, 501}),
        "a chunk without a size": (head(token, "Transfer-Encoding: chunked") + b"x\r\n" + BODY, refused),
        "a chunk with a negative size": (head(token, "Transfer-Encoding: chunked") + b"-5\r\n" + BODY, refused),
        "a blank before the colon": (head(token, length, "X-Other : 1") + BODY, refused),
        "a header without a colon": (head(token, length, "X-Other") + BODY, refused),
        "a header without a name": (head(token, length, ": x") + BODY, refused),
        "a header's name with a blank": (head(token, length, "X Other: 1") + BODY, refused),
        "a header's name with a NUL": (head(token, length, "X\0Other: 1") + BODY, refused),
        "a NUL in a value": (head(token, length, "X-Other: \0") + BODY, refused),
        "a bare CR in a value": (head(token, length, "X-Other: a\rAuthorization: Bearer x") + BODY, refused),
        "a blank in front of the first header": (
            head(token, length).replace(b"\r\nHost", b"\r\n Host") + BODY,
            refused,
        ),
        "no Host": (head(token, length).replace(b"Host: mcp.example.com\r\n", b"") + BODY, refused),
        "two Hosts": (head(token, length, "Host: evil.example") + BODY, refused),
        "two blanks in the first line": (head(token, length, first="POST  /mcp HTTP/1.1") + BODY, refused),
        "a tab in the first line": (head(token, length, first="POST\t/mcp HTTP/1.1") + BODY, refused),
        "a blank in the target": (head(token, length, first="POST /m cp HTTP/1.1") + BODY, refused),
        "bytes in the target": (head(token, length, first="POST /mcp\xff HTTP/1.1") + BODY, refused),
        "no version": (head(token, length, first="POST /mcp") + BODY, refused),
        "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), {*refused, 404, 505}),
        "TLS": (bytes.fromhex("16030100c8010000c40303") + bytes(189), refused),
        "no HTTP at all": (b"\0" * 64 + b"\r\n\r\n", refused),
        "a token of 5 MB": (head("x" * 5_000_000, length) + BODY, refused),
        "100,000 headers": (head(token, length, *["X: 1"] * 100_000) + BODY, refused),
    }


NAMES = list(messages(""))


@pytest.mark.parametrize("name", NAMES)
def test_message_of_two_readings_is_refused(name: str) -> None:
    REACHED.clear()
    token = World(RESOURCE).token()
    data, statuses = messages(token)[name]
    with function(WEB.environment()) as output:
        config = web_function()

        async def sent() -> tuple[int, bytes]:
            async with listening_on_loopback(config) as port, Connection(port) as connection:
                try:
                    status, _, body = await connection.send(data)
                except ConnectionError:
                    return HUNG_UP, b""
                return status, body

        status, body = asyncio.run(sent())
    assert status in statuses, body
    assert not REACHED
    assert not leaks(output.lines, [token])


def test_length_and_chunks_together_are_read_as_chunks_alone() -> None:
    """RFC 9112 §6.1: the length is ignored, and whatever follows the last chunk is no second request."""
    REACHED.clear()
    token = World(RESOURCE).token()
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    smuggled = head(token, f"Content-Length: {len(BODY)}", first="POST /mcp HTTP/1.1") + BODY
    data = head(token, "Content-Length: 4", "Transfer-Encoding: chunked") + chunk
    with function(WEB.environment()):
        config = web_function()

        async def sent() -> int:
            async with listening_on_loopback(config) as port, Connection(port) as connection:
                status, _, _ = await connection.send(data + smuggled)
                return status

        assert asyncio.run(sent()) in (200, 400)
    assert len(REACHED) <= 2, "one for each request that carries a good token of its own"
