"""What `make interop` says of one visit: a line on the screen, an entry in the report. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Row:
    """One line of the report."""

    cloud: str
    door: str
    client: str
    version: str
    era: str
    transport: str
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        name = f"{self.client} {self.version}"
        head = f"{'failed' if self.problems else 'ok':<7}{self.cloud:<4} {self.door:<7}{name:<27} {self.transport:<5}"
        return f"{head}{self.era:<14}{self.seconds:6.1f} s  {'; '.join(self.problems)}".rstrip()
