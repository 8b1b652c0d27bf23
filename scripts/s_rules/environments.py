"""An environment that remembers which of its names were asked for. Data only, no rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Watched(dict[str, str]):
    """Given to the code that reads settings, it tells afterwards which of them that code does not know."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self._read.add(key)
        return super().get(key, default)

    def unread(self, beginnings: tuple[str, ...]) -> list[str]:
        return sorted(name for name in self.keys() - self._read if name.startswith(beginnings))
