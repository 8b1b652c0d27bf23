"""What `make interop` says of one visit: a line on the screen, an entry in the report. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def last_lines(rows: Sequence[Row], seconds: float) -> Iterator[str]:
    """The rows that failed, once more, and the count: so the tail of a log says what went wrong."""
    failed = [row for row in rows if row.problems]
    yield from (row.line() for row in failed)
    yield f"interop: {len(rows) - len(failed)} ok, {len(failed)} failed, {seconds:.0f} s"
