"""A storage in a dict: for tests of thousands of steps that ask about the rules above it, not about a storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count

from authorization_server.storage import Json, Stored


class Memory:
    """The seam, for one thread."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Stored] = {}
        self._versions = count()

    def create(self, kind: str, key: str, record: Mapping[str, Json], expires_at: int) -> bool:
        if (kind, key) in self.held:
            return False
        self._put(kind, key, record, expires_at)
        return True

    def read(self, kind: str, key: str) -> Stored | None:
        return self.held.get((kind, key))

    def replace(self, kind: str, key: str, stored: Stored, record: Mapping[str, Json], expires_at: int) -> bool:
        held = self.held.get((kind, key))
        if held is None or held.version != stored.version:
            return False
        self._put(kind, key, record, expires_at)
        return True

    def close(self) -> None:
        """Nothing is open."""

    def _put(self, kind: str, key: str, record: Mapping[str, Json], expires_at: int) -> None:
        self.held[kind, key] = Stored(json.loads(json.dumps(record)), str(next(self._versions)), expires_at)
