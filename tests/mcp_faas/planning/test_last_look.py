"""What may be written over what, whatever was planned: one good change, and each thing that it must not take back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mcp_faas.planning.last_look import check_step, continues
from mcp_faas.planning.vocabulary import PlanRefused
from mcp_faas.tokens import DocumentError, Token, TokenDocument, marks, mint

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def ours(age: timedelta, *, enabled: bool = True, entry: dict[str, Any] | None = None, **said: timedelta) -> Token:
    token = mint(NOW - age)
    known = marks(token.name)
    assert known
    times: dict[str, Any] = {mark: NOW - since for mark, since in said.items()}
    return Token(replace(known, **times).name(), enabled, token.data, entry or {})


def renamed(token: Token, *, enabled: bool | None = None, **said: Any) -> Token:
    known = marks(token.name)
    assert known
    return replace(token, name=replace(known, **said).name(), enabled=token.enabled if enabled is None else enabled)


FOREIGN = Token("printer", True, "foreign-" + "v" * 40, {"note": [1]})
GONE = ours(60 * DAY, enabled=False, delivered=60 * DAY, disabled=HOUR)
OLD = ours(40 * DAY, delivered=40 * DAY, held=2 * DAY, entry={"x": 1})
CURRENT = ours(9 * DAY, delivered=8 * DAY)
BEFORE = TokenDocument((FOREIGN, GONE, OLD, CURRENT), {"kept": {"deep": 1}, "tokens": []})


def with_(*tokens: Token) -> TokenDocument:
    return replace(BEFORE, tokens=tokens)


FORWARD: dict[str, TokenDocument] = {
    "nothing": BEFORE,
    "one more": BEFORE.adding(ours(HOUR)),
    "disabled": with_(FOREIGN, GONE, renamed(OLD, disabled=NOW, enabled=False), CURRENT),
    "deleted when disabled": with_(FOREIGN, OLD, CURRENT),
    "held later": with_(FOREIGN, GONE, renamed(OLD, held=NOW), CURRENT),
    "revoked": with_(FOREIGN, GONE, OLD, renamed(CURRENT, revoked=NOW)),
    "delivered again": with_(FOREIGN, GONE, renamed(OLD, delivered=NOW), CURRENT),
}

BACK: dict[str, TokenDocument] = {
    "a foreign token is gone": with_(GONE, OLD, CURRENT),
    "a foreign token is disabled": with_(replace(FOREIGN, enabled=False), GONE, OLD, CURRENT),
    "a foreign token is new": BEFORE.adding(replace(FOREIGN, name="fax", data="other-" + "w" * 40)),
    "a token is gone that was enabled": with_(FOREIGN, GONE, CURRENT),
    "a token is enabled again": with_(FOREIGN, replace(GONE, enabled=True), OLD, CURRENT),
    "a mark is gone": with_(FOREIGN, GONE, renamed(OLD, held=None), CURRENT),
    "a mark is older": with_(FOREIGN, GONE, renamed(OLD, held=NOW - 3 * DAY), CURRENT),
    "one is disabled that a client was just found with": with_(
        FOREIGN, GONE, renamed(OLD, held=NOW, disabled=NOW, enabled=False), CURRENT
    ),
    "one is disabled that was just delivered": with_(
        FOREIGN, GONE, renamed(OLD, delivered=NOW, disabled=NOW, enabled=False), CURRENT
    ),
    "a token has a name of no kind": with_(FOREIGN, GONE, OLD, replace(CURRENT, name="mine")),
    "two more": BEFORE.adding(ours(HOUR)).adding(ours(2 * HOUR)),
    "one more that is older than the newest": BEFORE.adding(ours(10 * DAY)),
    "one more that is delivered already": BEFORE.adding(ours(HOUR, delivered=HOUR)),
    "a setting beside the tokens": replace(BEFORE, rest={"kept": {"deep": 2}}),
    "a setting of a token": with_(FOREIGN, GONE, replace(OLD, entry={"x": 2}), CURRENT),
}


@pytest.mark.parametrize("after", FORWARD.values(), ids=FORWARD.keys())
def test_what_only_adds_to_the_story_may_be_written(after: TokenDocument) -> None:
    assert continues(BEFORE, after)


@pytest.mark.parametrize("after", BACK.values(), ids=BACK.keys())
def test_what_takes_something_back_may_not(after: TokenDocument) -> None:
    assert not continues(BEFORE, after)


def test_the_first_token_of_all_may_be_written() -> None:
    assert continues(TokenDocument(), TokenDocument((ours(HOUR),), {"tokens": []}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda: replace(BEFORE, rest={}), "a setting beside the tokens"),
        (lambda: with_(FOREIGN, GONE, replace(OLD, entry={}), CURRENT), f"a setting of {OLD.name}"),
        (lambda: with_(replace(FOREIGN, data="****"), GONE, OLD, CURRENT), "did not make"),
        (lambda: with_(FOREIGN, GONE, OLD, CURRENT, replace(ours(HOUR), data="****")), "did not make"),
        (lambda: with_(FOREIGN, GONE, OLD, CURRENT, CURRENT), "the same name"),
    ],
    ids=["rest", "entry", "foreign", "new", "twice"],  # a name says when this run was, and no two runs would be alike
)
def test_a_step_that_would_lose_something_is_refused(change: Callable[[], TokenDocument], why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        check_step(BEFORE, change())
    check_step(BEFORE, BEFORE)


def test_a_document_that_lets_nobody_in_may_stay_so() -> None:
    closed = TokenDocument((replace(FOREIGN, enabled=False),))
    check_step(closed, closed)
    with pytest.raises(PlanRefused, match="no enabled token"):
        check_step(TokenDocument((OLD,)), TokenDocument())
