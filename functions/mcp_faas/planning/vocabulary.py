"""The words that plans are made of: intents, policy, progress, steps. Data only: nothing is decided here, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from mcp_faas.tokens import MAX_TOKENS, DocumentError, Token

Action = Literal["add", "settle", "prove", "deliver", "mark", "hold", "disable", "refuse", "delete", "revoke", "return"]

# A revoked token stays in a document without a compare-and-swap, disabled, until each run that may have handed it out
# has seen that or has ended: none lasts longer.
KEPT = timedelta(seconds=120)

WRITES = ("add", "mark", "hold", "disable", "delete", "revoke", "return")

_WORDS: dict[str, str] = {
    "add": "add {}",
    "settle": "see that {} is still there when no older write can arrive any more",
    "prove": "prove that the door accepts {}",
    "deliver": "deliver {}",
    "mark": "note in the document that {} is delivered",
    "hold": "note in the document that a client still has {}, which restarts its overlap",
    "disable": "disable {}",
    "refuse": "prove that the door refuses {}",
    "delete": "delete {}",
    "revoke": "note in the document that {} is revoked",
    "return": "make {} the current token again",
}


class PlanRefused(DocumentError):
    """Nothing may be done here, and why; nothing was changed.

    `purpose` and `options` are of a rotation that helps: whoever knows the document's address can say the command.
    """

    def __init__(self, why: str, purpose: str = "", options: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.purpose = purpose
        self.options = options


@dataclass(frozen=True)
class Policy:
    """When a token is replaced, and how long the old one lives on."""

    max_age: timedelta = timedelta(days=30)
    overlap: timedelta = timedelta(hours=24)
    probing: bool = False  # is there a door to ask?
    settling: bool = False  # has the store no compare-and-swap?
    delivering: bool = True  # is there a place to deliver to? Else a new token waits for a run that has one


@dataclass(frozen=True)
class Rotate:
    """Replace the current token when it is old, and retire those before it."""


@dataclass(frozen=True)
class Mint:
    """Add a token now, whatever the age of the current one."""


@dataclass(frozen=True)
class Revoke:
    """Take one token out of service: with the next rotation, or at once."""

    name: str
    at_once: bool = False


@dataclass(frozen=True)
class Rollback:
    """Go back to the token before the current one."""


Intent = Rotate | Mint | Revoke | Rollback


@dataclass(frozen=True)
class Progress:
    """What this run has seen so far and the document cannot tell. Holds values, so it is never printed."""

    settled: frozenset[str] = field(default=frozenset(), repr=False)  # there for longer than a stale write may take
    proven: frozenset[str] = field(default=frozenset(), repr=False)  # accepted by the door
    refused: frozenset[str] = field(default=frozenset(), repr=False)  # refused by the door
    unrefused: frozenset[str] = field(default=frozenset(), repr=False)  # disabled, and the door has not noticed yet
    delivered: tuple[Token, ...] = field(default=(), repr=False)  # in every place where this run delivers
    held: frozenset[str] = field(default=frozenset(), repr=False)  # found where this run delivers, before it did
    withdrawn: frozenset[str] = field(default=frozenset(), repr=False)  # seen disabled, or marked as revoked
    unmarked: bool = False  # it delivered, and has not written that into the document since
    behind: bool = False  # a place where this run delivers does not hold the current token
    revoked: bool = False  # it has written into the document that a token is revoked


@dataclass(frozen=True)
class Step:
    """One small thing to do to one token; `str` says it without a secret."""

    action: Action
    token: Token | None = None  # None: one that is still to be minted

    def __str__(self) -> str:
        return _WORDS[self.action].format(self.token.name if self.token else "a new token")


@dataclass(frozen=True)
class Due:
    """Something that a later run will do, and when."""

    action: Action
    name: str
    at: datetime | None  # None: when the door has noticed


@dataclass(frozen=True)
class Plan:
    """The steps that a run would take now, and what is due after it."""

    steps: tuple[Step, ...] = ()
    due: tuple[Due, ...] = ()
    note: str = ""


def full(count: int) -> PlanRefused:
    """Why one more token is not added."""
    return PlanRefused(
        f"the document holds {count} tokens and one more is needed, but a trigger takes {MAX_TOKENS}. Delete tokens "
        "that nobody uses, or let the overlap be shorter than the age"
    )
