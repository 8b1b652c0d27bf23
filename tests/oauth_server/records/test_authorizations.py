"""An authorization request on its way through a browser: every step once, in order, in that browser, in time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorization_server.records import Refused, dump, parse
from authorization_server.records.authorizations import Authorization, awaits, decide, finish
from authorization_server.records.handles import digest

NOW = 1_795_000_000
BROWSER, OTHER, LOGIN, WRONG = (digest(name) for name in ("browser", "other", "login", "wrong"))
SHOWN = Authorization(
    client_id="client",
    redirect_uri="https://client.example.com/callback",
    redirect_uri_asked=True,
    code_challenge="c" * 43,
    resource="https://mcp.example.com/mcp",
    scopes=("read",),
    browser=BROWSER,
    expires_at=NOW + 600,
    state="the client's",
)


def reason(outcome: Authorization | Refused) -> str:
    assert isinstance(outcome, Refused)
    assert outcome.error == "invalid_request"
    return outcome.reason


def approved() -> Authorization:
    _, outcome = decide(SHOWN, BROWSER, LOGIN, NOW)
    assert isinstance(outcome, Authorization)
    return outcome


def test_approved_then_finished() -> None:
    assert approved().stage == "approved"
    after, outcome = finish(approved(), BROWSER, LOGIN, NOW)
    assert after == outcome
    assert isinstance(outcome, Authorization)
    assert outcome.stage == "finished"
    assert (outcome.client_id, outcome.state, outcome.scopes) == ("client", "the client's", ("read",))


def test_a_state_is_used_once() -> None:
    after, _ = finish(approved(), BROWSER, LOGIN, NOW)
    again, outcome = finish(after, BROWSER, LOGIN, NOW)
    assert again is after
    assert reason(outcome) == "login_state_used_before"


def test_nothing_comes_back_before_somebody_has_agreed() -> None:
    assert reason(finish(SHOWN, BROWSER, LOGIN, NOW)[1]) == "login_state_wrong"
    denied, outcome = decide(SHOWN, BROWSER, None, NOW)
    assert isinstance(outcome, Authorization)
    assert outcome.stage == "denied"
    assert reason(finish(denied, BROWSER, LOGIN, NOW)[1]) == "login_state_wrong"


@pytest.mark.parametrize("login", [LOGIN, None], ids=["approve", "deny"])
def test_a_decision_is_made_once(login: str | None) -> None:
    decided, _ = decide(SHOWN, BROWSER, login, NOW)
    for again in (WRONG, None):
        after, outcome = decide(decided, BROWSER, again, NOW)
        assert after is decided
        assert reason(outcome) == "authorization_decided_before"


@pytest.mark.parametrize("browser", [OTHER, None, ""])
def test_another_browser_takes_no_step(browser: str | None) -> None:
    assert reason(decide(SHOWN, browser, LOGIN, NOW)[1]) == "authorization_of_another_browser"
    assert reason(finish(approved(), browser, LOGIN, NOW)[1]) == "authorization_of_another_browser"
    assert decide(SHOWN, browser, LOGIN, NOW)[0] is SHOWN


def test_ten_minutes_are_all_there_is() -> None:
    assert isinstance(finish(approved(), BROWSER, LOGIN, NOW + 599)[1], Authorization)
    assert reason(decide(SHOWN, BROWSER, LOGIN, NOW + 600)[1]) == "authorization_expired"
    assert reason(finish(approved(), BROWSER, LOGIN, NOW + 600)[1]) == "authorization_expired"
    assert SHOWN.keep_until == NOW + 600


def test_a_look_uses_nothing_up() -> None:
    assert awaits(approved(), BROWSER, LOGIN, NOW) == approved()
    assert isinstance(awaits(approved(), BROWSER, WRONG, NOW), Refused)
    assert reason(awaits(None, BROWSER, LOGIN, NOW)) == "authorization_unknown"
    assert decide(None, BROWSER, LOGIN, NOW)[0] is None


STEPS = st.tuples(
    st.sampled_from(["approve", "deny", "finish"]), st.sampled_from([BROWSER, OTHER]), st.sampled_from([LOGIN, WRONG])
)


@given(st.lists(STEPS, max_size=8))
def test_who_finishes_has_approved_before_in_the_same_browser(steps: list[tuple[str, str, str]]) -> None:
    record: Authorization | None = SHOWN
    decided_by: tuple[str, str] | None = None
    finished = 0
    for name, browser, login in steps:
        if name == "finish":
            record, outcome = finish(record, browser, login, NOW)
            if isinstance(outcome, Authorization):
                finished += 1
                assert decided_by == ("approve", login)
                assert browser == BROWSER
        else:
            record, outcome = decide(record, browser, login if name == "approve" else None, NOW)
            if isinstance(outcome, Authorization):
                assert decided_by is None
                assert browser == BROWSER
                decided_by = (name, login)
    assert finished <= 1
    assert record is not None
    assert parse(Authorization, json.loads(json.dumps(dump(record)))) == record
