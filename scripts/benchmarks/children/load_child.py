"""Callers of a web function: so many connections, each sending its next call when the answer to the last is there.

Standard library only. It speaks just enough HTTP/1.1 to cost little beside the server that it calls, and tells its own
CPU time, so that one can see whether it was the bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


class Caller(asyncio.Protocol):
    """One connection that is kept."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            self._received = b""
            self._load.note(head.startswith(b"HTTP/1.1 200 ") and self._load.expected in body, self._began)
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._load.over:
            self._load.lost += 1

    def _send(self) -> None:
        if self._load.over:
            self._transport.close()
        else:
            self._began = time.perf_counter()
            self._transport.write(self._load.request)


class Load:
    """All the connections, and what became of their calls."""

    def __init__(self, request: bytes, expected: bytes) -> None:
        self.request, self.expected = request, expected
        self.over = False
        self.lost = self.wrong = 0
        self.seconds: list[float] = []

    def note(self, good: bool, began: float) -> None:
        if good:
            self.seconds.append(time.perf_counter() - began)
        else:
            self.wrong += 1

    async def run(self, port: int, callers: int, seconds: float) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        began, cpu_began = time.perf_counter(), time.process_time()
        made = [await loop.create_connection(lambda: Caller(self), "127.0.0.1", port) for _ in range(callers)]
        await asyncio.sleep(seconds)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        self.over = True
        for transport, _ in made:
            transport.close()
        return {"seconds": self.seconds, "wrong": self.wrong, "lost": self.lost, "took": took, "cpu": cpu}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        load = Load(asked["request"].encode(), asked["expected"].encode())
        answer = asyncio.run(load.run(asked["port"], asked["callers"], asked["for"]))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
