"""Many at once, or one after another, at the endpoints: of all who present one code, one gets tokens, and so on.

A sample by default; MCP_REDEMPTIONS=1000 runs so many rounds of each, here and in storage/test_contract.py, which says
how.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authorization_server import keeping
from authorization_server.keeping import keep
from authorization_server.records import handles
from authorization_server.records.grants import Grant
from authorization_server.storage import Json, Stored
from authorization_server.storage.sqlite import SqliteStorage
from authorizing.world import CHALLENGE, NOON, PASSPHRASE, World, fields

AT_ONCE = 50
ARRIVAL_SECONDS = 60
ROUNDS = int(os.environ.get("MCP_REDEMPTIONS", "20"))
IN_A_ROW = int(os.environ.get("MCP_REDEMPTIONS", "60"))
WHERE = "http://127.0.0.1:1234/callback"


class Contest(SqliteStorage):
    """All who are at it have read before the first of them writes. Left to themselves, nearly none is ever too late."""

    _start: threading.Barrier | None = None

    def begin(self) -> None:
        self._start = threading.Barrier(AT_ONCE, self._run)

    def _run(self) -> None:
        self._start = None  # who was too late writes again, and waits for nobody

    def replace(self, kind: str, key: str, stored: Stored, record: Mapping[str, Json], expires_at: int) -> bool:
        if self._start is not None:
            self._start.wait(ARRIVAL_SECONDS)
        return super().replace(kind, key, stored, record, expires_at)


@pytest.fixture
def contest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contest:
    monkeypatch.setattr(keeping, "LONGEST_PAUSE_SECONDS", 0.005)  # the losers meet again the sooner
    return Contest(str(tmp_path / "store.sqlite"), lambda: NOON)


@pytest.fixture
def world(tmp_path: Path, contest: Contest) -> World:
    return World(tmp_path, storage=contest)


def code(world: World) -> str:
    """A new one, as a login leaves it."""
    made, now = handles.mint("code"), int(world.now)
    grant = Grant(
        client_id="desktop",
        subject="dev",
        resource=world.resource,
        scopes=("mcp:tools",),
        auth_time=now,
        redirect_uri=WHERE,
        redirect_uri_asked=True,
        code_challenge=CHALLENGE,
        code=made.digest,
        code_expires_at=now + 60,
        expires_at=now + 86400,
        given_at=now,
        marks=("user:dev",),
    )
    assert keep(world.storage, made.key, grant)
    return made.text


def redeemed(world: World) -> str:
    """A refresh token."""
    token: str = (world.redeem(code(world), "desktop", redirect_uri=WHERE).json or {})["refresh_token"]
    return token


def refreshed(world: World, token: str) -> str | None:
    """The next one, or None if there is none to be had."""
    answer = world.refresh(token)
    assert answer.status_code == 200 or (answer.json or {})["error"] == "invalid_grant", answer.text
    return (answer.json or {}).get("refresh_token")


@pytest.mark.timeout(7200)
def test_one_code_and_fifty_who_have_it(world: World, contest: Contest, cases: Counter[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(ROUNDS):
            shown = code(world) if number else world.code(client_id="desktop", redirect_uri=WHERE)
            contest.begin()
            answers = list(
                pool.map(lambda _, shown=shown: world.redeem(shown, "desktop", redirect_uri=WHERE), range(AT_ONCE))
            )
            assert Counter(answer.status_code for answer in answers) == {200: 1, 400: AT_ONCE - 1}
            assert {(answer.json or {}).get("error") for answer in answers} == {None, "invalid_grant"}
            (won,) = [answer.json or {} for answer in answers if answer.status_code == 200]
            assert refreshed(world, won["refresh_token"]) is None, "the code was used twice"
            cases[f"codes at /token, {AT_ONCE} at once"] += 1


@pytest.mark.timeout(7200)
def test_refresh_token_that_was_replaced_is_used_again(world: World, cases: Counter[str]) -> None:
    for number in range(IN_A_ROW):
        first = redeemed(world)
        second = refreshed(world, first)
        assert second
        third = refreshed(world, second)
        assert third
        dead, living = first, third
        if number % 2:  # the one before the newest is still good, and its use makes the newest a dead one
            dead, living = third, refreshed(world, second) or ""
            assert living
        assert refreshed(world, dead) is None
        assert refreshed(world, living) is None
        cases["refresh tokens used again at /token"] += 1


@pytest.mark.timeout(7200)
def test_answer_that_was_lost_locks_nobody_out(world: World, cases: Counter[str]) -> None:
    for number in range(IN_A_ROW):
        token = redeemed(world)
        for _ in range(1 + number % 3):
            assert refreshed(world, token), "an answer that reaches nobody"
        again = refreshed(world, token)
        assert again
        assert refreshed(world, again)
        cases["answers of /token lost"] += 1


def post_at_once(world: World, path: str, form: dict[str, str], cookies: list[str]) -> Counter[int]:
    """The same form from many copies of one browser."""

    def post(_: int) -> int:
        browser = world.browser()
        for cookie in cookies:
            name, value = cookie.split(";")[0].split("=", 1)
            browser.set_cookie(name, value, domain="127.0.0.1")
        return browser.post(path, data=form).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(post, range(AT_ONCE)))


def test_one_consent_and_one_login_given_many_times(world: World, contest: Contest) -> None:
    browser = world.browser()
    page = world.ask(browser)
    cookies = page.headers.getlist("Set-Cookie")
    consent = {**fields(page.text), "decision": "allow"}
    contest.begin()
    assert post_at_once(world, "/authorize", consent, cookies) == {303: 1, 400: AT_ONCE - 1}
    page = world.ask(browser)
    agreed = world.decide(browser, page.text)
    cookies = [*page.headers.getlist("Set-Cookie"), *agreed.headers.getlist("Set-Cookie")]
    login = {**fields(browser.get(agreed.location).text), "username": "dev", "password": PASSPHRASE}
    contest.begin()
    assert post_at_once(world, "/authorize/login", login, cookies) == {303: 1, 400: AT_ONCE - 1}
