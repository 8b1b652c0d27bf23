"""The stand-in's Lambda authorizer: who is asked, what is remembered, and what a caller hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from aws.callers import FUNCTION, Caller, serving

GOOD, OTHER, BAD = "Bearer good-one", "Bearer good-two", "Bearer bad-one"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def guarded(**more: Any) -> Iterator[Caller]:
    with serving(authorizer_environment={}, token_guard_code=FUNCTION, **more) as call:
        yield call


def with_token(call: Caller, authorization: str | None, path: str = "/mcp") -> httpx2.Response:
    return call(path, headers={"authorization": authorization} if authorization is not None else {})


def test_without_the_header_nobody_asks_the_authorizer() -> None:
    with guarded() as call:
        for authorization in (None, ""):
            refused = with_token(call, authorization)
            assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})
            assert "www-authenticate" not in refused.headers
        assert call.lines == []


def test_a_yes_passes_with_its_context_and_a_no_is_403() -> None:
    with guarded() as call:
        event = with_token(call, GOOD).json()["event"]
        assert event["requestContext"]["authorizer"] == {"lambda": {"tokenName": "good-one", "n": 1}}
        refused = with_token(call, BAD)
        assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})
        asked = json.loads(next(line for line in call.lines if line.startswith("asked "))[6:])
        assert asked["identitySource"] == [GOOD]
        assert "body" not in asked


def test_yes_and_no_are_remembered_alike_for_all_routes_until_the_ttl() -> None:
    clock = Clock()
    with guarded(clock=clock, authorizer_ttl_seconds=60) as call:
        for authorization, status in ((GOOD, 200), (BAD, 403)):
            call.lines.clear()
            assert with_token(call, authorization).status_code == status
            assert with_token(call, authorization, "/elsewhere").status_code == status
            clock.now += 59.9
            assert with_token(call, authorization).status_code == status
            assert call.asked() == 1
            clock.now += 0.2
            assert with_token(call, authorization).status_code == status
            assert call.asked() == 2
        assert (
            with_token(call, OTHER).json()["event"]["requestContext"]["authorizer"]["lambda"]["tokenName"] == "good-two"
        )
        assert call.asked() == 3


def test_a_ttl_of_zero_asks_every_time() -> None:
    with guarded(authorizer_ttl_seconds=0) as call:
        for _ in range(3):
            assert with_token(call, GOOD).status_code == 200
        assert call.asked() == 3


@pytest.mark.parametrize(
    "answer",
    [
        "crash",
        "slow",
        '{"isAuthorized": "true"}',
        '{"isAuthorized": 1}',
        "{}",
        '{"isAuthorized": true, "context": [1]}',
    ],
)
def test_an_authorizer_without_a_decision_is_500_and_is_asked_again(answer: str) -> None:
    with guarded(authorizer_timeout_seconds=2) as call:
        for _ in range(2):
            refused = with_token(call, answer)
            assert (refused.status_code, refused.json()) == (500, {"message": "Internal Server Error"})
        assert call.asked() == 2


def test_an_open_route_has_no_authorizer() -> None:
    with guarded(routes=["ANY /mcp"], open_routes=["GET /healthz"]) as call:
        assert call("/healthz", method="GET").json()["event"]["requestContext"].get("authorizer") is None
        assert with_token(call, None).status_code == 401
        assert with_token(call, GOOD).status_code == 200
