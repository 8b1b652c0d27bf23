"""Say on standard error what is measured just now, and how long it will still take. No measuring here."""

from __future__ import annotations

import sys
import time


class Progress:
    """`expected` is what the whole run takes on two idle cores; the estimate follows the machine from there."""

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self._done = 0.0
        self._began = time.monotonic()
        self._section = ""
        self._share = 0.0
        self._left_of_section = 0.0

    def begin(self, section: str, expected: float, steps: int) -> None:
        """A section of about `expected` seconds, which will call `step` so often."""
        self._done += self._left_of_section
        self._section, self._left_of_section = section, expected
        self._share = expected / steps if steps else 0.0

    def step(self, words: str = "") -> None:
        passed = time.monotonic() - self._began
        left = max(0.0, self._expected - self._done)
        # The guess counts until a tenth has been seen; from there on what this machine really takes.
        pace = passed / self._done if self._done > 0.1 * self._expected else 1.0
        minutes, seconds = divmod(int(left * pace), 60)
        print(
            f"bench: {self._section}{': ' if words else ''}{words} · {int(passed):4d} s passed, about "
            f"{f'{minutes} min ' if minutes else ''}{seconds:2d} s left",
            file=sys.stderr,
            flush=True,
        )
        taken = min(self._share, self._left_of_section)
        self._done += taken
        self._left_of_section -= taken

    def say(self, sentence: str) -> None:
        print(f"bench: {sentence}", file=sys.stderr, flush=True)
