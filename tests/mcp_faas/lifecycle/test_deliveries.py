"""What each place gets, how often, and what is said when it cannot."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mcp_faas.lifecycle.clock import TookTooLong
from mcp_faas.lifecycle.deliveries import Deliveries
from mcp_faas.lifecycle.run import Run, RunFailed
from mcp_faas.lifecycle.sinks import SinkError
from mcp_faas.tokens import mint
from rotating.clock import FastClock

OLD, NEW = (mint(datetime(2026, 11, day, tzinfo=timezone.utc)) for day in (21, 22))


class Place:
    """A place that remembers what it was given; `keeps` is what it does with that."""

    def __init__(self, *, readable: bool = True, unasked: bool = False, keeps: bool = True, held: str | None = None):
        self.label, self.readable, self.unasked = "the place", readable, unasked
        self.given: list[str] = []
        self.error: Exception | None = None
        self._keeps, self._held = keeps, held

    def holds(self) -> str | None:
        if self.error:
            raise self.error
        return self._held

    def deliver(self, token: str) -> None:
        self.given.append(token)
        if self._keeps:
            self._held = token


def deliveries(*places: Place) -> Deliveries:
    return Deliveries(places, Run(FastClock(), 110.0, 10.0))


def test_what_is_found_and_what_takes_its_place() -> None:
    first, second = Place(held=OLD.data), Place(held=NEW.data)
    second.label = "another"
    to = deliveries(first, second)
    assert to.inspect() == {OLD.data, NEW.data}
    assert to.behind(NEW, again=False)
    assert to.deliver(NEW) == {OLD.data}
    assert (first.given, second.given) == ([NEW.data], []), "a place that has it is not written"
    assert not to.behind(NEW, again=False)


def test_a_place_that_does_not_keep_it_is_a_failure() -> None:
    with pytest.raises(RunFailed, match=r"the place: it does not show what was delivered\. No token was disabled"):
        deliveries(Place(keeps=False)).deliver(NEW)


@pytest.mark.parametrize("error", [SinkError("full"), TookTooLong("no end after 10 s"), TookTooLong()])
def test_a_place_that_fails_is_named_with_what_to_do(error: Exception) -> None:
    place = Place()
    place.error = error
    said = str(error) or "TookTooLong"
    with pytest.raises(RunFailed) as caught:
        deliveries(place).inspect()
    assert str(caught.value) == (f"the place: {said}. No token was disabled. Repair it and run the same command again")


def test_an_output_is_served_once_in_a_run() -> None:
    output = Place(readable=False)
    to = deliveries(output)
    assert to.inspect() == frozenset()
    assert to.behind(NEW, again=False)
    for _ in range(2):
        assert to.deliver(NEW) == frozenset()
    assert output.given == [NEW.data]
    assert not to.behind(NEW, again=False)


def test_an_output_that_nobody_asked_for_gets_an_old_token_only_when_it_is_current_again() -> None:
    to = deliveries(Place(readable=False, unasked=True))
    assert not to.behind(OLD, again=False)
    assert to.behind(OLD, again=True)
