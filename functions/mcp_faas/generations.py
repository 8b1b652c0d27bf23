"""Sort the tokens of a document that this tool made into the one in use, the one coming and those before it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mcp_faas.tokens import Marks, Token, TokenDocument, is_ours, marks

State = Literal["current", "added", "retiring", "disabled", "foreign"]


@dataclass(frozen=True)
class Entry:
    """A token of ours, and what its name says."""

    token: Token
    marks: Marks

    @property
    def made(self) -> tuple[datetime, str]:
        return (self.marks.created, self.token.name)

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """Of deliveries: the greatest is the current token, for every reader of the same document."""
        return (self.marks.delivered or self.marks.created, self.marks.created, self.token.name)


class Generations:
    """Our tokens in a document, sorted into the one in use, the one coming, and those before it."""

    def __init__(self, document: TokenDocument, without: str = "") -> None:
        self.all = [
            Entry(token, said)
            for token in document.tokens
            if is_ours(token) and token.data != without and (said := marks(token.name))
        ]
        enabled = [entry for entry in self.all if entry.token.enabled]
        self.delivered = [entry for entry in enabled if entry.marks.delivered]
        self.current = max(self.delivered, key=lambda entry: entry.order, default=None)
        known = [entry.marks.created for entry in self.all if entry.marks.delivered]
        waiting = [
            entry
            for entry in enabled
            if not entry.marks.delivered
            and not entry.marks.revoked
            and all(entry.marks.created > created for created in known)
        ]
        self.pending = max(waiting, key=lambda entry: entry.made, default=None)
        self.superseded = [entry for entry in enabled if entry not in (self.current, self.pending)]
        self.disabled = [entry for entry in self.all if not entry.token.enabled]

    def superseded_at(self, entry: Entry) -> datetime | None:
        """Since when the clients of this token have had a newer one; None while they have not."""
        since = self.replaced_at(entry)
        return max(since, entry.marks.held) if since and entry.marks.held else since

    def replaced_at(self, entry: Entry) -> datetime | None:
        """Since when there has been a newer one, whoever was found with this one after that."""
        if entry.marks.delivered:
            later = [other.marks.delivered for other in self.delivered if other.order > entry.order]
        elif entry.marks.revoked:  # nobody was ever to have it
            later = [entry.marks.revoked]
        else:  # nobody should have it, but a run may have been killed between delivering and saying so
            later = [other.marks.delivered for other in self.delivered if other.made > entry.made]
        moments = [moment for moment in later if moment]
        return min(moments, default=None)

    def state(self, token: Token) -> State:
        """One word for a person."""
        for entry in self.all:
            if entry.token.data == token.data:
                if entry in self.disabled:
                    return "disabled"
                return "current" if entry == self.current else "added" if entry == self.pending else "retiring"
        return "foreign"

    def newest_creation(self) -> datetime | None:
        return max((entry.marks.created for entry in self.all), default=None)


def find(document: TokenDocument, name: str) -> Token | None:
    """The token of this name, or the one of ours that had this name before its marks changed."""
    for token in document.tokens:
        if token.name == name:
            return token
    said = marks(name)
    for token in document.tokens:
        other = marks(token.name)
        if said and other and said.same_token(other):
            return token
    return None
