"""How long one run may take, and how it ends when it cannot go on. What a run does is not known here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from mcp_faas.lifecycle.clock import Clock

RUN_SECONDS = 110.0  # of a whole run; a scheduler may start the next one after 120


class RunFailed(Exception):
    """It could not be done: why, and what to do next."""


class RunRefused(Exception):
    """Nothing was written, and nothing should be: why, and what to do next."""


@dataclass
class Run:
    """The time that one run has, and whether it may have changed anything yet."""

    clock: Clock
    seconds: float
    timeout: float  # of one call
    wrote: bool = False
    only_reads: bool = False

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()

    def left(self) -> float:
        return self.seconds - (self.clock.monotonic() - self._began)

    def bounded(self) -> contextlib.AbstractContextManager[None]:
        """One call, which may take no longer than the run has left."""
        left = self.left()
        if left <= 0:
            raise RunFailed(f"this run has used up its {self.seconds:.0f} s. {self.again()}")
        return self.clock.bounded(min(self.timeout, left))

    def pause(self, seconds: float) -> None:
        if seconds > 0:
            self.clock.sleep(min(seconds, max(self.left(), 0.0)))

    def again(self, when: str = "") -> str:
        """What to do next; the end of every sentence about a failure."""
        state = "What was written so far is safe" if self.wrote else "Nothing was written"
        what = "Run" if self.only_reads else f"{state}; run"
        return f"{what} the same command again {when}".rstrip()


def said(error: Exception) -> str:
    """An error's sentence, or its kind where it has none."""
    return str(error) or type(error).__name__
