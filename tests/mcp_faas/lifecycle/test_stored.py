"""One document during one run, through a store whose every answer a test has written down; time moves by sleeping."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from mcp_faas.lifecycle.run import Run, RunFailed, RunRefused
from mcp_faas.lifecycle.stored import CONFLICTS, READ_ATTEMPTS, READ_BACK_SECONDS, WRITE_ATTEMPTS, StoredDocument
from mcp_faas.planning.vocabulary import Step
from mcp_faas.stores import Snapshot, StoreConflict, StoreError, StoreUnavailable
from mcp_faas.tokens import DocumentError, Token, TokenDocument, mint
from rotating.clock import FastClock

FOREIGN = Token("printer", True, "foreign-" + "v" * 40)
NEW = mint(datetime(2026, 11, 22, tzinfo=timezone.utc))
BEFORE = TokenDocument((FOREIGN,))
AFTER = BEFORE.adding(NEW)
OTHER = BEFORE.adding(mint(datetime(2026, 11, 23, tzinfo=timezone.utc)))
ADD = Step("add", NEW)

Answer = TokenDocument | Exception


class Script:
    """A store that gives these answers to reads and writes; the last one of each for ever."""

    address = "the scripted document"

    def __init__(self, reads: list[Answer], writes: list[Exception | None] | None = None, settle: float = 0.0) -> None:
        self.settle_seconds = settle
        self._reads, self._writes = reads, writes or [None]
        self.asked = self.written = 0

    def read(self) -> Snapshot:
        self.asked += 1
        answer = self._reads.pop(0) if len(self._reads) > 1 else self._reads[0]
        if isinstance(answer, Exception):
            raise answer
        return Snapshot(answer.dump())

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        self.written += 1
        answer = self._writes.pop(0) if len(self._writes) > 1 else self._writes[0]
        if answer:
            raise answer


def stored(script: Script) -> tuple[StoredDocument, Run]:
    run = Run(FastClock(), 110.0, 10.0)
    return StoredDocument(script, run), run


def until_it_ends(document: StoredDocument) -> int:
    """How many writes it takes, as the rotator goes on while they do not land."""
    for attempt in range(1, 100):
        if document.write(ADD, document.read(), AFTER):
            return attempt
    raise AssertionError("no end")


def test_a_read_is_asked_for_again_when_the_service_does_not_answer() -> None:
    script = Script([*[StoreUnavailable("silent")] * (READ_ATTEMPTS - 1), BEFORE])
    assert stored(script)[0].read().document.same_as(BEFORE)
    assert script.asked == READ_ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "asked", "said"),
    [
        (StoreUnavailable("silent"), READ_ATTEMPTS, "silent. Nothing was written; run the same command again"),
        (StoreError("denied"), 1, "denied. Nothing was written; run the same command again when that is repaired"),
    ],
)
def test_a_read_that_fails_for_good_says_what_to_do(answer: Exception, asked: int, said: str) -> None:
    script = Script([answer])
    with pytest.raises(RunFailed) as caught:
        stored(script)[0].read()
    assert (str(caught.value), script.asked) == (said, asked)


def test_a_document_that_is_not_understood_is_refused_before_a_write_and_a_failure_after_one() -> None:
    document, _ = stored(Script([BEFORE, AFTER, DocumentError("masked")]))
    document.write(ADD, document.read(), AFTER)
    with pytest.raises(RunFailed, match=r"masked\. What was written so far is safe"):
        document.read()
    with pytest.raises(RunRefused, match=r"masked\. Nothing was changed"):
        stored(Script([DocumentError("masked")]))[0].read()


def test_a_lost_answer_is_found_by_reading_back() -> None:
    script = Script([BEFORE, AFTER], [StoreUnavailable("no answer")])
    assert until_it_ends(stored(script)[0]) == 1
    assert script.written == 1


def test_a_write_is_waited_for_before_it_is_sent_again() -> None:
    document, run = stored(Script([BEFORE]))
    began = run.clock.monotonic()
    assert document.write(ADD, document.read(), AFTER) is False
    assert run.clock.monotonic() - began > READ_BACK_SECONDS


@pytest.mark.parametrize(
    ("answer", "why"),
    [(StoreUnavailable("no answer"), "no answer"), (None, "the scripted document does not show what was written")],
)
def test_a_write_that_never_shows_is_a_failure(answer: Exception | None, why: str) -> None:
    script = Script([BEFORE], [answer])
    with pytest.raises(RunFailed, match=f"^{why}. What was written so far is safe; run the same command again$"):
        until_it_ends(stored(script)[0])
    assert script.written == WRITE_ATTEMPTS


def test_somebody_elses_write_is_planned_from_at_once() -> None:
    document, run = stored(Script([BEFORE, OTHER]))
    began = run.clock.monotonic()
    assert document.write(ADD, document.read(), AFTER) is False
    assert run.clock.monotonic() - began < 1


@pytest.mark.parametrize(("times", "ends"), [(CONFLICTS - 1, True), (CONFLICTS, False)])
def test_conflicts_are_borne_for_a_while(times: int, ends: bool) -> None:
    script = Script([BEFORE, *[BEFORE] * times, AFTER], [*[StoreConflict("changed meanwhile")] * times, None])
    attempt: Callable[[], int] = lambda: until_it_ends(stored(script)[0])  # noqa: E731 - one of two is raised
    if ends:
        assert attempt() == CONFLICTS
    else:
        with pytest.raises(RunFailed, match=r"^changed meanwhile\. What was written so far is safe"):
            attempt()


def test_a_write_that_is_not_allowed_is_not_tried_again() -> None:
    script = Script([BEFORE], [StoreError("denied")])
    with pytest.raises(RunFailed, match=r"denied\. What was written so far is safe; run .* when that is repaired"):
        until_it_ends(stored(script)[0])
    assert script.written == 1


def test_a_write_that_changes_nothing_does_not_go_out() -> None:
    script = Script([BEFORE])
    document, run = stored(script)
    assert document.write(Step("mark", FOREIGN), document.read(), BEFORE) is True
    assert (script.written, run.wrote) == (0, False)


def test_a_token_is_settled_when_it_was_seen_for_longer_than_a_stale_write_takes() -> None:
    document, run = stored(Script([AFTER, AFTER, AFTER, BEFORE, AFTER], settle=2.0))
    document.read()
    assert document.settled() == frozenset()
    run.pause(1.9)
    document.read()
    assert document.settled() == frozenset()
    document.settle(NEW)
    document.read()
    assert document.settled() == {FOREIGN.data, NEW.data}
    document.read()
    document.read()
    assert document.settled() == {FOREIGN.data}, "what was away begins anew"
    document, _ = stored(Script([AFTER]))
    document.read()
    assert document.settled() == {FOREIGN.data, NEW.data}, "with a compare-and-swap there is nothing to wait for"
