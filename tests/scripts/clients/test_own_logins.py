"""A client's way through door oauth counts only if the servers' own lines have every step of it, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clients.own_clients import LOGIN, REFRESH, REGISTERED, Login, remote
from clients.own_logins import complaints
from clients.visits import Outcome

DOCUMENT = "https://127.0.0.1:1/client.json"
IN = Outcome(answer="5", discovered=("/metadata 200",))
BY_REGISTRATION = Login(
    *("somebody", "package", "registered", (*REGISTERED, REFRESH), remote), expires=True, discovered=("/metadata 200",)
)
BY_DOCUMENT = Login("somebody", "package", "document", (*LOGIN, REFRESH), remote, by_document=True)
OLD = {"ok", "token_expired"}


def lines(login: Login, client: str | None = None) -> list[Mapping[str, Any]]:
    """What the authorization server says when all goes as it should; its login form names no client."""
    found = client or (DOCUMENT if login.by_document else "client-1")
    form = "GET /authorize/login"
    return [
        {"method": step, "decision": "allow", "client": None if step == form else found, "reason": "ok"}
        for step in login.steps
    ]


@pytest.mark.parametrize("login", [BY_REGISTRATION, BY_DOCUMENT])
def test_the_whole_way_is_no_complaint(login: Login) -> None:
    document = DOCUMENT if login.by_document else None
    assert list(complaints(login, document, IN, lines(login), OLD)) == []


def test_a_client_that_got_no_answer() -> None:
    told = list(complaints(BY_REGISTRATION, None, replace(IN, answer=None, error="lost"), lines(BY_REGISTRATION), OLD))
    assert told == ["no answer: lost"]


def test_a_second_login_in_place_of_a_refresh() -> None:
    again = [*lines(BY_DOCUMENT), *lines(BY_DOCUMENT)]
    (told,) = complaints(BY_DOCUMENT, DOCUMENT, IN, again, OLD)
    assert told.startswith("the way was another one: GET /authorize, ")


def test_a_step_that_was_refused() -> None:
    refused = [*lines(BY_DOCUMENT)[:-1], {**lines(BY_DOCUMENT)[-1], "decision": "deny"}]
    (told,) = complaints(BY_DOCUMENT, DOCUMENT, IN, refused, OLD)
    assert told.endswith("POST /token, POST /token refused")


def test_another_client_than_the_document_s() -> None:
    assert list(complaints(BY_DOCUMENT, DOCUMENT, IN, lines(BY_DOCUMENT, "client-1"), OLD)) == [
        "the client was client-1"
    ]


def test_a_token_that_nobody_refused_for_its_age() -> None:
    told = list(complaints(BY_REGISTRATION, None, IN, lines(BY_REGISTRATION), {"ok"}))
    assert told == ["no token was refused for its age"]


def test_other_metadata_than_that_of_the_revision() -> None:
    looked = replace(IN, discovered=("/metadata 404",))
    assert list(complaints(BY_REGISTRATION, None, looked, lines(BY_REGISTRATION), OLD)) == [
        "it looked for /metadata 404"
    ]
