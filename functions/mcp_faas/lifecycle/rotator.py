"""Carry out plans: read the document, take the first step, read it back, plan anew. `rotation` decides what to do.

Every way in which a service can fail ends in one of four states: done, nothing to do, failed and said why, or refused
before any write. Nothing is remembered between runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mcp_faas import rotation
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.clock import Clock
from mcp_faas.lifecycle.deliveries import Deliveries
from mcp_faas.lifecycle.door import IN_A_ROW, Door
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.lifecycle.run import RUN_SECONDS, Run, RunFailed, RunRefused
from mcp_faas.lifecycle.sinks import Sink
from mcp_faas.lifecycle.stored import StoredDocument
from mcp_faas.rotation import WRITES, Due, Intent, Plan, Policy, Progress, Revoke, Rollback, Rotate, Step
from mcp_faas.stores import Snapshot, TokenStore
from mcp_faas.tokens import DocumentError, Token, TokenDocument, marks, mint

__all__ = ["IN_A_ROW", "Outcome", "Rotator", "RunFailed", "RunRefused", "current_name"]

STEPS = 80  # more than any document needs


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
    tell: Callable[[str], None] = lambda sentence: None  # when a wait begins
    seconds: float = RUN_SECONDS

    def __post_init__(self) -> None:
        self.policy = replace(self.policy, probing=self.probe is not None, settling=self.store.settle_seconds > 0)
        self._run = Run(self.clock, self.seconds, self.timeout)
        self._stored = StoredDocument(self.store, self._run)
        self._deliveries = Deliveries(self.sinks, self._run)
        self._door = Door(self.probe, self._run, self.tell) if self.probe else None
        self._progress = Progress()
        self._done: list[Step] = []
        self._notes: list[str] = []
        self._minted: Token | None = None
        self._told: datetime | None = None  # what the service's clock showed when ours began to count
        self._checked_at_end = True  # nothing was written yet

    def look(self) -> tuple[Snapshot, datetime]:
        """The document, and what time it is."""
        self._run.only_reads = True
        snapshot = self._stored.read()
        return snapshot, self._now(snapshot)

    def preview(self) -> tuple[Plan, Snapshot, datetime]:
        """The plan that a run would begin with; only reads."""
        self._inspect()
        snapshot = self._stored.read()
        return self._plan(snapshot), snapshot, self._now(snapshot)

    def run(self) -> Outcome:
        """Take steps until there are none. Raises RunFailed or RunRefused."""
        self._inspect()
        while len(self._done) < STEPS:
            snapshot = self._stored.read()
            plan = self._plan(snapshot)
            if plan.steps:
                self._take(plan.steps[0], snapshot)
            elif self._must_check_again():
                self._stored.pause_for_stale_writes()
            else:
                note = ". ".join(filter(None, [plan.note, *self._notes]))
                return Outcome(tuple(self._done), plan.due, note, self._now(snapshot), snapshot.document)
        raise RunFailed("the document keeps changing under this run; run it again when the others are done")

    def prepare(self) -> tuple[TokenDocument, Plan]:
        """For a service that does the writing itself: all up to the first write, and the document to be written."""
        self._inspect()
        while True:
            snapshot = self._stored.read()
            plan = self._plan(snapshot)
            step = plan.steps[0] if plan.steps else None
            if step is None:
                return snapshot.document, plan
            if step.action in WRITES:
                step, after = self._applied(step, snapshot)
                self._finished(step)
                return after, plan
            self._take(step, snapshot)

    def _inspect(self) -> None:
        self._progress = replace(self._progress, held=self._deliveries.inspect())

    def _must_check_again(self) -> bool:
        """Without a compare-and-swap, somebody's stale write may bring a revoked token back, after each of ours."""
        if self._checked_at_end or not (self.policy.settling and isinstance(self.intent, Revoke)):
            return False
        self._checked_at_end = True
        return True

    def _now(self, snapshot: Snapshot) -> datetime:
        """The service's clock if it ever told, else the probed door's, else this machine's."""
        if snapshot.time is not None:
            self._told = snapshot.time - timedelta(seconds=self.clock.monotonic())
            return snapshot.time
        if self._told is not None:  # one answer without a Date is no reason to trust another clock
            return self._told + timedelta(seconds=self.clock.monotonic())
        return self._door.now() if self._door else self.clock.now()

    def _plan(self, snapshot: Snapshot) -> Plan:
        try:
            wanted = rotation.deliverable(self.intent, snapshot.document)
            again = isinstance(self.intent, Rollback)
            behind = wanted is not None and self._deliveries.behind(wanted, again=again)
            self._progress = replace(
                self._progress,
                settled=self._stored.settled(),
                behind=behind,
                withdrawn=self._progress.withdrawn | _withdrawn(snapshot.document),
            )
            return rotation.plan(self.intent, snapshot.document, self._now(snapshot), self.policy, self._progress)
        except DocumentError as error:
            raise self._stored.refusal(error) from None

    def _take(self, step: Step, snapshot: Snapshot) -> None:
        if step.action in WRITES:
            if self._may_be_outdated(step) and not self._stored.steady():
                self._stored.pause_until_steady()
                return
            step, after = self._applied(step, snapshot)
            if self._stored.write(step, snapshot, after):
                self._note_write(step)
                self._finished(step)
            return
        token = step.token
        if token is None:
            raise AssertionError(f"{step.action} needs a token")
        if step.action == "settle":
            self._stored.settle(token)
        elif step.action == "prove":
            self._prove_accepted(token)
        elif step.action == "refuse":
            if not self._prove_refused(token, snapshot):
                return
        else:
            self._deliver(token)
        self._finished(step)

    def _may_be_outdated(self, step: Step) -> bool:
        """What this run wrote it knows again; its first read may be older than what others wrote, and undo that."""
        return step.token is None or (not self._run.wrote and isinstance(self.intent, Rotate))

    def _finished(self, step: Step) -> None:
        self._done.append(step)
        self.report(step)

    def _applied(self, step: Step, snapshot: Snapshot) -> tuple[Step, TokenDocument]:
        """The step with the token that it is about, and the document after it, looked at once more."""
        if step.token is None:  # one token a run: a second attempt to add writes the same one
            made = rotation.new_token_time(snapshot.document, self._now(snapshot))
            self._minted = self._minted or mint(made)
            step = replace(step, token=self._minted)
        try:
            after = rotation.apply(step, snapshot.document, self._now(snapshot))
            rotation.check_step(snapshot.document, after)
        except DocumentError as error:
            raise self._stored.refusal(error) from None
        return step, after

    def _note_write(self, step: Step) -> None:
        self._checked_at_end = False
        progress, data = self._progress, step.token.data if step.token else ""
        if step.action == "mark":  # the overlap of all that were found begins with this delivery
            self._progress = replace(progress, held=frozenset(), unmarked=False)
        elif step.action == "hold":
            self._progress = replace(progress, held=progress.held - {data})
        elif step.action == "disable":  # it may have been enabled again since the door was asked
            self._progress = replace(progress, refused=progress.refused - {data})
        elif step.action == "revoke":
            self._progress = replace(progress, revoked=True)

    def _deliver(self, token: Token) -> None:
        replaced = self._deliveries.deliver(token)
        progress = self._progress
        self._progress = replace(
            progress, held=progress.held | replaced, delivered=(*progress.delivered, token), unmarked=True
        )

    def _prove_accepted(self, token: Token) -> None:
        self._asked().prove_accepted(token)
        self._progress = replace(self._progress, proven=self._progress.proven | {token.data})

    def _prove_refused(self, token: Token, snapshot: Snapshot) -> bool:
        said = marks(token.name)
        disabled_for = self._now(snapshot) - said.disabled if said and said.disabled else timedelta(0)
        later_will_do = not isinstance(self.intent, Revoke)
        progress, value = self._progress, frozenset({token.data})
        if self._asked().prove_refused(token, disabled_for, later_will_do=later_will_do):
            self._progress = replace(progress, refused=progress.refused | value)
            return True
        self._progress = replace(progress, unrefused=progress.unrefused | value)
        self._notes.append(self._asked().still_accepts(token))
        return False

    def _asked(self) -> Door:
        if self._door is None:
            raise AssertionError("only a run with a door asks it")
        return self._door


def _withdrawn(document: TokenDocument) -> frozenset[str]:
    """The tokens that somebody took out of service, or is about to."""
    entries = Generations(document).all
    return frozenset(entry.token.data for entry in entries if entry.marks.revoked or not entry.token.enabled)


def current_name(document: TokenDocument) -> str | None:
    """The name of the token that clients should use now."""
    current = Generations(document).current
    return current.token.name if current else None
