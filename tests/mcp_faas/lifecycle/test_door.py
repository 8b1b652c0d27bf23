"""What proves that a door accepts or refuses a token, and how long it is asked. Time moves when it sleeps."""

from __future__ import annotations

import contextlib
import socket
from datetime import datetime, timedelta, timezone

import pytest

from mcp_faas.lifecycle.clock import TookTooLong
from mcp_faas.lifecycle.door import (
    ACCEPTED_SECONDS,
    AFTER_PROOF_SECONDS,
    IN_A_ROW,
    NOBODY_SECONDS,
    UNREFUSED_FAILS_SECONDS,
    Door,
)
from mcp_faas.lifecycle.probe import Answer, Probe
from mcp_faas.lifecycle.run import Run, RunFailed
from mcp_faas.tokens import has_our_shape, mint
from rotating.clock import FastClock

TOKEN = mint(datetime(2026, 11, 22, tzinfo=timezone.utc))
JUST_NOW, LONG_AGO = timedelta(seconds=5), timedelta(seconds=UNREFUSED_FAILS_SECONDS + 1)


class Script(Probe):
    """Answers with these statuses, the last one for ever; and to strangers with theirs."""

    def __init__(
        self, *statuses: int | None, time: datetime | None = None, strangers: tuple[int | None, ...] = (401,)
    ) -> None:
        super().__init__("http://127.0.0.1/mcp", 1.0)
        self._statuses, self._time, self._strangers = [*statuses], time, [*strangers]
        self.asked = 0
        self.made_up: list[str] = []

    def ask(self, token: str | None) -> Answer:
        if token not in (None, TOKEN.data):
            self.made_up.append(token or "")
            return Answer(self._strangers.pop(0) if len(self._strangers) > 1 else self._strangers[0])
        self.asked += 1
        return Answer(self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0], self._time)


def door(script: Probe, seconds: float = 110.0) -> tuple[Door, FastClock]:
    clock = FastClock()
    return Door(script, Run(clock, seconds, 10.0)), clock


def test_a_proof_is_several_equal_answers_without_one_between() -> None:
    almost = [200] * (IN_A_ROW - 1)
    script = Script(*almost, 401, *almost, 503, *almost, None, 200)
    door(script)[0].prove_accepted(TOKEN)
    assert script.asked == 3 * IN_A_ROW + IN_A_ROW
    almost = [401] * (IN_A_ROW - 1)
    script = Script(*almost, 200, *almost, 503, 403)
    assert door(script)[0].prove_refused(TOKEN, JUST_NOW, later_will_do=True)
    assert script.asked == 2 * IN_A_ROW + IN_A_ROW


@pytest.mark.parametrize(("seconds", "asked_for"), [(1000.0, ACCEPTED_SECONDS), (60.0, 60.0 - AFTER_PROOF_SECONDS)])
def test_a_door_is_asked_for_a_while_and_time_is_kept_for_what_follows(seconds: float, asked_for: float) -> None:
    found, clock = door(Script(401), seconds)
    began = clock.monotonic()
    with pytest.raises(RunFailed, match=r"does not accept mcp-.* It was not delivered, and no token was disabled"):
        found.prove_accepted(TOKEN)
    assert asked_for < clock.monotonic() - began < asked_for + 5


@pytest.mark.parametrize(
    ("status", "since", "later_will_do", "fails"),
    [
        (200, JUST_NOW, True, False),
        (200, LONG_AGO, True, True),
        (200, JUST_NOW, False, True),
        (503, JUST_NOW, True, True),
        (None, JUST_NOW, True, True),
    ],
)
def test_a_door_that_has_not_noticed_yet_is_asked_by_a_later_run(
    status: int | None, since: timedelta, later_will_do: bool, fails: bool
) -> None:
    found, _ = door(Script(status))
    if not fails:
        assert found.prove_refused(TOKEN, since, later_will_do=later_will_do) is False
        return
    with pytest.raises(RunFailed, match=r"is not proven to refuse it .* It was not deleted"):
        found.prove_refused(TOKEN, since, later_will_do=later_will_do)


@pytest.mark.parametrize("status", [200, 202, 404, 405, 400])
def test_to_be_let_in_where_everybody_is_proves_nothing(status: int) -> None:
    script = Script(200, strangers=(status,))
    with pytest.raises(
        RunFailed, match=rf"HTTP {status} to a token that was just made up: it lets strangers in, or it"
    ):
        door(script)[0].prove_accepted(TOKEN)
    assert (len(script.made_up), script.asked) == (1, 0), "the real one was shown to a door that proves nothing"
    assert has_our_shape(script.made_up[0])
    assert script.made_up[0] != TOKEN.data


def test_a_stranger_is_asked_for_once_or_until_the_door_says_something() -> None:
    script = Script(200)
    found, _ = door(script)
    found.prove_accepted(TOKEN)
    found.prove_accepted(TOKEN)
    assert len(script.made_up) == 1
    script = Script(200, strangers=(503, 403))
    door(script)[0].prove_accepted(TOKEN)
    assert len(set(script.made_up)) == 2, "a gateway remembers what it refused"
    for unclear in (503, 429, None):
        with pytest.raises(RunFailed, match="not proven to refuse a token that was made up"):
            door(Script(200, strangers=(unclear,)))[0].prove_accepted(TOKEN)
    with pytest.raises(RunFailed, match="lets strangers in"):
        door(Script(200, strangers=(503, 200)))[0].prove_accepted(TOKEN)


def test_a_revocation_at_once_outlasts_a_gateway_that_remembers_for_a_minute() -> None:
    for later_will_do, least, most in ((True, 30.0, 35.0), (False, 90.0, 100.0)):
        found, clock = door(Script(200))
        began = clock.monotonic()
        with contextlib.suppress(RunFailed):
            found.prove_refused(TOKEN, JUST_NOW, later_will_do=later_will_do)
        assert least < clock.monotonic() - began < most


def test_five_equal_answers_are_a_proof_and_four_are_none() -> None:
    script = Script(200, 200, 200, 200, 401, 200)
    door(script)[0].prove_accepted(TOKEN)
    assert script.asked == 4 + 1 + 5, "the nodes of a gateway do not learn at the same moment"
    script = Script(401, 401, 401, 401, 200, 401)
    assert door(script)[0].prove_refused(TOKEN, JUST_NOW, later_will_do=True)
    assert script.asked == 4 + 1 + 5


def test_a_call_without_an_end_proves_nothing() -> None:
    class Silent(Script):
        def ask(self, token: str | None) -> Answer:
            raise TookTooLong("no end after 10.0 s")

    with pytest.raises(RunFailed, match="no end after"):
        door(Silent(200))[0].prove_accepted(TOKEN)


def test_a_wait_is_told_when_it_begins_and_only_then() -> None:
    for statuses, told in (([200], 0), ([401, 401, 503, 200], 1), ([401], 1)):
        heard: list[str] = []
        with contextlib.suppress(RunFailed):
            Door(Script(*statuses), Run(FastClock(), 110.0, 10.0), heard.append).prove_accepted(TOKEN)
        assert len(heard) == told
    assert heard == [f"asking http://127.0.0.1/mcp again whether it accepts {TOKEN.name}, for up to 90 s (HTTP 401)"]


@pytest.mark.parametrize("status", [None, 503, 429])
def test_a_door_that_does_not_answer_is_not_one_that_refuses(status: int | None) -> None:
    with pytest.raises(RunFailed, match=r"is not proven to accept mcp-.* See that the door is there and answers"):
        door(Script(status))[0].prove_accepted(TOKEN)
    with pytest.raises(RunFailed, match=r"is not proven to refuse it .* See that the door is there and answers"):
        door(Script(status))[0].prove_refused(TOKEN, JUST_NOW, later_will_do=False)


def test_who_must_have_it_refused_now_hears_that_a_gateway_remembers() -> None:
    with pytest.raises(RunFailed, match=r"may remember for a minute or two .* run the same command again in a minute"):
        door(Script(200))[0].prove_refused(TOKEN, JUST_NOW, later_will_do=False)


def test_where_nothing_listens_nobody_waits_for_long() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        found, clock = door(Probe(f"http://127.0.0.1:{unused.getsockname()[1]}/mcp", 5.0))
        began = clock.monotonic()
        with pytest.raises(RunFailed, match=r"is not proven to accept mcp-.*ConnectionRefusedError"):
            found.prove_accepted(TOKEN)
        assert NOBODY_SECONDS < clock.monotonic() - began < NOBODY_SECONDS + 5


def test_one_answer_is_enough_to_be_waited_for() -> None:
    class Starting(Script):
        def ask(self, token: str | None) -> Answer:
            self.asked += 1
            return Answer(401) if self.asked == 3 else Answer(None, nobody=True)

    found, clock = door(Starting(200))
    began = clock.monotonic()
    with pytest.raises(RunFailed):
        found.prove_accepted(TOKEN)
    assert clock.monotonic() - began > ACCEPTED_SECONDS


def test_the_doors_clock_is_asked_once_and_ours_counts_where_it_tells_none() -> None:
    ahead = datetime.now(timezone.utc) + timedelta(hours=1)
    script = Script(401, time=ahead)
    found, clock = door(script)
    clock.sleep(30)
    assert abs((found.now() - ahead).total_seconds()) < 5
    clock.sleep(30)
    assert abs((found.now() - ahead).total_seconds() - 30) < 5
    assert script.asked == 1
    found, clock = door(Script(401))
    assert abs((found.now() - clock.now()).total_seconds()) < 5


def test_a_run_that_has_used_up_its_time_calls_nobody() -> None:
    run = Run(FastClock(), 20.0, 10.0)
    run.pause(30.0)
    assert run.left() == pytest.approx(0, abs=1), "a pause is cut to the time that is left"
    run.clock.sleep(1.0)
    run.wrote = True
    with pytest.raises(
        RunFailed, match=r"used up its 20 s\. What was written so far is safe; run the same command again"
    ):
        run.bounded()
