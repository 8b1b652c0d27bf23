"""A token counts only if status, challenge and reason are as promised, a login only if every step was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clients.header_proxy import Exchange
from clients.issuers.cases import LET_IN, TOO_LITTLE, Expected, Heard, complaints_of_a_login, complaints_of_a_token
from clients.visits import Outcome

METADATA = "http://127.0.0.1:1/.well-known/oauth-protected-resource/mcp"
EXPIRED = Expected("token_expired")
REFUSED = Heard(401, "token_expired", ("invalid_token", "invalid_token"), (METADATA, METADATA))


def test_what_was_promised_is_no_complaint() -> None:
    assert list(complaints_of_a_token(EXPIRED, REFUSED, METADATA)) == []
    assert list(complaints_of_a_token(LET_IN, Heard(200, "ok"), METADATA)) == []
    scope = Heard(403, "scope_missing", ("insufficient_scope",) * 2, (METADATA, METADATA))
    assert list(complaints_of_a_token(TOO_LITTLE, scope, METADATA)) == []


@pytest.mark.parametrize(
    ("expected", "heard", "told"),
    [
        (EXPIRED, Heard(200, "ok"), "was answered 200 (ok), and not 401 (token_expired)"),
        (
            EXPIRED,
            replace(REFUSED, reason="issuer_mismatch"),
            "was answered 401 invalid_token (issuer_mismatch), and not 401 (token_expired)",
        ),
        (LET_IN, REFUSED, "was answered 401 invalid_token (token_expired), and not 200 (ok)"),
        (
            EXPIRED,
            replace(REFUSED, errors=("invalid_token", None)),
            "was told invalid_token and None, and not invalid_token in header and body",
        ),
        (
            EXPIRED,
            replace(REFUSED, metadata=(METADATA, "http://elsewhere.example")),
            f"was sent to {METADATA} and http://elsewhere.example for the metadata",
        ),
    ],
    ids=["let in", "for another reason", "refused", "no error in the body", "other metadata"],
)
def test_what_was_not_promised_is_told(expected: Expected, heard: Heard, told: str) -> None:
    assert list(complaints_of_a_token(expected, heard, METADATA)) == [told]


CALL = Exchange("POST", "/mcp", None, authorized=False, status=401)
WIRE = [
    CALL,
    Exchange("GET", "/.well-known/oauth-protected-resource/mcp", None, authorized=False, status=200),
    replace(CALL, authorized=True, status=200),
]
REGISTERED = Exchange("POST", "/reg", None, authorized=False, status=201)
ASKED = Exchange("GET", "/auth", None, authorized=False, status=303)
GIVEN = Exchange("POST", "/token", None, authorized=False, status=200)
ISSUER_WIRE = [REGISTERED, ASKED, GIVEN]
SERVED = Outcome(tools=("add", "countdown"), answer="5.0", scoped="12:00:00 UTC, after 0 s")


def test_a_whole_login_is_no_complaint() -> None:
    assert list(complaints_of_a_login(SERVED, WIRE, ISSUER_WIRE, step_up=False)) == []
    assert list(complaints_of_a_login(SERVED, WIRE, [*ISSUER_WIRE, GIVEN], step_up=True)) == []


@pytest.mark.parametrize(
    ("outcome", "wire", "issuer_wire", "told"),
    [
        (replace(SERVED, error="exit 1"), WIRE, ISSUER_WIRE, "exit 1"),
        (replace(SERVED, answer="6"), WIRE, ISSUER_WIRE, "listed add, countdown, and add answered 6"),
        (SERVED, WIRE[1:], ISSUER_WIRE, "its first call was not refused with 401"),
        (SERVED, [replace(CALL, status=200), *WIRE[1:]], ISSUER_WIRE, "its first call was not refused with 401"),
        (SERVED, [WIRE[0], WIRE[2]], ISSUER_WIRE, "never read the metadata of the resource"),
        (SERVED, WIRE, [ASKED, GIVEN], "never came to POST /reg at the issuer"),
        (SERVED, WIRE, [REGISTERED, GIVEN], "never came to GET /auth at the issuer"),
        (SERVED, WIRE, [*ISSUER_WIRE, GIVEN], "was given 2 tokens, and not 1"),
        (replace(SERVED, scoped="no answer"), WIRE, ISSUER_WIRE, "did not get the scope of countdown: no answer"),
    ],
    ids=["error", "answer", "token at once", "open door", "no metadata", "registration", "login", "tokens", "scope"],
)
def test_a_step_that_is_missing_is_told(
    outcome: Outcome, wire: list[Exchange], issuer_wire: list[Exchange], told: str
) -> None:
    assert list(complaints_of_a_login(outcome, wire, issuer_wire, step_up=False)) == [told]


def test_a_step_up_takes_a_second_token() -> None:
    told = list(complaints_of_a_login(SERVED, WIRE, ISSUER_WIRE, step_up=True))
    assert told == ["was given 1 tokens, and not 2"]
