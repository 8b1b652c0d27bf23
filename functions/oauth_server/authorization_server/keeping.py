"""Carry a rule of `records/` out on a storage: read, decide, write only if nothing has changed, else decide again."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from authorization_server.records import Record, RecordBroken, dump, parse
from authorization_server.storage import Storage, StorageUnavailable, Stored

ATTEMPTS = 12  # each time somebody else has won; nearly every contest is over after two
LONGEST_PAUSE_SECONDS = 0.05
logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def keep(storage: Storage, key: str, record: Record) -> bool:
    """Put a new record under this key; False if there is one."""
    return storage.create(record.KIND, key, dump(record), record.keep_until)


def find(storage: Storage, kind: type[R], key: str) -> R | None:
    """The record under this key, which may have expired."""
    return _parsed(kind, storage.read(kind.KIND, key))


def change(storage: Storage, kind: type[R], key: str, rule: Callable[[R | None], tuple[R | None, T]]) -> T:
    """The outcome of a rule, once what it changes is stored. Raises `StorageUnavailable` if that cannot be said.

    The rule may be asked several times, each time about the record as it is then; it must do nothing but decide.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(LONGEST_PAUSE_SECONDS * secrets.randbelow(1000) / 1000)  # so that the losers spread out
        stored = storage.read(kind.KIND, key)
        before = _parsed(kind, stored)
        after, outcome = rule(before)
        if after is None or after == before:
            return outcome
        if stored is None:
            done = storage.create(kind.KIND, key, dump(after), after.keep_until)
        else:
            done = storage.replace(kind.KIND, key, stored, dump(after), after.keep_until)
        if done:
            return outcome
    raise StorageUnavailable(f"a {kind.KIND} was changed by others {ATTEMPTS} times in a row")


def _parsed(kind: type[R], stored: Stored | None) -> R | None:
    """The record; none if it cannot be read, which a rule answers as one that is gone: people log in again.

    It never mends itself, so 503 would have its client wait for ever, after a roll-back above all. /revoke looks
    further: it must not call a grant ended that is only not to be read here.
    """
    if stored is None:
        return None
    try:
        return parse(kind, stored.record)
    except RecordBroken as error:
        logger.error("%s; it counts as if it were not there", error)  # noqa: TRY400 - a traceback adds nothing
        return None
