"""More than an instance of FC's web function can do, from outside, as its gateway would: it sheds, and never falls.

The whole file takes less than a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import math
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import mcp, raw_http
from support.raw_http import Answer, Connection
from support.web_function import Function, running

pytestmark = [pytest.mark.artifact, pytest.mark.alone, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
PLACES, WAITING = 200, 200
HEALTH_SECONDS = 3.0  # healthCheckConfig.timeoutSeconds of s.yaml


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with other work to do takes a multiple of the time."""
    monkeypatch.setattr(raw_http, "TIMEOUT_SECONDS", 120.0)


@pytest.fixture
def function(web_artifact: tuple[Path, Path], tmp_path: Path) -> Iterator[Function]:
    with running(web_artifact, tmp_path, HERE, MCP_DOOR="platform", MCP_SERVER="busy_tools:server") as function:
        yield function


@contextlib.contextmanager
def health(function: Function) -> Iterator[list[float]]:
    """Ask for /healthz all the time, as the platform does; how long each answer took."""
    took: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", function.port, timeout=30)
            connection.request("GET", "/healthz")
            answered = connection.getresponse().read() == b"ok"
            took.append(time.perf_counter() - began if answered else math.inf)
            connection.close()
            ended.wait(0.05)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield took
    finally:
        ended.set()
        looking.join()


@contextlib.asynccontextmanager
async def connections(function: Function, number: int) -> AsyncIterator[list[Connection]]:
    opened = [Connection(function.port) for _ in range(number)]
    try:
        yield opened
    finally:
        await asyncio.gather(*(connection.close() for connection in opened))


async def ask(connection: Connection, tool: str, number: int, era: str = mcp.MODERN, **arguments: Any) -> Answer:
    parameters = mcp.call(tool, {"number": number, **arguments})
    body = mcp.message("tools/call", parameters, era=era, identity=number)
    return await connection.ask("POST", "/mcp", mcp.headers("tools/call", parameters, era=era).items(), body)


def is_right(answer: Answer, number: int) -> bool:
    status, _, body = answer
    told = json.loads(body)
    return status == 200 and told["id"] == number and told["result"]["structuredContent"] == {"result": number}


async def quick(function: Function) -> float:
    """How long a call takes on an idle instance, at best."""
    took = []
    async with connections(function, 1) as (connection,):
        for number in range(10):
            began = time.perf_counter()
            assert is_right(await ask(connection, "wait", number, seconds=0), number)
            took.append(time.perf_counter() - began)
    return min(took)


def memory(function: Function) -> int:
    """Megabytes that the instance holds."""
    status = Path(f"/proc/{function.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


def decisions(log: str) -> list[tuple[str, str, int]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [(line["decision"], line["reason"], line["status"]) for line in lines]


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
async def test_calls_beyond_the_places_wait_and_those_beyond_the_queue_are_refused(
    function: Function, era: str
) -> None:
    surplus = 50
    before, held = await quick(function), memory(function)
    async with connections(function, PLACES + WAITING + surplus) as callers:
        with health(function) as took:
            answers = await asyncio.gather(*(ask(one, "wait", n, era, seconds=2) for n, one in enumerate(callers)))
    refused = [answer for answer in answers if answer[0] != 200]
    assert len(refused) == surplus
    for status, headers, body in refused:
        assert (status, json.loads(body)) == (503, {"message": "This instance is busy; try again."})
        assert {("retry-after", "1"), ("content-type", "application/json")} <= set(headers)
    assert all(is_right(answer, number) for number, answer in enumerate(answers) if answer[0] == 200)
    assert statistics.median(took) < HEALTH_SECONDS
    assert memory(function) - held < 64
    assert await quick(function) < before * 3 + 0.01
    told = decisions(function.stop())
    assert told.count(("allow", "instance_busy", 503)) == surplus
    assert len(told) == len(answers) + 20


@pytest.mark.anyio
async def test_health_check_is_answered_while_tools_compute(function: Function) -> None:
    """All would compute in one round of the loop, and a health check, which takes three, would come after the last."""
    async with connections(function, 60) as callers:
        began = time.perf_counter()
        with health(function) as took:
            answers = await asyncio.gather(*(ask(one, "compute", n, seconds=0.05) for n, one in enumerate(callers)))
    assert all(is_right(answer, number) for number, answer in enumerate(answers))
    assert max(took) < (time.perf_counter() - began) / 3


async def settled(function: Function) -> None:
    """When whoever waited has had his turn, and the calls of those who hung up, which may last a second, have ended."""
    async with connections(function, 1) as (last,):
        for attempt in itertools.count():
            if is_right(await ask(last, "wait", attempt, seconds=0), attempt):
                break
            await asyncio.sleep(0.5)
    await asyncio.sleep(1)


@pytest.mark.anyio
async def test_callers_who_hang_up_leave_their_places_to_others(function: Function) -> None:
    """Each place is taken again afterwards, by a plain tool whose thread waits for all the others.

    What is asked in an earlier protocol goes on to its end; what is asked in today's is cancelled.
    """
    for era, seconds in ((mcp.MODERN, 300), (mcp.LEGACY[0], 1)):
        async with connections(function, PLACES + 50) as callers:
            calls = [asyncio.create_task(ask(one, "wait", n, era, seconds=seconds)) for n, one in enumerate(callers)]
            await asyncio.wait(calls, timeout=0.7)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
    await settled(function)
    async with connections(function, PLACES) as callers:
        answers = await asyncio.gather(*(ask(one, "meet", n, others=PLACES) for n, one in enumerate(callers)))
    assert [answer for number, answer in enumerate(answers) if not is_right(answer, number)] == []


@pytest.mark.anyio
async def test_body_that_does_not_arrive_is_cut_off(function: Function) -> None:
    parameters = mcp.call("wait", {"number": 1, "seconds": 0})
    headers = {**mcp.headers("tools/call", parameters), "host": "mcp.example.com", "content-length": "1000"}
    lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    reader, writer = await asyncio.open_connection("127.0.0.1", function.port)

    async def drip() -> None:
        writer.write("\r\n".join(lines).encode())
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.5)

    dripping = asyncio.create_task(drip())
    async with connections(function, 1) as (other,):
        assert is_right(await ask(other, "wait", 7, seconds=0), 7)
    answer = await asyncio.wait_for(reader.read(), timeout=30)  # to the end: the connection is closed
    dripping.cancel()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"message": "The body did not arrive within 20 seconds."}')
    assert ("allow", "message_late", 408) in decisions(function.stop())
