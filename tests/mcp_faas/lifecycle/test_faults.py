"""The fault matrix: every call of a whole rotation goes wrong in every way, on every service, and nobody is locked out.

`make test` takes a sample that has each fault and each call; MCP_FAULT_MATRIX=full takes all.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_faas.generations import Generations
from mcp_faas.lifecycle.rotator import Outcome, RunFailed, RunRefused
from mcp_faas.tokens import fingerprint
from rotating.clock import FastClock
from rotating.services import AWS_FAULTS, SERVICES, Kind, service
from rotating.world import FOREIGN, OVERLAP, KillableStore, Killed, World

NETWORKED = ("fc_trigger", "fc_domain", "secretsmanager")
IMPATIENT_SECONDS = 0.25  # only for calls that are meant to hang
FULL = os.environ.get("MCP_FAULT_MATRIX") == "full"
PARTS = 7  # a prime, so that each part meets each fault and each call; `make test` takes one
TIMES = {"once": 1, "twice": 2, "for ever": 10_000}


@pytest.fixture
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service(request.param, clock, monkeypatch, tmp_path) as place:
        yield World(place, clock, tmp_path / "client")


def pieces(value: str) -> set[str]:
    return {value[place : place + 12] for place in range(len(value) - 11)}


def healthy(world: World, store: Any) -> list[int]:
    """How many calls each of the two runs of a rotation makes when nothing goes wrong."""
    world.begin(world.old_token())
    counts = []
    for _ in range(2):
        before = world.service.calls
        outcome = world.run(store)
        assert isinstance(outcome, Outcome)
        counts.append(world.service.calls - before)
        world.clock.sleep(OVERLAP.total_seconds() + 5)
    assert len(world.document().tokens) == 2
    return counts


def check_case(world: World, store: Any, hasty: Any, run: int, place: int, fault: str, times: int) -> None:
    """One rotation of which one run goes wrong, and the runs after it."""
    old = world.old_token()
    world.begin(old)
    for each in range(2):
        first = world.service.calls + 1 + place
        writes = world.service.writes

        def fail(kind: Kind, number: int, first: int = first) -> str | None:
            world.look()
            return fault if first <= number < first + times else None

        world.service.fail = fail if each == run else (lambda kind, number: world.look())
        outcome = world.run(hasty if each == run else store, timeout=IMPATIENT_SECONDS if hasty is not store else 10.0)
        world.service.fail = lambda kind, number: world.look()
        if isinstance(outcome, RunRefused):
            assert world.service.writes == writes, "refused after a write"
        if isinstance(outcome, RunFailed | RunRefused):
            assert str(outcome).count("again") + str(outcome).count("Nothing was changed") >= 1, "says what to do next"
            shown = str(outcome)
            for value in {old.data, FOREIGN.data, *world.seen}:
                assert not any(piece in shown for piece in pieces(value))
        world.clock.sleep(OVERLAP.total_seconds() + 5 if each else 5)
    for _ in range(6):
        writes = world.service.writes
        outcome = world.run(store)
        assert isinstance(outcome, Outcome), outcome
        if not outcome.done:
            break
        world.clock.sleep(OVERLAP.total_seconds() + 5)
    assert world.service.writes == writes, "nothing was due, and something was written"
    left = [token for token in world.document().tokens if token.data != FOREIGN.data]
    assert len(left) == 1
    current = Generations(world.document()).current
    assert current
    assert current.token == left[0]
    assert world.sink.holds() == left[0].data
    assert len(world.seen - {old.data}) == 1, "more than one new token was made"


@pytest.mark.parametrize("part", range(PARTS if FULL else 1))  # each on a new service: its old versions cost time
@pytest.mark.parametrize("world", NETWORKED, indirect=True)
@pytest.mark.timeout(1800)
def test_every_call_goes_wrong_in_every_way(world: World, part: int, cases: Counter[str]) -> None:
    store, hasty = world.service.open(), world.service.open(IMPATIENT_SECONDS)
    counts = healthy(world, store)
    matrix = [
        (run, place, fault, times)
        for fault in world.service.faults
        for times in TIMES.values()
        for run, count in enumerate(counts)
        for place in range(count)
        if times == 1 or place % 2 == 0
    ]
    chosen = matrix[part::PARTS]
    for run, place, fault, times in chosen:
        check_case(world, store, hasty if fault.startswith("timeout") else store, run, place, fault, times)
        cases[world.service.name] += 1
    assert world.looks > len(chosen) * 30


@pytest.mark.parametrize("world", SERVICES, indirect=True)
def test_killed_at_any_point_the_next_run_goes_on(world: World, cases: Counter[str]) -> None:
    store = KillableStore(world, world.service.open())
    total = points_of_a_rotation(world, store)
    assert total > 40
    for point in range(0, total, 1 if FULL else 3):
        old = world.old_token()
        world.begin(old)
        world.passed, world.kill_at = 0, point
        killed, last = 0, None
        for _ in range(8):
            try:
                outcome = world.run(store)
            except Killed:
                killed += 1
                continue
            assert isinstance(outcome, Outcome)
            last = outcome.done
            world.clock.sleep(OVERLAP.total_seconds() + 5)
        assert killed == 1
        assert last == ()
        left = [token for token in world.document().tokens if token.data != FOREIGN.data]
        assert [token.data for token in left] == [world.sink.holds()]
        assert len(world.seen - {old.data}) == 1, "more than one new token was made"
        cases[f"{world.service.name} killed"] += 1


def points_of_a_rotation(world: World, store: KillableStore) -> int:
    world.begin(world.old_token())
    world.passed = 0
    for _ in range(3):
        world.run(store)
        world.clock.sleep(OVERLAP.total_seconds() + 5)
    return world.passed


def test_every_fault_is_one_of_the_matrix() -> None:
    assert {"throttled", "500", "503", "500 after", "reset before", "reset after", "timeout before"} <= set(AWS_FAULTS)
    assert {"timeout after", "truncated", "malformed", "denied", "expired", "stale"} <= set(AWS_FAULTS)


@pytest.mark.parametrize("world", ["fc_trigger", "secretsmanager"], indirect=True)
def test_the_matrix_would_notice_a_lockout(world: World) -> None:
    """A client whose token goes before its time is seen by the same eyes."""
    old = world.old_token()
    world.begin(old)
    document = world.document().changing(old.data, name=old.name, enabled=False)
    world.service.put(document.to_object())
    with pytest.raises(AssertionError, match="refused"):
        world.look()
    assert fingerprint(old.data) in old.name
    assert timedelta(0) < OVERLAP
