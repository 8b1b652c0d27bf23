"""One request and its response, whatever the app does with them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_faas.platforms.exchange import Exchange

START = {"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]}
FAILED = {
    "status": 500,
    "headers": [[b"content-type", b"text/plain; charset=utf-8"]],
    "body": b"Internal Server Error",
}


async def answered(app: Any) -> Exchange:
    exchange = Exchange({"type": "http"}, b"question")
    over = [exchange.over]
    await exchange.run(app)
    assert [*over, exchange.over] == [False, True]
    return exchange


@pytest.mark.anyio
async def test_response_is_what_the_app_sent() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope == {"type": "http"}
        assert await receive() == {"type": "http.request", "body": b"question", "more_body": False}
        await send(START)
        await send({"type": "http.response.body", "body": b"an", "more_body": True})
        await send({"type": "http.response.body", "body": b"swer"})
        assert await receive() == {"type": "http.disconnect"}

    assert (await answered(app)).response == {"status": 201, "headers": [(b"a", b"b")], "body": b"answer"}


@pytest.mark.anyio
async def test_app_that_waits_for_the_caller_to_go_waits_until_the_end_of_the_answer() -> None:
    order: list[str] = []

    async def watch(receive: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"
        order.append("gone")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        watching = asyncio.ensure_future(watch(receive))
        await asyncio.sleep(0)
        await send(START)
        await asyncio.sleep(0)
        order.append("end")
        await send({"type": "http.response.body", "body": b""})
        await watching

    await answered(app)
    assert order == ["end", "gone"]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.parametrize("sent", [[], [START], [START, {"type": "http.response.body", "more_body": True}]])
async def test_app_that_ends_before_its_answer_has_failed(error: type[BaseException], sent: list[Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)
        raise error

    assert (await answered(app)).response == FAILED


@pytest.mark.anyio
@pytest.mark.parametrize("wrong", [{**START, "headers": None}, {"type": "http.response.body", "body": None}])
async def test_app_that_sends_what_is_no_response_has_failed(wrong: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in (START, {"type": "http.response.body", "body": b"a"}):
            await send(wrong if message["type"] == wrong["type"] else message)

    assert (await answered(app)).response == FAILED


@pytest.mark.anyio
async def test_app_that_says_nothing_has_failed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    assert (await answered(app)).response == FAILED


@pytest.mark.anyio
async def test_nothing_that_comes_after_the_end_changes_the_answer() -> None:
    refused: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"first"})
        for late in ({"type": "http.response.body", "body": b"second"}, {**START, "status": 500}, {"type": "other"}):
            try:
                await send(late)
            except RuntimeError as error:
                refused.append(str(error).split()[0])

    assert (await answered(app)).response == {"status": 201, "headers": [(b"a", b"b")], "body": b"first"}
    assert refused == ["http.response.body", "http.response.start", "other"]
