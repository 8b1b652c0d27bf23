"""Carry out plans: read the document, take the first step, read it back, plan anew. `rotation` decides what to do.

Every way in which a service can fail ends in one of four states: done, nothing to do, failed and said why, or refused
before any write. Nothing is remembered between runs.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mcp_faas import rotation
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.clock import Clock, TookTooLong
from mcp_faas.lifecycle.probe import Answer, Probe, Verdict
from mcp_faas.lifecycle.sinks import Sink, SinkError
from mcp_faas.rotation import WRITES, Due, Intent, Plan, Policy, Progress, Revoke, Rollback, Step
from mcp_faas.stores import Snapshot, StoreConflict, StoreError, StoreUnavailable, TokenStore
from mcp_faas.tokens import DocumentError, Token, TokenDocument, marks, mint

RUN_SECONDS = 110.0  # of a whole run; a scheduler may start the next one after 120
AFTER_PROOF_SECONDS = 15.0  # kept for what follows a proof
ACCEPTED_SECONDS = 90.0  # a gateway that caches refusals for a minute must be outlasted
REFUSED_SECONDS = 30.0  # a door that still lets a disabled token in is asked again by the next run
IN_A_ROW = 5  # equal answers that make a proof: the nodes of a gateway do not learn at the same moment
READ_BACK_SECONDS = 8.0  # how long a write may take to be seen
READ_ATTEMPTS, WRITE_ATTEMPTS, CONFLICTS = 4, 3, 12
STEPS = 80  # more than any document needs
UNREFUSED_FAILS_SECONDS = 600.0  # a door that has not noticed a disabled token by then will not notice it
SETTLE_MARGIN_SECONDS = 0.2


class RunFailed(Exception):
    """It could not be done: why, and what to do next."""


class RunRefused(Exception):
    """Nothing was written, and nothing should be: why, and what to do next."""


@dataclass(frozen=True)
class Outcome:
    """What a run did, and what is left for later ones."""

    done: tuple[Step, ...]
    due: tuple[Due, ...]
    note: str
    time: datetime
    document: TokenDocument = field(repr=False)


@dataclass
class Rotator:
    """One run on one document."""

    store: TokenStore
    intent: Intent
    policy: Policy
    sinks: Sequence[Sink] = ()
    probe: Probe | None = None
    timeout: float = 10.0
    clock: Clock = field(default_factory=Clock)
    report: Callable[[Step], None] = lambda step: None
    seconds: float = RUN_SECONDS

    def __post_init__(self) -> None:
        self.policy = replace(self.policy, probing=self.probe is not None, settling=self.store.settle_seconds > 0)
        self._began = self.clock.monotonic()
        self._progress = Progress()
        self._done: list[Step] = []
        self._wrote = False
        self._minted: Token | None = None
        self._outdated: list[TokenDocument] = []  # what this run has replaced: seen again, it is a stale read
        self._first_seen: dict[str, float] = {}
        self._holding: dict[str, str | None] = {}  # what the readable sinks hold
        self._served: dict[str, str] = {}  # what the others were given in this run
        self._ahead: float | None = None  # of the probed door's clock before ours, in seconds
        self._attempts: Counter[str] = Counter()
        self._checked_at_end = False

    def look(self) -> tuple[Snapshot, datetime]:
        """The document, and what time it is."""
        snapshot = self._read()
        return snapshot, self._now(snapshot)

    def preview(self) -> tuple[Plan, Snapshot, datetime]:
        """The plan that a run would begin with; only reads."""
        self._inspect_sinks()
        snapshot = self._read()
        return self._plan(snapshot), snapshot, self._now(snapshot)

    def run(self) -> Outcome:
        """Take steps until there are none. Raises RunFailed or RunRefused."""
        self._inspect_sinks()
        while len(self._done) < STEPS:
            snapshot = self._read()
            plan = self._plan(snapshot)
            if plan.steps:
                self._take(plan.steps[0], snapshot)
            elif self._must_check_again():
                self._pause(self.store.settle_seconds + SETTLE_MARGIN_SECONDS)
            else:
                return Outcome(tuple(self._done), plan.due, plan.note, self._now(snapshot), snapshot.document)
        raise RunFailed("the document keeps changing under this run; run it again when the others are done")

    def prepare(self) -> tuple[TokenDocument, Plan]:
        """For a service that does the writing itself: all up to the first write, and the document to be written."""
        self._inspect_sinks()
        while True:
            snapshot = self._read()
            plan = self._plan(snapshot)
            step = plan.steps[0] if plan.steps else None
            if step is None:
                return snapshot.document, plan
            if step.action in WRITES:
                step = self._with_token(step, snapshot)
                try:
                    after = rotation.apply(step, snapshot.document, self._now(snapshot))
                    rotation.check_step(snapshot.document, after)
                except DocumentError as error:
                    raise self._refusal(error) from None
                self._finished(step)
                return after, plan
            self._take(step, snapshot)

    def _must_check_again(self) -> bool:
        """Without a compare-and-swap, somebody's stale write may bring a revoked token back once."""
        if self._checked_at_end or not (self._wrote and self.policy.settling and isinstance(self.intent, Revoke)):
            return False
        self._checked_at_end = True
        return True

    # What there is

    def _read(self) -> Snapshot:
        """The document now; a read that shows what this run has replaced is repeated for a while."""
        until = self.clock.monotonic() + READ_BACK_SECONDS
        delay = 0.1
        while True:
            snapshot = self._read_once()
            try:
                found = snapshot.document
                stale = any(found.same_as(old) for old in self._outdated)
            except DocumentError as error:
                raise self._refusal(error) from None
            if not stale or self.clock.monotonic() > until:
                break
            self._pause(delay)
            delay = min(delay * 2, 2.0)
        at = self.clock.monotonic()
        present = {token.data for token in found.tokens}
        self._first_seen = {data: self._first_seen.get(data, at) for data in present}
        window = self.store.settle_seconds
        settled = {data for data, first in self._first_seen.items() if at - first > window}
        self._progress = replace(self._progress, settled=frozenset(settled) if window else frozenset(present))
        return snapshot

    def _read_once(self) -> Snapshot:
        delay = 0.3
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                with self._bounded():
                    return self.store.read()
            except DocumentError as error:
                raise self._refusal(error) from None
            except (StoreUnavailable, TookTooLong) as error:
                if attempt == READ_ATTEMPTS:
                    raise RunFailed(f"{_said(error)}. {self._again()}") from None
            except StoreError as error:
                raise RunFailed(f"{error}. {self._again('when that is repaired')}") from None
            self._pause(delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries, hides nothing
            delay *= 2.5
        raise AssertionError("unreachable")

    def _now(self, snapshot: Snapshot) -> datetime:
        """The service's clock where it tells, else the probed door's, else this machine's."""
        if snapshot.time is not None:
            return snapshot.time
        local = self.clock.now()
        if self.probe is not None:
            if self._ahead is None:
                answer = self._ask(None)
                self._ahead = (answer.time - local).total_seconds() if answer.time else 0.0
            return local + timedelta(seconds=self._ahead)
        return local

    def _plan(self, snapshot: Snapshot) -> Plan:
        try:
            wanted = rotation.deliverable(self.intent, snapshot.document)
            self._progress = replace(self._progress, behind=wanted is not None and self._is_behind(wanted))
            return rotation.plan(self.intent, snapshot.document, self._now(snapshot), self.policy, self._progress)
        except DocumentError as error:
            raise self._refusal(error) from None

    def _is_behind(self, wanted: Token) -> bool:
        for sink in self.sinks:
            if sink.readable:
                if self._holding.get(sink.label) != wanted.data:
                    return True
            elif self._served.get(sink.label) != wanted.data and (
                not sink.unasked or isinstance(self.intent, Rollback)
            ):
                return True
        return False

    def _inspect_sinks(self) -> None:
        for sink in self.sinks:
            if sink.readable:
                with self._delivering(sink):
                    self._holding[sink.label] = sink.holds()
        self._progress = replace(self._progress, held=frozenset(data for data in self._holding.values() if data))

    # What to do about it

    def _take(self, step: Step, snapshot: Snapshot) -> None:
        if step.action in WRITES:
            self._write(step, snapshot)
            return
        token = step.token
        if token is None:
            raise AssertionError(f"{step.action} needs a token")
        if step.action == "settle":
            seen = self.clock.monotonic() - self._first_seen[token.data]
            self._pause(self.store.settle_seconds + SETTLE_MARGIN_SECONDS - seen)
        elif step.action == "prove":
            self._prove(token)
        elif step.action == "refuse":
            self._prove_refused(token, snapshot)
        else:
            self._deliver(token)
        if token.data not in self._progress.unrefused:
            self._finished(step)

    def _finished(self, step: Step) -> None:
        self._done.append(step)
        self.report(step)

    def _write(self, step: Step, snapshot: Snapshot) -> None:
        """Write, and believe only what is read back: an answer may be lost after the write was applied."""
        before = snapshot.document
        step = self._with_token(step, snapshot)
        try:
            after = rotation.apply(step, before, self._now(snapshot))
            rotation.check_step(before, after)
        except DocumentError as error:
            raise self._refusal(error) from None
        trouble = ""
        self._wrote = True
        try:
            with self._bounded():
                self.store.write(snapshot, after)
        except StoreConflict as error:
            self._again_or_fail("conflict", CONFLICTS, str(error))
            return
        except (StoreUnavailable, TookTooLong) as error:
            trouble = _said(error)
        except StoreError as error:
            raise RunFailed(f"{error}. {self._again('when that is repaired')}") from None
        self._read_back(step, before, after, trouble)

    def _with_token(self, step: Step, snapshot: Snapshot) -> Step:
        """One token a run: a second attempt to add writes the same one."""
        if step.token is None:
            made = rotation.new_token_time(snapshot.document, self._now(snapshot))
            self._minted = self._minted or mint(made)
            step = replace(step, token=self._minted)
        return step

    def _read_back(self, step: Step, before: TokenDocument, after: TokenDocument, trouble: str) -> None:
        until = self.clock.monotonic() + READ_BACK_SECONDS
        delay = 0.1
        while True:
            found = self._read().document
            if _landed(step, after, found):
                self._outdated.append(before)
                self._note_write(step)
                self._finished(step)
                return
            if not found.same_as(before):
                return  # somebody else wrote: what was planned may be wrong now
            if self.clock.monotonic() > until:
                break
            self._pause(delay)
            delay = min(delay * 2, 2.0)
        self._again_or_fail(
            str(step), WRITE_ATTEMPTS, trouble or f"{self.store.address} does not show what was written"
        )

    def _note_write(self, step: Step) -> None:
        progress, data = self._progress, step.token.data if step.token else ""
        if step.action == "mark":  # the overlap of all that were found begins with this delivery
            self._progress = replace(progress, held=frozenset(), unmarked=False)
        elif step.action == "hold":
            self._progress = replace(progress, held=progress.held - {data})

    def _again_or_fail(self, what: str, attempts: int, why: str) -> None:
        self._attempts[what] += 1
        if self._attempts[what] >= attempts:
            raise RunFailed(f"{why}. {self._again()}")
        self._pause(min(0.2 * 2 ** self._attempts[what], 3.0) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries

    def _deliver(self, token: Token) -> None:
        replaced = set()
        for sink in self.sinks:
            with self._delivering(sink):
                if not sink.readable:
                    if self._served.get(sink.label) != token.data:
                        sink.deliver(token.data)
                    self._served[sink.label] = token.data
                    continue
                held = self._holding.get(sink.label)
                if held != token.data:
                    sink.deliver(token.data)
                    if sink.holds() != token.data:
                        raise SinkError("it does not show what was delivered")
                    self._holding[sink.label] = token.data
                    if held:
                        replaced.add(held)
        progress = self._progress
        self._progress = replace(
            progress, held=progress.held | replaced, delivered=(*progress.delivered, token), unmarked=True
        )

    @contextlib.contextmanager
    def _delivering(self, sink: Sink) -> Iterator[None]:
        try:
            with self._bounded():
                yield
        except (SinkError, TookTooLong) as error:
            raise RunFailed(
                f"{sink.label}: {_said(error)}. No token was disabled. Repair it and run the same command again"
            ) from None

    # What the door says

    def _prove(self, token: Token) -> None:
        proven, last = self._ask_until(token, "accepted", ACCEPTED_SECONDS)
        if not proven:
            raise RunFailed(
                f"{self._url()} does not accept {token.name} ({last}). It was not delivered, and no token was "
                "disabled. See that this is the door of that document, then run the same command again"
            )
        self._progress = replace(self._progress, proven=self._progress.proven | {token.data})

    def _prove_refused(self, token: Token, snapshot: Snapshot) -> None:
        proven, last = self._ask_until(token, "refused", REFUSED_SECONDS)
        if proven:
            self._progress = replace(self._progress, refused=self._progress.refused | {token.data})
            return
        said = marks(token.name)
        since = said.disabled if said else None
        waited = (self._now(snapshot) - since).total_seconds() if since else 0.0
        if last.verdict != "accepted" or waited > UNREFUSED_FAILS_SECONDS or isinstance(self.intent, Revoke):
            raise RunFailed(
                f"{token.name} is disabled in the document, but {self._url()} is not proven to refuse it ({last}). "
                "It was not deleted. See that this is the door of that document, then run the same command again"
            )
        self._progress = replace(self._progress, unrefused=self._progress.unrefused | {token.data})

    def _ask_until(self, token: Token, wanted: Verdict, seconds: float) -> tuple[bool, Answer]:
        """Several equal answers in a row, within the time that there is."""
        until = self.clock.monotonic() + min(seconds, max(self._left() - AFTER_PROOF_SECONDS, 1.0))
        streak, delay = 0, 0.2
        while True:
            answer = self._ask(token.data)
            if answer.verdict == wanted:
                streak += 1
                if streak == IN_A_ROW:
                    return True, answer
                self._pause(0.05)
                continue
            streak = 0
            if self.clock.monotonic() > until:
                return False, answer
            self._pause(delay)
            delay = min(delay * 1.6, 3.0)

    def _ask(self, data: str | None) -> Answer:
        if self.probe is None:
            raise AssertionError("only a run with a door asks it")
        try:
            with self._bounded():
                return self.probe.ask(data)
        except TookTooLong as error:
            return Answer(None, said=_said(error))

    def _url(self) -> str:
        return self.probe.url if self.probe else "the door"

    # How long, and how it ends

    def _left(self) -> float:
        return self.seconds - (self.clock.monotonic() - self._began)

    def _bounded(self) -> contextlib.AbstractContextManager[None]:
        left = self._left()
        if left <= 0:
            raise RunFailed(f"this run has used up its {self.seconds:.0f} s. {self._again()}")
        return self.clock.bounded(min(self.timeout, left))

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self.clock.sleep(min(seconds, max(self._left(), 0.0)))

    def _again(self, when: str = "") -> str:
        state = "What was written so far is safe" if self._wrote else "Nothing was written"
        return f"{state}; run the same command again {when}".rstrip()

    def _refusal(self, error: DocumentError) -> RunFailed | RunRefused:
        if self._wrote:
            return RunFailed(f"{self.store.address}: {error}. {self._again('when that is repaired')}")
        return RunRefused(f"{self.store.address}: {error}. Nothing was changed")


def current_name(document: TokenDocument) -> str | None:
    """The name of the token that clients should use now."""
    current = Generations(document).current
    return current.token.name if current else None


def _landed(step: Step, after: TokenDocument, found: TokenDocument) -> bool:
    """Is what this step was about now as it was written? The rest may have been changed by somebody else since."""
    data = step.token.data if step.token else ""
    wanted, got = after.holding(data), found.holding(data)
    if wanted is None or got is None:
        return wanted is got
    return (wanted.name, wanted.enabled) == (got.name, got.enabled)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
