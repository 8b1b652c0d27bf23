"""The document through its store: read with patience, write, and believe only what is read back. Plans nothing.

A read may fail or be stale, a write may be lost, be applied without an answer, or meet somebody else's.
"""

from __future__ import annotations

import random
import shlex
from collections import Counter

from mcp_faas.lifecycle.clock import TookTooLong
from mcp_faas.lifecycle.run import Run, RunFailed, RunRefused, said
from mcp_faas.planning.vocabulary import PlanRefused, Step
from mcp_faas.stores import Snapshot, StoreConflict, StoreError, StoreUnavailable, TokenStore
from mcp_faas.tokens import DocumentError, Token, TokenDocument

READ_BACK_SECONDS = 8.0  # how long a write may take to be seen
READ_ATTEMPTS, WRITE_ATTEMPTS, CONFLICTS = 4, 3, 12
SETTLE_MARGIN_SECONDS = 0.2


class StoredDocument:
    """One document during one run."""

    def __init__(self, store: TokenStore, run: Run) -> None:
        self._store = store
        self._run = run
        self._clock = run.clock
        self._outdated: list[TokenDocument] = []  # what this run has replaced: seen again, it is a stale read
        self._first_seen: dict[str, float] = {}
        self._same: TokenDocument | None = None
        self._attempts: Counter[str] = Counter()

    def read(self) -> Snapshot:
        """The document now; a read that shows what this run has replaced is repeated for a while."""
        until = self._clock.monotonic() + READ_BACK_SECONDS
        delay = 0.1
        while True:
            snapshot = self._read_once()
            try:
                found = snapshot.document
                stale = any(found.same_as(old) for old in self._outdated)
            except DocumentError as error:
                raise self.refusal(error) from None
            if not stale or self._clock.monotonic() > until:
                break
            self._run.pause(delay)
            delay = min(delay * 2, 2.0)
        at = self._clock.monotonic()
        self._first_seen = {token.data: self._first_seen.get(token.data, at) for token in found.tokens}
        self._read_at = at
        if self._same is None or not found.same_as(self._same):
            self._same, self._same_since = found, at
        return snapshot

    def steady(self) -> bool:
        """Was it read twice the same, further apart than a read may lag behind?"""
        window = self._store.settle_seconds
        return not window or self._read_at - self._same_since > window

    def pause_until_steady(self) -> None:
        self.pause_for_stale_writes(self._clock.monotonic() - self._same_since)

    def settled(self) -> frozenset[str]:
        """The values that are there for longer than somebody's stale write may take, as of the last read."""
        window = self._store.settle_seconds
        return frozenset(
            data for data, first in self._first_seen.items() if not window or self._read_at - first > window
        )

    def settle(self, token: Token) -> None:
        """Wait until a write that is based on a document without this token can no longer arrive."""
        seen = self._clock.monotonic() - self._first_seen[token.data]
        self.pause_for_stale_writes(seen)

    def pause_for_stale_writes(self, seen: float = 0.0) -> None:
        self._run.pause(self._store.settle_seconds + SETTLE_MARGIN_SECONDS - seen)

    def write(self, step: Step, snapshot: Snapshot, after: TokenDocument) -> bool:
        """Did what the step is about land? If not, somebody else wrote or an attempt is left: read and plan anew."""
        if after.same_as(snapshot.document):
            return True  # two marks in one second: the document says it already
        # what was replaced earlier may come back: a token that was lost is added again as it was
        self._outdated = [old for old in self._outdated if not old.same_as(after)]
        trouble = ""
        self._run.wrote = True
        try:
            with self._run.bounded():
                self._store.write(snapshot, after)
        except StoreConflict as error:
            self._again_or_fail("conflict", CONFLICTS, str(error))
            return False
        except (StoreUnavailable, TookTooLong) as error:
            trouble = said(error)
        except StoreError as error:
            raise RunFailed(f"{error}. {self._run.again('when that is repaired')}") from None
        return self._read_back(step, snapshot.document, after, trouble)

    def refusal(self, error: DocumentError) -> RunFailed | RunRefused:
        """A document that must not be written ends the run: refused, unless this run has changed it already."""
        if self._run.wrote:
            return RunFailed(f"{self._store.address}: {error}. {self._run.again('when that is repaired')}")
        ending = "" if self._run.only_reads else f". Nothing was changed{self._remedy(error)}"
        return RunRefused(f"{self._store.address}: {error}{ending}")

    def _remedy(self, error: DocumentError) -> str:
        """The command that helps, where one does, as it can be pasted."""
        if not isinstance(error, PlanRefused) or not error.purpose:
            return ""
        command = shlex.join(["tokens.py", "rotate", self._store.address, *error.options])
        return f". {error.purpose}, with the --probe and --deliver of its other rotations, run: {command}"

    def _read_once(self) -> Snapshot:
        delay = 0.3
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                with self._run.bounded():
                    return self._store.read()
            except DocumentError as error:
                raise self.refusal(error) from None
            except (StoreUnavailable, TookTooLong) as error:
                if attempt == READ_ATTEMPTS:
                    raise RunFailed(f"{said(error)}. {self._run.again()}") from None
            except StoreError as error:
                raise RunFailed(f"{error}. {self._run.again('when that is repaired')}") from None
            self._run.pause(delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries, hides nothing
            delay *= 2.5
        raise AssertionError("unreachable")

    def _read_back(self, step: Step, before: TokenDocument, after: TokenDocument, trouble: str) -> bool:
        """An answer may be lost after the write was applied."""
        until = self._clock.monotonic() + READ_BACK_SECONDS
        delay = 0.1
        while True:
            found = self.read().document
            if _landed(step, after, found):
                self._outdated.append(before)
                return True
            if not found.same_as(before):
                return False  # somebody else wrote: what was planned may be wrong now
            if self._clock.monotonic() > until:
                break
            self._run.pause(delay)
            delay = min(delay * 2, 2.0)
        self._again_or_fail(
            str(step), WRITE_ATTEMPTS, trouble or f"{self._store.address} does not show what was written"
        )
        return False

    def _again_or_fail(self, what: str, attempts: int, why: str) -> None:
        self._attempts[what] += 1
        if self._attempts[what] >= attempts:
            raise RunFailed(f"{why}. {self._run.again()}")
        delay = min(0.2 * 2 ** self._attempts[what], 3.0)
        self._run.pause(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, hides nothing


def _landed(step: Step, after: TokenDocument, found: TokenDocument) -> bool:
    """Is what this step was about now as it was written? The rest may have been changed by somebody else since."""
    data = step.token.data if step.token else ""
    wanted, got = after.holding(data), found.holding(data)
    if wanted is None or got is None:
        return wanted is got
    return (wanted.name, wanted.enabled) == (got.name, got.enabled)
