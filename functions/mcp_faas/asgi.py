"""What ASGI leaves to whoever answers by itself: read a body within a limit, hand it on, send a whole answer.

Knows no door, no setting and no MCP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Message, Receive, Send

Header = tuple[bytes, bytes]
JSON: Header = (b"content-type", b"application/json")


class HungUp(Exception):
    """The caller was gone before his body was there."""


@dataclass
class Answer:
    """What was sent, for the audit line."""

    status: int | None = None


def value_of(headers: Iterable[Header], name: bytes, default: bytes = b"") -> bytes:
    """The first value of a header."""
    return next((value for known, value in headers if known == name), default)


def media_type(headers: Iterable[Header]) -> bytes:
    """The media type of the request's body, without its parameters (RFC 9110 §8.3)."""
    return value_of(headers, b"content-type").partition(b";")[0].strip().lower()


async def read_body(headers: Iterable[Header], receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than `limit` bytes. Raises `HungUp`."""
    declared = value_of(headers, b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > limit:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


def recording(send: Send, answer: Answer) -> Send:
    """A `send` that notes in `answer` what goes out."""

    async def recorded(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
        await send(message)

    return recorded


def holding(send: Send, before_end: Callable[[], Awaitable[None]]) -> Send:
    """A `send` that lets the end of the answer go out only after `before_end`."""

    async def held(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await before_end()
        await send(message)

    return held


async def respond(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    """Send a whole answer."""
    # RFC 9110 §8.6: no Content-Length on 204.
    length = [] if status == HTTPStatus.NO_CONTENT else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
