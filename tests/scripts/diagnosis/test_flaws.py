"""The doctor finds each flaw, that flaw alone, and nothing in the server that has none."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from diagnosis.checks import Check
from diagnosis.endpoint import Endpoint
from diagnosis.examination import examine
from diagnosis.rules import RULES
from diagnosis.wire import Wire
from edges.serving import running
from flawed.correct import FORBIDDEN_TOOL, ORIGIN, Correct
from flawed.flaws import FLAWS, Static

HANGS = ("Hangs", "Streams", "Endless")


def examined(server: Correct, *, token: str | None = None, timeout: float = 30) -> list[Check]:
    wire = Wire(urlsplit(server.url), timeout=timeout, whole=100)
    endpoint = Endpoint(server.url, wire, server.token if token is None else token, ORIGIN)
    return list(examine(endpoint, forbidden_tool=FORBIDDEN_TOOL))


def failed(checks: list[Check]) -> set[str]:
    return {check.id for check in checks if check.result == "fail"}


@pytest.fixture
def correct() -> Iterator[Correct]:
    with running(Correct()) as server:
        yield server


def test_nothing_is_found_where_nothing_is_wrong(correct: Correct) -> None:
    checks = examined(correct)
    assert failed(checks) == set()
    assert [check.id for check in checks if check.result == "skip"] == ["challenge.body", "http.plain", "static.quiet"]


@pytest.mark.parametrize("kind", FLAWS, ids=lambda kind: kind.__name__)
def test_each_flaw_is_found(kind: type[Correct]) -> None:
    with running(kind()) as server:
        checks = examined(server, timeout=2 if any(word in kind.__name__ for word in HANGS) else 30)
    assert failed(checks) == FLAWS[kind]
    assert sorted(check.id for check in checks) == sorted(RULES)
    shown = " ".join(text for check in checks for text in (check.sent, check.got, check.advice))
    assert server.token[:12] not in shown
    assert all(check.advice for check in checks if check.result == "fail")


def test_a_static_door_is_right_in_its_way() -> None:
    with running(Static()) as server:
        checks = examined(server)
    assert failed(checks) == set()
    assert next(check.got for check in checks if check.id == "door.kind").startswith("a static token")
