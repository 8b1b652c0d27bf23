"""Clients that have registered themselves, how long they are kept, and how many may come in an hour. PURE.

A client that nobody has logged in with is gone after a day, so a flood of registrations leaves at most a day's quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from authorization_server.records import Refused

UNUSED_SECONDS = 24 * 3600
USED_SECONDS = 90 * 24 * 3600
USE_NOTED_SECONDS = 24 * 3600  # not every use costs a write
HOUR_SECONDS = 3600


@dataclass(frozen=True)
class RegisteredClient:
    """A client of RFC 7591: its metadata as it was answered, without the secret."""

    KIND: ClassVar[str] = "client"

    metadata: Mapping[str, Any]
    registered_at: int
    secret: str | None = field(default=None, repr=False)  # digest; None for a public client
    secret_expires_at: int = 0  # as RFC 7591 has it: 0 is never, which is as long as the client is kept
    used_at: int | None = None

    @property
    def keep_until(self) -> int:
        if self.used_at is None:
            return self.registered_at + UNUSED_SECONDS
        return self.used_at + USED_SECONDS


def look(client: RegisteredClient | None, now: int) -> RegisteredClient | Refused:
    """The client, if it has not expired: a storage may still have it."""
    if client is None or now >= client.keep_until:
        return Refused("invalid_client", "client_unknown" if client is None else "client_expired")
    return client


def use(client: RegisteredClient | None, now: int) -> tuple[RegisteredClient | None, RegisteredClient | Refused]:
    """Note that somebody has logged in with this client, which prolongs it."""
    found = look(client, now)
    if isinstance(found, Refused):
        return client, found
    if found.used_at is not None and now - found.used_at < USE_NOTED_SECONDS:
        return found, found
    used = replace(found, used_at=now)
    return used, used


@dataclass(frozen=True)
class Quota:
    """How many have registered in one hour, all of them together: an address of a caller proves nothing."""

    KIND: ClassVar[str] = "quota"

    hour: int
    taken: int

    @property
    def keep_until(self) -> int:
        return (self.hour + 1) * HOUR_SECONDS


def hour(now: int) -> int:
    """The hour that a moment is in; its quota's key."""
    return now // HOUR_SECONDS


def take(quota: Quota | None, most: int, now: int) -> tuple[Quota | None, int]:
    """Take one registration of this hour. Gives the seconds to wait for the next hour, 0 if one was left."""
    this = hour(now)
    quota = quota if quota is not None and quota.hour == this else None
    taken = quota.taken if quota else 0
    if taken >= most:
        return quota, (this + 1) * HOUR_SECONDS - now
    return Quota(this, taken + 1), 0
