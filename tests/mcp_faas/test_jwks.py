"""A key set through outages, floods and rotations: a real server on loopback, and a clock of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from mcp_faas.auth.errors import KeysUnavailable
from mcp_faas.issuers.published import metadata_urls
from mcp_faas.jwks import KeySource
from support.jwts import jwk, key_set, rsa_key

# Promises of docs/jwt.md, written out: taken from the code they would follow it anywhere.
COOLDOWN_SECONDS, BURST = 30, 3
TRUST_SECONDS, STALE_SECONDS = 300, 24 * 3600
DOCUMENT_MAX_BYTES = 512 * 1024

FIRST, SECOND = jwk(rsa_key(), kid="first"), jwk(rsa_key(name="second"), kid="second")

pytestmark = pytest.mark.anyio


@dataclass
class Issuer:
    """A server that answers with whatever it is told to, and counts."""

    url: str = ""
    answers: dict[str, bytes] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)
    behave: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        while (await reader.readline()).strip():
            pass
        self.hits.append(path)
        try:
            if self.behave is not None:
                await self.behave(writer)
            else:
                body = self.answers.get(path)
                status = b"200 OK" if body is not None else b"404 Not Found"
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body or b""), body or b""))
                await writer.drain()
        except ConnectionError:
            pass  # the client has had enough, which is what some tests are about
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    made.answers = {
        "/.well-known/oauth-authorization-server": json.dumps(
            {"issuer": made.url, "jwks_uri": f"{made.url}/jwks"}
        ).encode(),
        "/jwks": key_set(FIRST),
    }
    try:
        yield made
    finally:
        server.close()


@dataclass
class Clock:
    """Goes as time goes, and further when a test says so."""

    now: float = field(default_factory=lambda: 1_000_000.0 - time.monotonic())

    def __call__(self) -> float:
        return self.now + time.monotonic()


def slowly(seconds: float, body: Callable[[], bytes]) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An issuer that is far away: what it says was so when it was asked."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        said = body()
        await asyncio.sleep(seconds)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        await writer.drain()

    return behave


async def knows(source: KeySource, kid: str) -> bool:
    return kid in [key.kid for key in (await source.keys_for(kid, "RS256")).keys]


async def test_keys_are_found_through_the_issuers_metadata() -> None:
    async with issuer() as server:
        assert await knows(KeySource(server.url), "first")
        assert server.hits == ["/.well-known/oauth-authorization-server", "/jwks"]


async def test_issuer_with_openid_metadata_alone() -> None:
    async with issuer() as server:
        server.answers["/.well-known/openid-configuration"] = server.answers.pop(
            "/.well-known/oauth-authorization-server"
        )
        assert await knows(KeySource(server.url), "first")


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        (
            "https://i.example",
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
        ),
        (
            "https://i.example/t/",
            [
                "/.well-known/oauth-authorization-server/t",
                "/t/.well-known/openid-configuration",
                "/.well-known/openid-configuration/t",
            ],
        ),
    ],
)
async def test_where_metadata_is_looked_for(text: str, urls: list[str]) -> None:
    assert metadata_urls(text) == [f"https://i.example{url}" for url in urls]


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://other.example"},
        {"jwks_uri": "https://169.254.169.254/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
)
async def test_metadata_that_leads_elsewhere_is_not_followed(change: dict[str, object]) -> None:
    async with issuer() as server:
        document = {"issuer": server.url, "jwks_uri": f"{server.url}/jwks", **change}
        server.answers["/.well-known/oauth-authorization-server"] = json.dumps(document).encode()
        with pytest.raises(KeysUnavailable):
            await KeySource(server.url).keys_for("first", "RS256")
        assert "/jwks" not in server.hits


async def test_redirect_is_not_followed_even_to_the_issuer_itself() -> None:
    async with issuer() as server:
        server.answers["/moved"] = key_set(FIRST)
        server.behave = answer(b"HTTP/1.1 302 Found\r\nLocation: /moved\r\nContent-Length: 0\r\n\r\n")
        with pytest.raises(KeysUnavailable):
            await KeySource(server.url, jwks_url=f"{server.url}/jwks").keys_for("first", "RS256")
        assert server.hits == ["/jwks"]


async def test_good_set_that_is_too_large_is_refused() -> None:
    async with issuer() as server:
        server.answers["/jwks"] = key_set(FIRST) + b" " * DOCUMENT_MAX_BYTES
        with pytest.raises(KeysUnavailable):
            await KeySource(server.url, jwks_url=f"{server.url}/jwks").keys_for("first", "RS256")


async def test_one_fetch_serves_many_callers() -> None:
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks")
        assert all(await asyncio.gather(*(knows(source, "first") for _ in range(50))))
        assert server.hits == ["/jwks"]


@pytest.mark.parametrize("state", ["up", "down", "hanging"])
async def test_unknown_kids_cost_one_fetch_in_thirty_seconds(state: str) -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        server.hits.clear()
        if state == "down":
            server.answers.clear()
        if state == "hanging":
            server.behave = hang
        began = time.monotonic()
        for flood in range(4):
            waits = asyncio.gather(*(source.keys_for(f"unknown-{flood}-{n}", "RS256") for n in range(100)))
            if state == "hanging":
                # A known key is served meanwhile.
                await asyncio.sleep(0)
                asked = time.monotonic()
                assert await knows(source, "first")
                assert time.monotonic() - asked < 0.5
            await waits
            clock.now += 1
        assert 1 <= len(server.hits) <= BURST
        assert time.monotonic() - began < 5 * BURST


@pytest.mark.parametrize("state", ["up", "down"])
async def test_flood_that_goes_on_costs_one_fetch_in_thirty_seconds(state: str) -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        server.hits.clear()
        if state == "down":
            server.answers.clear()
        for second in range(10 * COOLDOWN_SECONDS):
            clock.now += 1
            await source.keys_for(f"unknown-{second}", "RS256")
        assert 10 <= len(server.hits) <= 10 + BURST


async def test_set_is_fetched_again_beside_the_calls() -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        clock.now += 235
        assert await knows(source, "first")
        await asyncio.sleep(0.3)
        assert len(server.hits) == 1
        clock.now += 6
        assert await knows(source, "first")
        until = time.monotonic() + 10
        while len(server.hits) == 1:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)


async def test_clock_that_goes_back_makes_a_set_too_young_to_be_true() -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        server.answers["/jwks"] = key_set(SECOND)
        clock.now -= 3600
        assert not await knows(source, "first")


async def test_key_that_is_asked_for_during_a_fetch_gets_one_of_its_own() -> None:
    """The fetch under way may have left before the key was published."""
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        bodies = [key_set(FIRST), key_set(FIRST, SECOND)]
        server.behave = slowly(0.5, lambda: bodies.pop(0))
        clock.now += 241
        assert await knows(source, "first")
        until = time.monotonic() + 10
        while len(bodies) == 2:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        assert await knows(source, "second")


async def test_strangers_do_not_use_up_what_keeps_the_known_keys_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_faas.jwks.PATIENCE_SECONDS", 5)  # a busy machine is not what this is about
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        clock.now += TRUST_SECONDS + 1
        server.answers.clear()
        for _ in range(BURST + 1):
            assert not await knows(source, "unknown")
        server.answers["/jwks"] = key_set(SECOND)
        assert not await knows(source, "first"), "removed, and heard of at once"


async def test_without_any_set_a_few_attempts_come_at_once() -> None:
    """An issuer that is back a moment after a cold start must not cost its callers half a minute."""
    clock = Clock()
    async with issuer() as server:
        good = server.answers.pop("/jwks")
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        for _ in range(BURST + 5):
            with pytest.raises(KeysUnavailable):
                await source.keys_for("first", "RS256")
        assert len(server.hits) == BURST
        server.answers["/jwks"] = good
        clock.now += COOLDOWN_SECONDS
        assert await knows(source, "first")


async def test_new_key_is_usable_at_its_first_use() -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        server.answers["/jwks"] = key_set(FIRST, SECOND)
        assert await knows(source, "second")


async def test_removed_key_is_gone_after_the_time_of_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_faas.jwks.PATIENCE_SECONDS", 5)
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        server.answers["/jwks"] = key_set(SECOND)
        clock.now += TRUST_SECONDS + 1
        assert not await knows(source, "first")


async def test_outage_is_survived_until_the_stale_limit() -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", clock=clock)
        assert await knows(source, "first")
        server.answers.clear()
        for _ in range(24):
            clock.now += STALE_SECONDS / 24 - 1
            assert await knows(source, "first")
        clock.now += 60
        with pytest.raises(KeysUnavailable):
            await source.keys_for("first", "RS256")
        server.answers["/jwks"] = key_set(FIRST)
        clock.now += COOLDOWN_SECONDS
        assert await knows(source, "first")


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.2)


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(2048):
        writer.write(b" " * 1024 * 1024)
        await writer.drain()


def answer(raw: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return send


OK = b"HTTP/1.1 200 OK\r\n\r\n"
TROUBLE: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    "hang": hang,
    "slow drip": drip,
    "2 GB": flood,
    "nothing": answer(b""),
    "not HTTP": answer(b"\x00\x01\x02\r\n\r\n"),
    "500": answer(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
    "HTML": answer(OK + b"<html>"),
    "not UTF-8": answer(OK + b"\xff\xfe"),
    "truncated": answer(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
    "list": answer(OK + b"[]"),
    "no keys": answer(OK + b'{"keys": []}'),
    "keys null": answer(OK + b'{"keys": null}'),
    "deep": answer(OK + b"[" * 200_000),
    "redirect": answer(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"),
    "gzip": answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"),
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
async def test_every_trouble_is_one_refusal_within_five_seconds(
    trouble: Callable[[asyncio.StreamWriter], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    async with issuer() as server:
        server.behave = trouble
        began = time.monotonic()
        with pytest.raises(KeysUnavailable):
            await KeySource(server.url, jwks_url=f"{server.url}/jwks").keys_for("first", "RS256")
        assert time.monotonic() - began < 5
        assert "could not be loaded" in caplog.text


async def test_nobody_listens() -> None:
    async with issuer() as server:
        url = server.url
    with pytest.raises(KeysUnavailable):
        await KeySource(url).keys_for("first", "RS256")


async def test_fixed_set_is_never_fetched() -> None:
    async with issuer() as server:
        assert await knows(KeySource(server.url, jwks=key_set(FIRST)), "first")
        assert not await knows(KeySource(server.url, jwks=key_set(FIRST)), "second")
        assert server.hits == []


async def test_caller_that_gives_up_leaves_the_fetch_to_the_others() -> None:
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks")
        first = asyncio.ensure_future(source.keys_for("first", "RS256"))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(knows(source, "first"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second


# An event function stands still between calls: its loop, its timers and its sockets.


def one_call(loop: asyncio.AbstractEventLoop, source: KeySource, kid: str) -> bool:
    return loop.run_until_complete(asyncio.wait_for(knows(source, kid), 5))


async def test_event_function_hears_of_a_removed_key_in_time(anyio_backend: str) -> None:
    """The issuer answers in a tenth of a second, and no fetch outlives the call that it began in."""
    clock, frozen = Clock(), asyncio.new_event_loop()
    async with issuer() as server:
        server.behave = slowly(0.1, lambda: server.answers["/jwks"])
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", background=False, clock=clock)
        server.answers["/jwks"] = key_set(FIRST, SECOND)
        assert await asyncio.to_thread(one_call, frozen, source, "first")
        server.answers["/jwks"] = key_set(SECOND)
        told = []
        for _ in range(10):  # a call a minute, and the instance stands still in between
            clock.now += 60
            told.append(await asyncio.to_thread(one_call, frozen, source, "first"))
            await asyncio.to_thread(one_call, frozen, source, "second")
        assert told[-1] is False
        assert told.index(False) <= 5
        server.answers["/jwks"] = key_set(FIRST, SECOND)
        clock.now += COOLDOWN_SECONDS
        assert await asyncio.to_thread(one_call, frozen, source, "first"), "a new key works at its first use"
    frozen.close()


@pytest.mark.parametrize("apart_seconds", [120, 3600])
async def test_event_function_hears_of_a_removed_key_from_a_slow_issuer(apart_seconds: int, anyio_backend: str) -> None:
    """A fetch that takes longer than one call waits, and never goes on in between: the second old call ends it."""
    clock, frozen = Clock(), asyncio.new_event_loop()
    async with issuer() as server:
        server.behave = slowly(0.7, lambda: server.answers["/jwks"])
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", background=False, clock=clock)
        server.answers["/jwks"] = key_set(FIRST, SECOND)
        assert await asyncio.to_thread(one_call, frozen, source, "first")
        server.answers["/jwks"] = key_set(SECOND)
        told = []
        for _ in range(5):
            clock.now += apart_seconds
            told.append(await asyncio.to_thread(one_call, frozen, source, "first"))
        assert told.index(False) <= (300 // apart_seconds) + 1
    frozen.close()


@pytest.mark.parametrize("background", [True, False])
async def test_known_key_answers_while_the_issuer_hangs(background: bool) -> None:
    clock = Clock()
    async with issuer() as server:
        source = KeySource(server.url, jwks_url=f"{server.url}/jwks", background=background, clock=clock)
        assert await knows(source, "first")
        server.behave = hang
        for attempt in range(3):
            clock.now += TRUST_SECONDS + 1
            # In an event function one call in a cool-down has more patience, once another has waited in vain.
            for limit in (0.5 if background or attempt == 0 else 2.5, 0.5):
                asked = time.monotonic()
                assert await knows(source, "first")
                assert time.monotonic() - asked < limit


async def test_answer_that_was_compressed_unasked_is_refused() -> None:
    import gzip

    body = gzip.compress(key_set(FIRST))
    async with issuer() as server:
        server.behave = answer(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        with pytest.raises(KeysUnavailable):
            await KeySource(server.url, jwks_url=f"{server.url}/jwks").keys_for("first", "RS256")
