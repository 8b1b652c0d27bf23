"""The token document as a door sees it: fresh, stale, broken, gone; with a clock and a store of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mcp_faas.documents import FRESH_SECONDS, GRACE_SECONDS, RETRY_SECONDS, DocumentUnavailable, TokenDocuments
from mcp_faas.stores import StoreUnavailable
from mcp_faas.tokens import DocumentError, Token, TokenDocument

OLD = TokenDocument((Token("old", True, "o" * 40), Token("off", False, "f" * 40)))
NEW = TokenDocument((Token("new", True, "n" * 40),))


@dataclass
class World:
    """A store that gives, or raises, what it is told to, and a clock that stands still."""

    gives: TokenDocument | Exception = OLD
    now: float = 1_000_000.0
    reads: int = 0
    documents: TokenDocuments = field(init=False)

    def __post_init__(self) -> None:
        self.documents = TokenDocuments(self.read, clock=lambda: self.now)

    def read(self) -> TokenDocument:
        self.reads += 1
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    def names(self, *, newer: bool = False) -> list[str]:
        return [token.name for token in self.documents.tokens(newer=newer)]


def test_only_tokens_that_open_the_door_are_given() -> None:
    assert World().names() == ["old"]


def test_document_is_read_once_while_it_is_fresh() -> None:
    world = World()
    for _ in range(100):
        world.names()
    world.now += FRESH_SECONDS
    world.names()
    assert world.reads == 1


def test_revoked_token_is_gone_after_the_fresh_time() -> None:
    world = World()
    world.names()
    world.gives = NEW
    world.now += FRESH_SECONDS + 1
    assert world.names() == ["new"]


def test_unknown_tokens_cause_one_read_in_a_while() -> None:
    world = World()
    world.names()
    world.now += RETRY_SECONDS
    world.gives = NEW
    assert world.names(newer=True) == ["new"]
    for _ in range(100):
        world.names(newer=True)
    assert world.reads == 2


def test_store_that_does_not_answer_is_bridged_for_a_bounded_time() -> None:
    world = World()
    world.names()
    world.gives = StoreUnavailable("throttled")
    world.now += GRACE_SECONDS
    assert world.names() == ["old"]
    world.now += RETRY_SECONDS
    with pytest.raises(DocumentUnavailable):
        world.names()
    world.now += RETRY_SECONDS
    world.gives = NEW
    assert world.names() == ["new"]


def test_document_that_is_none_closes_the_door_at_once() -> None:
    world = World()
    world.names()
    world.gives = DocumentError("not JSON")
    world.now += FRESH_SECONDS + 1
    with pytest.raises(DocumentUnavailable):
        world.names()


def test_clock_that_goes_back_makes_nothing_fresh() -> None:
    world = World()
    world.names()
    world.gives = NEW
    world.now -= 3600
    assert world.names() == ["new"]


def test_failing_store_is_not_hammered() -> None:
    world = World(gives=StoreUnavailable("down"))
    for _ in range(100):
        with pytest.raises(DocumentUnavailable):
            world.names()
    assert world.reads == 1
