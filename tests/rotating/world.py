"""A door, its document and a client that follows the rules; whoever breaks a promise to that client is told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lifecycle.sinks import FileSink
from mcp_faas.lifecycle.probe import Answer, Probe
from mcp_faas.lifecycle.rotator import Outcome, Rotator, RunFailed, RunRefused
from mcp_faas.rotation import Intent, Policy, Rotate
from mcp_faas.stores import Snapshot, TokenStore
from mcp_faas.tokens import Marks, Token, TokenDocument, from_object, is_ours, marks, mint
from rotating.clock import FastClock

OVERLAP = timedelta(hours=24)
POLICY = Policy(max_age=timedelta(days=30), overlap=OVERLAP)
FOREIGN = Token("printer", True, "foreign-" + "v" * 40)


class Killed(BaseException):
    """As SIGKILL: nothing of the run's own is executed after it."""


class KillableStore:
    """Another store, with a point before and after each call at which the run may be killed."""

    def __init__(self, world: World, store: TokenStore) -> None:
        self.address = store.address
        self.settle_seconds = store.settle_seconds
        self._world = world
        self._store = store

    def read(self) -> Snapshot:
        with self._world.points():
            return self._store.read()

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        with self._world.points():
            self._store.write(snapshot, document)


class DocumentProbe(Probe):
    """A gateway that obeys the document, as far as a probe can see it."""

    def __init__(self, world: World) -> None:
        super().__init__("http://127.0.0.1/mcp", 1.0)
        self._world = world

    def ask(self, token: str | None) -> Answer:
        with self._world.points():
            self._world.look()
            return Answer(200 if token in self._world.accepted() else 401)


class WatchedSink(FileSink):
    """A file that remembers until when each token that was in it must open the door."""

    def __init__(self, world: World, path: Path) -> None:
        super().__init__(f"file:{path}", path, 5.0)
        self._world = world

    def deliver(self, token: str) -> None:
        before = self.holds()
        with self._world.points():
            super().deliver(token)
            if before and before != token:
                self._world.promised[before] = self._world.clock.true_time() + self._world.overlap.total_seconds()
            self._world.look()


@dataclass
class World:
    """`look` checks the promises at this instant; services call it before every call."""

    service: Any
    clock: FastClock
    folder: Path
    overlap: timedelta = OVERLAP
    promised: dict[str, float] = field(default_factory=dict)  # values and until when they must be let in
    seen: set[str] = field(default_factory=set)  # every value of ours that was ever in the document
    looks: int = 0
    revoked: set[str] = field(default_factory=set)  # a person took these out of service
    passed: int = 0  # points at which a run could have been killed
    kill_at: int | None = None

    def __post_init__(self) -> None:
        self.sink = WatchedSink(self, self.folder / "delivered")
        self.sinks = [self.sink]

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.true_time(), timezone.utc)

    @contextmanager
    def points(self) -> Iterator[None]:
        """A point before and one after."""
        self._point()
        yield
        self._point()

    def _point(self) -> None:
        if self.passed == self.kill_at:
            self.kill_at = None
            raise Killed
        self.passed += 1

    def begin(self, *tokens: Token) -> None:
        """This document, and a client with the last token in it."""
        self.service.put(TokenDocument((FOREIGN, *tokens)).to_object())
        for old in self.folder.glob("*delivered*"):
            old.unlink()
        self.promised.clear()
        self.seen.clear()
        if tokens:
            FileSink.deliver(self.sink, tokens[-1].data)

    def old_token(self, age: timedelta = timedelta(days=40)) -> Token:
        token = mint(self.now - age)
        said = marks(token.name)
        assert said
        return Token(Marks(said.created, said.fingerprint, said.created).name(), True, token.data)

    def document(self) -> TokenDocument:
        return from_object(self.service.truth())

    def accepted(self) -> set[str]:
        return {token.data for token in self.document().live()}

    def look(self) -> None:
        """Every promise, now."""
        self.looks += 1
        document = self.document()
        accepted = {token.data for token in document.live()}
        self.seen |= {token.data for token in document.tokens if is_ours(token)}
        kept = [token for token in document.tokens if token.data == FOREIGN.data]
        assert [token.dump() for token in kept] == [FOREIGN.dump()], "a foreign token was touched"
        assert len(document.tokens) <= 20
        for sink in self.sinks:
            held = sink.holds()
            assert held is None or held in accepted or held in self.revoked, "a client is refused"
        for value, until in self.promised.items():
            if self.clock.true_time() < until and value not in self.revoked:
                assert value in accepted, "a token went before the overlap was over"

    def rotator(
        self, store: TokenStore, intent: Intent | None = None, *, policy: Policy = POLICY, probing: bool = True,
        timeout: float = 10.0, sinks: list[Any] | None = None,
    ) -> Rotator:  # fmt: skip
        probe = DocumentProbe(self) if probing else None
        chosen = self.sinks if sinks is None else sinks
        return Rotator(store, intent or Rotate(), policy, chosen, probe, timeout, self.clock)

    def run(self, store: TokenStore, intent: Intent | None = None, **more: Any) -> Outcome | RunFailed | RunRefused:
        """One run, however it ends."""
        try:
            return self.rotator(store, intent, **more).run()
        except (RunFailed, RunRefused) as error:
            return error
        finally:
            self.look()
