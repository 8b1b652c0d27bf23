"""Records in one SQLite file: for development, and for one machine. Of several machines each would have its own truth.

The file is its owner's alone; so are the two that SQLite keeps beside it, which take over the file's mode.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from authorization_server.storage import Json, StorageUnavailable, Stored
from mcp_faas.stores.private_file import OWNER_ONLY

BUSY_SECONDS = 5.0  # what a write waits for another process's
PURGE_SECONDS = 60.0  # expired rows go at the first write after this time

_TABLE = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, key TEXT NOT NULL, record TEXT NOT NULL, version TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""
_INDEX = "CREATE INDEX IF NOT EXISTS records_by_expiry ON records (expires_at)"


class SqliteStorage:
    """One connection, which the threads of a process share under a lock; processes share the file."""

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self._path = Path(path).expanduser()
        self._clock = clock
        self._lock = threading.Lock()
        self._purged_at = float("-inf")
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
            self._path.chmod(OWNER_ONLY)
        except OSError as error:
            said = f"{self._path} cannot be written: {error.strerror}; name a file in a folder that this user can write"
            raise StorageUnavailable(said) from None
        with self._telling():
            # no transactions of Python's own: each begins where it is written below
            self._database = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._telling():
                self._database.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
                self._database.execute("PRAGMA synchronous = FULL")  # a code stays redeemed when the power fails
                self._database.execute(_TABLE)
                self._database.execute(_INDEX)
        except StorageUnavailable:
            self.close()
            raise

    def create(self, kind: str, key: str, record: Mapping[str, Json], expires_at: int) -> bool:
        row = (kind, key, json.dumps(record), secrets.token_hex(16), expires_at)
        return self._write("INSERT INTO records VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row) == 1

    def read(self, kind: str, key: str) -> Stored | None:
        with self._lock, self._telling():
            row = self._database.execute(
                "SELECT record, version, expires_at FROM records WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        try:
            return Stored(json.loads(row[0]), row[1], row[2]) if row else None
        except ValueError:
            raise StorageUnavailable(f"the SQLite file {self._path} holds a row of another shape") from None

    def replace(self, kind: str, key: str, stored: Stored, record: Mapping[str, Json], expires_at: int) -> bool:
        change = "UPDATE records SET record = ?, version = ?, expires_at = ? WHERE kind = ? AND key = ? AND version = ?"
        values = (json.dumps(record), secrets.token_hex(16), expires_at, kind, key, stored.version)
        return self._write(change, values) == 1

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        """Run one statement in a transaction that is a writer's from its start: it never finds out too late."""
        with self._lock, self._telling():
            now = self._clock()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                changed = self._database.execute(statement, values).rowcount
                if not 0 <= now - self._purged_at < PURGE_SECONDS:
                    self._database.execute("DELETE FROM records WHERE expires_at <= ?", (int(now),))
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # it may have been rolled back already
                    self._database.execute("ROLLBACK")
                raise
            if not 0 <= now - self._purged_at < PURGE_SECONDS:
                self._purged_at = now
            return changed

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            said = getattr(error, "sqlite_errorname", type(error).__name__)  # the name is there from Python 3.11 on
            raise StorageUnavailable(f"the SQLite file {self._path} does not answer: {said}") from None
