"""A visit counts only if the wire agrees with the client: one broken thing per case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clients.header_proxy import Exchange
from clients.verdict import complaints_of_a_guest, complaints_of_a_stranger
from clients.visits import Outcome, Visit, visits

VISIT: Visit = next(visit for visit in visits("aws") if visit.modern)
CALL = Exchange("POST", "/mcp", "2026-07-28", authorized=True, status=200)
WIRE = [CALL, replace(CALL, status=403)]
LET_IN = Outcome(tools=("add", "roll"), answer="5.0", scoped="Insufficient scope")
REFUSED = Outcome(error="401 Unauthorized")
STRANGER = Exchange("POST", "/mcp", None, authorized=False, status=401)


def test_a_guest_that_was_served_is_no_complaint() -> None:
    assert list(complaints_of_a_guest(VISIT, LET_IN, WIRE)) == []


@pytest.mark.parametrize(
    ("outcome", "wire", "told"),
    [
        (replace(LET_IN, error="exit 1"), WIRE, "exit 1"),
        (replace(LET_IN, tools=("roll",)), WIRE, "listed roll, and not add"),
        (replace(LET_IN, answer="23"), WIRE, "add answered 23, and not 5"),
        (LET_IN, [CALL], "a tool beyond the token's scopes was not refused with 403"),
        (
            LET_IN,
            [replace(call, version="2025-11-25") for call in WIRE],
            f"spoke 2025-11-25 where {VISIT.era} was asked for",
        ),
    ],
    ids=["error", "no tool", "wrong answer", "no 403", "older revision"],
)
def test_a_guest_that_was_not_served_is_told(outcome: Outcome, wire: list[Exchange], told: str) -> None:
    assert list(complaints_of_a_guest(VISIT, outcome, wire)) == [told]


def test_a_refused_stranger_is_no_complaint() -> None:
    metadata = replace(STRANGER, method="GET", path="/.well-known/oauth-protected-resource", status=200)
    assert list(complaints_of_a_stranger(REFUSED, [STRANGER, metadata])) == []


def test_a_stranger_that_hangs_up_on_its_second_request_is_no_complaint() -> None:
    assert list(complaints_of_a_stranger(REFUSED, [STRANGER, replace(STRANGER, status=0)])) == []


@pytest.mark.parametrize(
    ("outcome", "wire", "told"),
    [
        (LET_IN, [STRANGER], "was let in without a token"),
        (REFUSED, [], "never asked without a token"),
        (REFUSED, [replace(STRANGER, authorized=True)], "had a token where it should have none"),
        (REFUSED, [replace(STRANGER, status=0, authorized=True), STRANGER], "had a token where it should have none"),
        (REFUSED, [replace(STRANGER, status=200)], "without a token POST /mcp was answered 200"),
        (REFUSED, [replace(STRANGER, status=0)], "was never answered without a token"),
        (
            REFUSED,
            [replace(STRANGER, path="/messages/", status=202)],
            "without a token POST /messages/ was answered 202",
        ),
    ],
    ids=["let in", "did not ask", "token", "token, no answer", "served", "no answer", "message served"],
)
def test_a_stranger_that_was_served_is_told(outcome: Outcome, wire: list[Exchange], told: str) -> None:
    assert list(complaints_of_a_stranger(outcome, wire)) == [told]


def test_every_client_comes_to_every_cloud() -> None:
    assert {visit.client for visit in visits("aws")} == {visit.client for visit in visits("fc")}
    assert all(visit.transport == "http" for visit in visits("aws"))
