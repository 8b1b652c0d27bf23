"""Two rotators on one document without a compare-and-swap, interleaved at every call boundary in any order.

Each runs in a thread of its own, and only one of them moves at a time: between two calls it waits until it is chosen.
Time stands still but for what the choices let pass, so an order that was found once can be found again.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mcp_faas.lifecycle.clock import Clock
from mcp_faas.lifecycle.rotator import Rotator, RunFailed, RunRefused
from mcp_faas.rotation import Policy, Rotate
from mcp_faas.stores import Snapshot, StoreConflict, StoreUnavailable
from mcp_faas.tokens import Marks, Token, TokenDocument, is_ours, marks, mint, parse

EPOCH = datetime(2026, 11, 22, tzinfo=timezone.utc)
WINDOW_SECONDS = 2.0
OVERLAP_SECONDS = 3600.0
POLICY = Policy(max_age=timedelta(days=30), overlap=timedelta(seconds=OVERLAP_SECONDS))
FOREIGN = Token("printer", True, "foreign-" + "v" * 40)
STEPS_MOST = 2000
SAMPLE = 1 if os.environ.get("MCP_FAULT_MATRIX") == "full" else 13


class Killed(BaseException):
    """As SIGKILL."""


@dataclass
class Host:
    """One machine with a rotator, a place that it delivers to and a client that takes its token from there."""

    name: str
    world: SharedWorld
    held: str | None = None
    label: str = field(init=False)
    readable: bool = True
    unasked: bool = False
    ended: object = None
    wake: float = 0.0
    kill: bool = False
    turn: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.label = self.name

    # a sink
    def holds(self) -> str | None:
        return self.held

    def deliver(self, token: str) -> None:
        self.boundary()
        if self.held and self.held != token:
            self.world.promised[self.held] = max(
                self.world.promised.get(self.held, 0.0), self.world.time + OVERLAP_SECONDS
            )
        self.held = token
        self.boundary()

    # a store
    address = "the shared document"
    settle_seconds = WINDOW_SECONDS

    def read(self) -> Snapshot:
        began = self.world.time
        self.boundary()
        text = self.world.text
        self.boundary()
        moment = EPOCH + timedelta(seconds=int(self.world.time))
        return Snapshot(text, moment, began)

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        self.boundary()
        if self.world.time - snapshot.basis > WINDOW_SECONDS:
            raise StoreConflict("read too long ago")
        if self.world.lose("before"):
            raise StoreUnavailable("the request was lost")
        self.world.text = document.dump()
        self.world.writes += 1
        self.boundary()
        if self.world.lose("after"):
            raise StoreUnavailable("the answer was lost")

    # a thread
    def boundary(self, wake: float = 0.0) -> None:
        """Stand still until chosen."""
        self.wake = wake
        self.waiting.set()
        self.turn.wait()
        self.turn.clear()
        if self.kill:
            self.kill = False
            raise Killed

    def start(self) -> None:
        self.ended = None

        def work() -> None:
            try:
                self.ended = Rotator(self, Rotate(), POLICY, [self], None, 10.0, HostClock(self)).run()
            except (RunFailed, RunRefused, Killed) as error:
                self.ended = error
            except BaseException as error:  # noqa: BLE001 - told to the test, which raises it
                self.ended = error
                self.world.broken = error
            self.waiting.set()

        self.thread = threading.Thread(target=work, daemon=True)
        self.waiting.clear()
        self.thread.start()
        self.waiting.wait()

    def move(self) -> None:
        """Let it go on to its next boundary, or to its end."""
        self.world.time = max(self.world.time, self.wake)
        self.waiting.clear()
        self.turn.set()
        self.waiting.wait()
        self.world.check()

    @property
    def running(self) -> bool:
        return self.thread is not None and self.ended is None


class HostClock(Clock):
    def __init__(self, host: Host) -> None:
        self._host = host

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._host.world.time)

    def monotonic(self) -> float:
        return self._host.world.time

    def sleep(self, seconds: float) -> None:
        self._host.boundary(self._host.world.time + seconds)


class SharedWorld:
    """The document, the time, and what was promised to clients."""

    def __init__(self, lose: Callable[[str], bool] = lambda when: False) -> None:
        self.time = 1_000_000.0
        self.writes = 0
        self.lose = lose
        self.promised: dict[str, float] = {}
        self.broken: BaseException | None = None
        token = mint(EPOCH + timedelta(seconds=self.time) - timedelta(days=40))
        said = marks(token.name)
        assert said
        self.old = Token(Marks(said.created, said.fingerprint, said.created).name(), True, token.data)
        self.text = TokenDocument((FOREIGN, self.old)).dump()
        self.hosts = [Host(name, self, self.old.data) for name in ("one", "two")]

    def document(self) -> TokenDocument:
        return parse(self.text)

    def check(self) -> None:
        if self.broken is not None:
            raise self.broken
        document = self.document()
        live = {token.data for token in document.live()}
        assert document.tokens[0].dump() == FOREIGN.dump(), "a foreign token was touched"
        assert len(document.tokens) <= 6
        for host in self.hosts:
            assert host.held in live, f"the client of {host.name} is refused"
        for value, until in self.promised.items():
            assert self.time >= until or value in live, "a token went before its overlap was over"

    def together(self, choose: Callable[[list[Host]], Host], pass_time: Callable[[], float]) -> None:
        """Both run, in the order of the choices."""
        for host in self.hosts:
            host.start()
        for _ in range(STEPS_MOST):
            awake = [host for host in self.hosts if host.running]
            if not awake:
                return
            host = choose(awake)
            self.time += pass_time()
            host.move()
        raise AssertionError("the rotators do not come to an end")

    def alone(self, host: Host) -> object:
        host.start()
        while host.running:
            host.move()
        return host.ended

    def rest(self) -> None:
        """Alone and in turn both find the same token, and soon nothing to do."""
        for _ in range(3):
            for host in self.hosts:
                self.alone(host)
            assert len({host.held for host in self.hosts}) == 1, "they do not agree"
            self.time += OVERLAP_SECONDS + 5
        before = self.writes
        for host in self.hosts:
            self.alone(host)
        assert self.writes == before, "nothing was due, and something was written"
        known = [token for token in self.document().tokens if is_ours(token)]
        assert [token.data for token in known] == [self.hosts[0].held]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_order_of_calls_converges_and_locks_nobody_out(data: st.DataObject) -> None:
    lost = st.sampled_from(["", "", "", "", "", "before", "after"])
    delays = st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.4, 1.9])
    world = SharedWorld()

    def choose(awake: list[Host]) -> Host:
        losing = data.draw(lost, "lost")  # drawn here, because the hosts live in other threads
        world.lose = lambda when: when == losing
        return awake[data.draw(st.integers(0, len(awake) - 1), "who")]

    world.together(choose, lambda: data.draw(delays, "time"))
    world.lose = lambda when: False
    world.rest()


def orders() -> Iterator[tuple[int, ...]]:
    """Who moves, for the first twelve moves and either with four at least; in full also for sixteen with eight each."""
    every = (order for order in itertools.product((0, 1), repeat=12) if 4 <= sum(order) <= 8)
    yield from itertools.islice(every, 0, None, SAMPLE)
    if SAMPLE == 1:
        for places in itertools.combinations(range(16), 8):
            yield tuple(int(place in places) for place in range(16))


def in_this_order(world: SharedWorld, order: tuple[int, ...]) -> None:
    """Both begin at the same moment; after the last move of the order they take turns."""
    moves, turns = iter(order), itertools.cycle((0, 1))

    def choose(awake: list[Host]) -> Host:
        wanted = world.hosts[next(moves, next(turns))]
        return wanted if wanted in awake else awake[0]

    world.together(choose, lambda: 0.01)
    assert len({host.held for host in world.hosts}) == 1


@pytest.mark.timeout(3600)  # in full
def test_every_order_of_the_first_calls_of_two_that_replace(cases: Counter[str]) -> None:
    for order in orders():
        world = SharedWorld()
        in_this_order(world, order)
        known = [token for token in world.document().tokens if is_ours(token)]
        assert {token.data for token in known} == {world.old.data, world.hosts[0].held}
        cases["orders of two that replace"] += 1


@pytest.mark.timeout(3600)  # in full
def test_every_order_of_the_first_calls_of_two_that_retire(cases: Counter[str]) -> None:
    for order in orders():
        world = SharedWorld()
        for host in world.hosts:
            world.alone(host)
        world.time += OVERLAP_SECONDS + 5
        in_this_order(world, order)
        known = [token for token in world.document().tokens if is_ours(token)]
        assert [token.data for token in known] == [world.hosts[0].held]
        cases["orders of two that retire"] += 1


class TwoRotators(RuleBasedStateMachine):
    """Rotations over weeks: runs begin, move, die, lose their answers; time passes; each host runs once an overlap."""

    @initialize()
    def begin(self) -> None:
        self.world = SharedWorld()

    @rule(number=st.integers(0, 1))
    def start(self, number: int) -> None:
        if not self.world.hosts[number].running:
            self.world.hosts[number].start()

    @rule(number=st.integers(0, 1), moves=st.integers(1, 12))
    def move(self, number: int, moves: int) -> None:
        host = self.world.hosts[number]
        for _ in range(moves):
            if host.running:
                host.move()

    @rule(number=st.integers(0, 1))
    def kill(self, number: int) -> None:
        host = self.world.hosts[number]
        if host.running:
            host.kill = True
            host.move()

    @rule(when=st.sampled_from(["before", "after"]))
    def lose_the_next(self, when: str) -> None:
        pending = [when]

        def lose(now: str) -> bool:
            return bool(pending) and pending[0] == now and bool(pending.pop())

        self.world.lose = lose

    @rule(days=st.integers(1, 40))
    def time_passes(self, days: int) -> None:
        """Runs are short against an overlap, and each host completes one in each half of it, as the rules say."""
        for _ in range(days):
            for host in self.world.hosts:
                while host.running:
                    host.move()
            self.world.lose = lambda when: False
            self.world.time += OVERLAP_SECONDS / 3
            for host in self.world.hosts:
                self.world.alone(host)
        self.world.time += 10 * 86400  # nothing is in its overlap now
        if days % 7 == 0:
            self.world.rest()

    def teardown(self) -> None:
        for host in self.world.hosts:
            while host.running:
                host.kill = True
                host.move()


TwoRotators.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestTwoRotators = TwoRotators.TestCase
