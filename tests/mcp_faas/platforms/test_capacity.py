"""The places of an instance, one rule at a time; tests/artifacts/test_fc_capacity.py is the same from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from mcp_faas.asgi import JSON, respond
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.platforms import capacity
from mcp_faas.platforms.capacity import Capacity

ORIGIN = "https://app.example.com"


class Held:
    """A gate that lets everybody in and answers when it is told to."""

    door_name = "jwt"
    allowed_origins = frozenset({ORIGIN})

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.open = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began.append(scope.get("name"))
        await self.open.wait()
        await respond(send, 200, [JSON], b"{}")


def calls(limit: Capacity) -> Callable[..., asyncio.Task[list[Any]]]:
    """What sends a request, and gives what was answered."""

    async def one(name: Any, method: str, headers: list[tuple[bytes, bytes]]) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": method, "headers": headers, "name": name, SCOPE_KEY: Call(request_id="r-1")}
        await limit(scope, receive, send)
        return sent

    return lambda name, method="POST", headers=(): asyncio.create_task(one(name, method, list(headers)))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PLACES", 2)
    monkeypatch.setattr(capacity, "WAITING_MAX", 3)


@pytest.fixture
async def gate(anyio_backend: str) -> Held:
    return Held()


def limit_of(gate: Held) -> Capacity:
    return Capacity(gate, clock=lambda: 0.0)  # type: ignore[arg-type]  # as much of a gate as is used


@pytest.mark.anyio
async def test_first_come_first_served(small: None, gate: Held) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number) for number in range(5)]
    await settle()
    assert gate.began == [0, 1]
    gate.open.set()
    assert [(await task)[0]["status"] for task in tasks] == [200] * 5
    assert gate.began == [0, 1, 2, 3, 4]


@pytest.mark.anyio
async def test_refusal_can_be_read_by_a_page_and_in_the_log(
    small: None, gate: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number) for number in range(5)]
    start, body = await call(5, headers=[(b"origin", ORIGIN.encode())])
    assert start["status"] == 503
    assert {(b"retry-after", b"1"), (b"access-control-allow-origin", ORIGIN.encode())} <= set(start["headers"])
    assert json.loads(body["body"]) == {"message": "This instance is busy; try again."}
    told = json.loads(capsys.readouterr().out)
    assert (told["door"], told["request_id"], told["decision"]) == ("jwt", "r-1", "deny")
    assert (told["reason"], told["status"]) == ("instance_busy", 503)
    gate.open.set()
    await asyncio.gather(*tasks)


@pytest.mark.anyio
async def test_nobody_waits_longer_than_a_client_would(
    small: None, gate: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "WAIT_SECONDS", 0.05)
    call = calls(limit_of(gate))
    served = [call(number) for number in range(2)]
    assert (await call(2))[0]["status"] == 503
    gate.open.set()
    assert [(await task)[0]["status"] for task in [*served, call(3)]] == [200] * 3


@pytest.mark.anyio
async def test_those_who_were_cut_off_leave_no_trace(small: None, gate: Held) -> None:
    """While they wait, and when they are in."""
    call = calls(limit_of(gate))
    for _ in range(3):
        tasks = [call(number) for number in range(5)]
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    gate.open.set()
    tasks = [call(number) for number in range(5)]
    assert [(await task)[0]["status"] for task in tasks] == [200] * 5


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
async def test_only_messages_take_a_place(small: None, gate: Held, method: str) -> None:
    call = calls(limit_of(gate))
    tasks = [call(number) for number in range(5)]
    tasks.append(call("other", method))
    await settle()
    assert set(gate.began) == {0, 1, "other"}
    gate.open.set()
    await asyncio.gather(*tasks)
