"""A road to a DynamoDB server on which a call can be refused, lost or its answer lost. Knows no server's inside."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from edges.listener import Answer, HangUp, Listener, Request

Fault = Literal[
    "throttled",
    "refused",
    "500 before",
    "500 after",
    "reset before",
    "reset after",
    "silent before",
    "silent after",
    "page of a proxy",
]
DEFINITE: tuple[Fault, ...] = ("throttled", "refused")
LOST_BEFORE: tuple[Fault, ...] = ("500 before", "reset before", "page of a proxy")
LOST_AFTER: tuple[Fault, ...] = ("500 after", "reset after")
# "silent before" and "silent after" cost a caller's whole patience each time
BODY_LIMIT_BYTES = 1024 * 1024
_JSON = ("content-type", "application/x-amz-json-1.0")
_KEPT = ("content-type", "x-amzn-requestid", "x-amz-crc32")


class Road:
    """`fail` sees each call's operation and number, repeats of the SDK included, and may name a fault."""

    def __init__(self, target: str) -> None:
        self._host = urlsplit(target).netloc
        self._listener = Listener(self._handle, body_limit_bytes=BODY_LIMIT_BYTES)
        self.fail: Callable[[str, int], Fault | None] = lambda operation, number: None
        self.calls: list[str] = []

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _handle(self, request: Request) -> Answer | HangUp:
        operation = (request.header("x-amz-target") or "").rpartition(".")[2]
        self.calls.append(operation)
        fault = self.fail(operation, len(self.calls))
        if fault == "throttled":
            return _error(400, "ProvisionedThroughputExceededException")
        if fault == "refused":
            return _error(400, "AccessDeniedException")
        if fault == "page of a proxy":
            return Answer(200, (("content-type", "text/html"),), b"<h1>Please log in</h1>")
        answer: Answer | None = None
        if fault is None or fault.endswith("after"):
            answer = await asyncio.to_thread(self._forward, request)
        if fault is None and answer is not None:
            return answer
        if fault in ("silent before", "silent after"):
            await asyncio.sleep(3600)
        return _error(500, "InternalServerError") if fault in ("500 before", "500 after") else HangUp()

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._host, timeout=30)
        try:
            headers = {name: value for name, value in request.headers if name not in ("connection", "expect")}
            connection.request(request.method, request.target, request.body, headers)
            answer = connection.getresponse()
            kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() in _KEPT)
            return Answer(answer.status, kept, answer.read())
        finally:
            connection.close()


def _error(status: int, kind: str) -> Answer:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "as asked for"}).encode()
    return Answer(status, (_JSON, ("x-amzn-requestid", "R")), body)
