"""Clients that the operator has not entered: as they registered, or as their documents describe them. PURE.

Who has registered waits in a place, which somebody who registers later may get; with the first login a client is known,
and has a place of its own. So strangers fill the places and no more, and turn nobody away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

UNUSED_SECONDS = 24 * 3600
USED_SECONDS = 90 * 24 * 3600
SECRET_SECONDS = 90 * 24 * 3600
COPY_SECONDS = 7 * 24 * 3600  # for which a copy stands in for a document that nobody has been able to see since
CROSSED_SECONDS = 60  # a newer look that ended before; by more than that it was a clock that was wrong
USE_NOTED_SECONDS = 24 * 3600  # not every use costs a write
REGISTERED_PREFIX = "client-"
PLACE_CHARACTERS = 3  # of 64 kinds: 262,144 places


@dataclass(frozen=True)
class RegisteredClient:
    """A client's metadata as it was answered to its registration, without the secret, or as its document has it."""

    KIND: ClassVar[str] = "client"

    client_id: str
    metadata: Mapping[str, Any]
    registered_at: int  # or when this was seen in its document
    secret: str | None = field(default=None, repr=False)  # digest; None for a public client
    secret_expires_at: int = 0  # RFC 7591 §3.2.1; 0 without a secret
    used_at: int | None = None
    withdrawn: bool = False  # its document was gone or wrong when it was fetched last

    @property
    def keep_until(self) -> int:
        until = self.registered_at + UNUSED_SECONDS if self.used_at is None else self.used_at + USED_SECONDS
        return min(until, self.secret_expires_at or until)


def place(client_id: str) -> str:
    """Where a registered client waits for its first login; its id is random, so nobody can choose whose place."""
    return client_id[: len(REGISTERED_PREFIX) + PLACE_CHARACTERS]


def look(client: RegisteredClient | None, client_id: str, now: int) -> RegisteredClient | None:
    """The client, if it is the one that is meant and has not expired: a storage may still have it."""
    return client if client is not None and client.client_id == client_id and now < client.keep_until else None


def use(known: RegisteredClient | None, latest: RegisteredClient, now: int) -> RegisteredClient:
    """The record of a client that somebody uses now: kept for longer. What it says of the client stays as it is."""
    if known is None or known.used_at is None:
        return replace(latest, used_at=now)
    return known if 0 <= now - known.used_at < USE_NOTED_SECONDS else replace(known, used_at=now)


def see(known: RegisteredClient | None, document: Mapping[str, Any] | None, began: int) -> RegisteredClient | None:
    """The copy of a known client's document, once a fetch has ended that `began` then; None is one gone or wrong."""
    if known is None:
        return None
    if 0 < known.registered_at - began < CROSSED_SECONDS:
        return known
    if document is None:
        return known if known.withdrawn else replace(known, withdrawn=True, registered_at=began)
    if known.metadata == document and not known.withdrawn and began - known.registered_at < USE_NOTED_SECONDS:
        return known
    return replace(known, metadata=document, withdrawn=False, registered_at=began)


def stands_in(copy: RegisteredClient, now: int) -> bool:
    """May a login begin with this copy, while the document itself cannot be had?"""
    return not copy.withdrawn and now < copy.registered_at + COPY_SECONDS
