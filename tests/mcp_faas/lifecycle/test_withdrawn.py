"""A token that was revoked at once stays out, whatever else is under way: one command inside another, at every call.

Where a store has no compare-and-swap, a run adds a token again that it has handed out and that was lost; it must not
take a revocation for such a loss.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from mcp_faas.generations import Generations
from mcp_faas.lifecycle.clock import Clock
from mcp_faas.lifecycle.probe import Answer, Probe
from mcp_faas.lifecycle.rotator import Outcome, Rotator, RunFailed, RunRefused
from mcp_faas.lifecycle.run import RUN_SECONDS
from mcp_faas.planning.vocabulary import KEPT
from mcp_faas.rotation import Intent, Mint, Policy, Revoke, Rollback, Rotate
from mcp_faas.stores import Snapshot, StoreConflict
from mcp_faas.tokens import TokenDocument, parse

EPOCH = datetime(2026, 11, 22, tzinfo=timezone.utc)
WINDOW_SECONDS = 2.0
DAY = 86400.0
POLICY = Policy(max_age=timedelta(days=30), overlap=timedelta(hours=24))


class Here(Clock):
    """A document, its door and the time, with a hook at each boundary of a call."""

    def __init__(self, settling: bool) -> None:
        self.settling = settling
        self.time = 1_000_000.0
        self.text = TokenDocument().dump()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=int(self.time))

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def document(self) -> TokenDocument:
        return parse(self.text)

    def live(self) -> set[str]:
        return {token.data for token in self.document().live()}

    def current(self) -> tuple[str, str]:
        found = Generations(self.document()).current
        assert found
        return found.token.name, found.token.data


class Host:
    """One machine: its way to the document and to the door, and the place that it delivers to."""

    readable, unasked = True, False

    def __init__(self, here: Here, label: str) -> None:
        self.here, self.label = here, label
        self.address = label
        self.settle_seconds = WINDOW_SECONDS if here.settling else 0.0
        self.held: str | None = None
        self.boundary: Callable[[], None] = lambda: None

    def read(self) -> Snapshot:
        self.boundary()
        began, text = self.here.time, self.here.text
        self.boundary()
        return Snapshot(text, self.here.now(), (began, text))

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        self.boundary()
        began, text = snapshot.basis
        if self.here.time - began > WINDOW_SECONDS if self.here.settling else self.here.text != text:
            raise StoreConflict("changed, or read too long ago")
        self.here.text = document.dump()
        self.boundary()

    def holds(self) -> str | None:
        return self.held

    def deliver(self, token: str) -> None:
        self.boundary()
        self.held = token
        self.boundary()

    def run(self, intent: Intent | None = None) -> Outcome | RunFailed | RunRefused:
        probe = Asking(self)
        try:
            return Rotator(self, intent or Rotate(), POLICY, [self], probe, 10.0, self.here).run()
        except (RunFailed, RunRefused) as error:
            return error


class Asking(Probe):
    def __init__(self, host: Host) -> None:
        super().__init__("http://127.0.0.1/mcp", 1.0)
        self._host = host

    def ask(self, token: str | None) -> Answer:
        self._host.boundary()
        return Answer(200 if token in self._host.here.live() else 401)


BEGINNINGS = {"one token": 0.0, "one to be retired": 25 * 3600.0, "one to be replaced": 31 * DAY}
FOLLOWED_BY: dict[str, list[Intent]] = {"nothing": [], "rotate": [Rotate()], "rollback": [Rollback()], "mint": [Mint()]}


def begin(settling: bool, later: float) -> tuple[Here, Host, Host]:
    """A host that has run, and one with an empty place: it is handed the current token first of all."""
    here = Here(settling)
    first, second = Host(here, "one"), Host(here, "two")
    first.run()
    if later:
        here.time += 31 * DAY
        first.run()
        here.time += later
    return here, first, second


def at_boundary(point: int, do: Callable[[], None]) -> Callable[[], None]:
    passed = 0

    def boundary() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            do()

    return boundary


@pytest.mark.parametrize("settling", [True, False], ids=["last writer wins", "compare and swap"])
@pytest.mark.parametrize("later", BEGINNINGS.values(), ids=BEGINNINGS.keys())
@pytest.mark.parametrize("then", FOLLOWED_BY.values(), ids=FOLLOWED_BY.keys())
def test_what_is_revoked_during_a_rotation_stays_out(settling: bool, later: float, then: list[Intent]) -> None:
    for point in range(1, 200, 3 if then else 1):
        here, first, second = begin(settling, later)
        revoked: list[str] = []

        def operate(here: Here = here, first: Host = first, revoked: list[str] = revoked) -> None:
            name, value = here.current()
            ended = first.run(Revoke(name, at_once=True))
            assert isinstance(ended, Outcome), ended
            revoked.append(value)
            for intent in then:
                first.run(intent)
                assert value not in here.live()

        second.boundary = at_boundary(point, operate)
        second.run()
        if not revoked:
            assert point > 10
            return
        check_out(here, revoked[0], first, second)
    raise AssertionError("a run without an end")


@pytest.mark.parametrize("settling", [True, False], ids=["last writer wins", "compare and swap"])
@pytest.mark.parametrize("intent", [Rotate(), Rollback(), Mint()], ids=["rotate", "rollback", "mint"])
def test_what_runs_during_a_revocation_does_not_undo_it(settling: bool, intent: Intent) -> None:
    for point in range(1, 200):
        here, first, second = begin(settling, 60.0)
        name, value = here.current()
        done: list[object] = []

        def operate(second: Host = second, done: list[object] = done) -> None:
            done.append(second.run(intent))

        first.boundary = at_boundary(point, operate)
        ended = first.run(Revoke(name, at_once=True))
        first.boundary = lambda: None
        if not done:
            assert point > 20
            return
        if not isinstance(ended, Outcome):
            assert isinstance(first.run(Revoke(name, at_once=True)), Outcome)
        check_out(here, value, first, second)
    raise AssertionError("a run without an end")


def check_out(here: Here, value: str, *hosts: Host) -> None:
    """It is out and stays out, every place gets another, and in the end it is gone."""
    assert value not in here.live()
    for pause in (5.0, KEPT.total_seconds() + 1, 5.0):
        here.time += pause
        for host in hosts:
            host.boundary = lambda: None
            assert isinstance(ended := host.run(), Outcome), ended
            assert value not in here.live()
            assert host.held in here.live()
    assert here.document().holding(value) is None


def test_a_revoked_token_is_kept_for_longer_than_any_run_lasts() -> None:
    assert KEPT.total_seconds() >= RUN_SECONDS + 5, "the clocks of names are cut to the second, and a call may be late"


@pytest.mark.parametrize("settling", [True, False])
def test_the_deletion_is_left_to_a_later_run_where_no_write_is_compared(settling: bool) -> None:
    here, first, _ = begin(settling, 60.0)
    name, value = here.current()
    ended = first.run(Revoke(name, at_once=True))
    assert isinstance(ended, Outcome)
    assert (here.document().holding(value) is not None) == settling
    if settling:
        assert "is disabled, and stays so for runs that are under way" in ended.note
        (deletion,) = (due.at for due in ended.due if due.action == "delete")
        assert deletion
        assert deletion > here.now()
        again = first.run(Revoke(name, at_once=True))
        assert isinstance(again, Outcome)
        assert [step.action for step in again.done] == ["refuse"], "the same effect as once"
        here.time += KEPT.total_seconds() + 1
        assert isinstance(again := first.run(Revoke(name, at_once=True)), Outcome)
        assert [step.action for step in again.done] == ["refuse", "delete"]
    assert isinstance(first.run(Revoke(name, at_once=True)), Outcome)
