"""One request of an event and its whole response, as an ASGI app takes and gives them. No event shapes, no loop.

Mangum's `HTTPCycle` does the same with a queue, a buffer and a log record for each call; docs/decisions/warm-call.md
has what that costs.
"""

from __future__ import annotations

import asyncio
from typing import Any

from mangum.types import ASGI, Message, Response

_TEXT = [b"content-type", b"text/plain; charset=utf-8"]
_BYTES = (bytes, bytearray, memoryview)


class Exchange:
    """Answers with 500 where the app has not answered, whatever ended it; see `over` for whether it has ended."""

    def __init__(self, scope: dict[str, Any], body: bytes) -> None:
        self.scope = scope
        self.over = False  # the app has returned, or was ended
        self.expired = False  # its time is up
        self._body: bytes | None = body
        self._status: int | None = None
        self._headers: list[Any] = []
        self._parts: list[Any] = []
        self._complete = asyncio.Event()

    @property
    def response(self) -> Response:
        """What the app has answered."""
        if self._status is None or not self._complete.is_set():
            return {"status": 500, "headers": [_TEXT], "body": b"Internal Server Error"}
        return {"status": self._status, "headers": self._headers, "body": b"".join(self._parts)}

    async def run(self, app: ASGI) -> None:
        """Let the app answer. Raises nothing: a tool that ends its task, or the process, ends its own call."""
        try:
            await app(self.scope, self._receive, self._send)
        except BaseException:  # noqa: S110, BLE001 - the gate has logged a defect, and who was cut off hears of it
            pass
        finally:
            self.over = True

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._complete.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and self._status is None:
            self._status, self._headers = message["status"], list(message.get("headers", ()))
        elif kind == "http.response.body" and self._status is not None and not self._complete.is_set():
            body = message.get("body", b"")
            if not isinstance(body, _BYTES):
                raise TypeError(f"a body is bytes and not {type(body).__name__}")
            self._parts.append(body)
            if not message.get("more_body", False):
                self._complete.set()
        else:
            raise RuntimeError(f"{kind} is not what ASGI lets an app send now")
