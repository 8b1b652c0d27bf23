"""Warm instances are shared: 1,000 principals call at once with the same JSON-RPC ids, and nobody hears of another.

5,000 calls in `make test`, budget 20 s; the long form is MCP_INTERLEAVED_CALLS=100000.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from hostile.case import Request, World
from hostile.checks import decisions_by_call
from hostile.ways_in import (
    URL,
    WAYS,
    Answer,
    aws_context,
    aws_event,
    call_app,
    fc_context,
    fc_event,
    function,
    gate,
    listening_on_loopback,
    load,
    of_function,
    web_function,
)
from mcp_faas.call import Call
from support import mcp
from support.jwts import RESOURCE, b64
from support.raw_http import Connection

CALLS = int(os.environ.get("MCP_INTERLEAVED_CALLS", "5000"))
PRINCIPALS = 1000
AT_ONCE = 50
IDS: tuple[Any, ...] = (1, 2, 3, "1", "a")  # few, so that they collide all the time
ERAS = (mcp.MODERN, mcp.LEGACY[0], mcp.LEGACY[1])
pytestmark = pytest.mark.timeout(120 + CALLS // 20)
ASGI, WEB = WAYS[0], next(way for way in WAYS if way.name == "fc-web")


@dataclass(frozen=True)
class Ask:
    """One call, and the text that must come back; None where the door must refuse."""

    number: int
    request: Request
    identity: Any
    subject: str
    text: str | None


@cache
def tokens(number: int) -> tuple[str, str]:
    """The good token of a principal, and the same with the claims of the next one under its signature."""
    # ECDSA, because a thousand signatures of it cost a fifth of a second.
    world = World(RESOURCE)
    good = world.token(claims=claims_of(number), kid="k-p256")
    head, _, tail = good.split(".")
    stolen = b64(json.dumps(world.claims(**claims_of(number + 1))).encode())
    return good, f"{head}.{stolen}.{tail}"


def claims_of(number: int) -> dict[str, Any]:
    scope = f"mcp:tools mcp:room:{number}"
    return {"sub": f"subject-{number}", "client_id": f"client-{number % 7}", "jti": f"jti-{number}", "scope": scope}


def asks(calls: int, seed: int) -> Iterator[Ask]:
    """So many calls of all kinds in an order that is the same each time; every tenth is a forgery."""
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    for number in range(calls):
        principal, nonce = chance.randrange(PRINCIPALS), f"n{number}"
        identity, era = chance.choice(IDS), chance.choice(ERAS)
        method, params = chance.choice(
            [
                ("tools/call", mcp.call("who", {"nonce": nonce, "pauses": chance.randrange(6)})),
                ("tools/call", mcp.call("who", {"nonce": nonce, "pauses": 0})),
                ("tools/call", mcp.call("who_in_a_thread", {"nonce": nonce, "pauses": chance.randrange(4)})),
                ("resources/read", {"uri": f"who://{nonce}"}),
                ("prompts/get", {"name": "who_asks", "arguments": {"nonce": nonce}}),
            ]
        )
        good, forged = tokens(principal)
        bad = number % 10 == 9
        headers = (
            *mcp.headers(method, params, era=era).items(),
            ("Authorization", f"Bearer {forged if bad else good}"),
        )
        body = mcp.message(method, params, era=era, identity=identity)
        scopes = ",".join(sorted(claims_of(principal)["scope"].split()))
        text = f"subject-{principal} client-{principal % 7} {scopes} jti-{principal} {nonce}"
        yield Ask(number, Request(headers, body), identity, f"subject-{principal}", None if bad else text)


def crossovers(asked: Ask, answer: Answer) -> list[str]:
    """What came back that is another's, or not what was asked for."""
    if asked.text is None:
        fine = answer.status == 401 and b"subject-" not in answer.body
        return [] if fine else [f"{asked.number}: a forgery got {answer.status}"]
    if answer.status != 200:
        return [f"{asked.number}: {answer.status} {answer.body[:200]!r}"]
    told = json.loads(answer.body)
    result = told["result"]
    texts = [entry.get("text") for entry in result.get("content", ())] + [
        entry["text"] for entry in result.get("contents", ())
    ]
    texts += [entry["content"]["text"] for entry in result.get("messages", ())]
    same_id = told["id"] == asked.identity and type(told["id"]) is type(asked.identity)
    return [] if same_id and texts == [asked.text] else [f"{asked.number}: asked as {asked.text}, got {told}"]


def wrong_lines(made: list[Ask], lines: list[str]) -> list[str]:
    """Audit lines that are missing, doubled or another's."""
    decisions = decisions_by_call(lines)
    wrong = []
    for asked in made:
        subjects = [line["subject"] for line in decisions.pop(f"r-{asked.number}", [])]
        if subjects != [asked.subject if asked.text else None]:
            wrong.append(f"{asked.number}: noted {subjects}")
    return wrong + [f"noted {identity}, which nobody asked" for identity in decisions]


def environment(way: Any) -> dict[str, str]:
    return {**way.environment(), "MCP_SERVER": "hostile.echo:server", "MCP_LOG_LEVEL": "WARNING"}


async def all_at_once(made: list[Ask], ask: Any) -> list[str]:
    """Fifty callers, each taking the next call as soon as it has its answer."""
    waiting, wrong = iter(made), []

    async def caller() -> None:
        for asked in waiting:
            wrong.extend(crossovers(asked, await ask(asked)))

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return wrong


def test_a_thousand_principals_at_once_hear_of_nobody_else() -> None:
    made = list(asks(CALLS * 6 // 10, 1))

    async def run() -> list[str]:
        async with gate() as app:
            return await all_at_once(
                made, lambda asked: call_app(app, asked.request, Call(f"r-{asked.number}", RESOURCE))
            )

    with function(environment(ASGI)) as output:
        wrong = asyncio.run(run())
    assert wrong == []
    assert wrong_lines(made, output.stdout.getvalue().splitlines()) == []


def test_nor_do_they_over_http() -> None:
    made = list(asks(CALLS * 2 // 10, 2))

    async def run(config: Any) -> list[str]:
        async with listening_on_loopback(config) as port:
            free = [Connection(port) for _ in range(AT_ONCE)]

            async def ask(asked: Ask) -> Answer:
                connection, sent = free.pop(), asked.request
                headers = [("x-fc-request-id", f"r-{asked.number}"), *sent.all_headers()]
                answer = await connection.ask(sent.method, sent.target, headers, sent.body)
                free.append(connection)
                return Answer(*answer)

            wrong = await all_at_once(made, ask)
            for connection in free:
                await connection.close()
            return wrong

    with function(environment(WEB)) as output:
        wrong = asyncio.run(run(web_function()))
    assert wrong == []
    assert wrong_lines(made, output.stdout.getvalue().splitlines()) == []


@pytest.mark.parametrize("entry", ["aws_lambda", "alibaba_fc"])
def test_nor_do_they_one_after_another_on_a_warm_instance(entry: Any) -> None:
    made = list(asks(CALLS // 10, 3))
    wrong = []
    with function(environment(ASGI)) as output:
        handler = load(entry).handler
        for asked in made:
            if entry == "aws_lambda":
                answer = handler(aws_event(URL, asked.request), aws_context(f"r-{asked.number}"))
            else:
                answer = handler(
                    fc_event(asked.request, encoded=bool(asked.number % 2)), fc_context(f"r-{asked.number}")
                )
            wrong += crossovers(asked, of_function(answer))
    assert wrong == []
    assert wrong_lines(made, output.stdout.getvalue().splitlines()) == []
