"""What every storage of the authorization server promises, and how an address finds its storage. No rule enters here.

A record is JSON under a kind and a key, with a version that each write changes. That one conditional write is all that
the rules need: they are pure functions (`records/`), and `keeping.py` carries them out. A storage is imported when an
address asks for it, so that an artifact and a start-up carry only their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from mcp_faas.stores import AddressError

ADDRESS_FORMS = ("sqlite:PATH", "dynamodb://REGION/TABLE")
RETRY_AFTER_SECONDS = 2

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"


class StorageUnavailable(Exception):
    """No usable answer: throttled, failing, unreachable, not allowed. A caller hears 503, never yes or no.

    A write that ended so may have been applied all the same. The message is for the log and holds no record and no key.
    """


@dataclass(frozen=True)
class Stored:
    """A record as one read found it. It may have expired: a storage removes when it gets to it."""

    record: Mapping[str, Json] = field(repr=False)
    version: str
    expires_at: int


class Storage(Protocol):
    """Versioned records. Every method may raise `StorageUnavailable`."""

    def create(self, kind: str, key: str, record: Mapping[str, Json], expires_at: int) -> bool:
        """Put a record where there is none; False if there is one, expired or not."""

    def read(self, kind: str, key: str) -> Stored | None:
        """What is there now, whoever wrote it. The caller judges expiry by its own clock, too."""

    def replace(self, kind: str, key: str, stored: Stored, record: Mapping[str, Json], expires_at: int) -> bool:
        """Put a record in the place of the one that was read; False if that has changed since. Of many, one wins."""

    def close(self) -> None:
        """Let go of files and connections."""


def open_storage(address: str, clock: Callable[[], float] = time.time) -> Storage:
    """The storage at an address. AddressError names the address and the forms that there are."""
    scheme, found, rest = address.partition(":")
    if scheme == "sqlite" and found and rest:
        from authorization_server.storage.sqlite import SqliteStorage

        return SqliteStorage(rest, clock)
    region, slash, table = rest.removeprefix("//").partition("/")
    if scheme == "dynamodb" and rest.startswith("//") and region and slash and table and "/" not in table:
        from authorization_server.storage.dynamodb import DynamoDbStorage

        return DynamoDbStorage(region, table)
    raise AddressError(f"{address!r} is no address of a storage; the forms are: {', '.join(ADDRESS_FORMS)}")
