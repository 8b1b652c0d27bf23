"""Say on standard error what is measured just now, and how long it will still take. No measuring here."""

from __future__ import annotations

import contextlib
import sys
import time


def say(sentence: str) -> None:
    # A reader who left (`2>&1 | head`) does not end a quarter of an hour's measuring.
    with contextlib.suppress(BrokenPipeError):
        print(f"bench: {sentence}", file=sys.stderr, flush=True)


class Progress:
    """`expected` is what the whole run takes on two idle cores; the estimate follows the machine from there."""

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self._done = 0.0
        self._began: float | None = None  # with the first section: what is installed before it is no measure of pace
        self._section = ""
        self._share = 0.0
        self._left_of_section = 0.0

    def begin(self, section: str, expected: float, steps: int) -> None:
        """A section of about `expected` seconds, which will call `step` so often."""
        if self._began is None:
            self._began = time.monotonic()
        self._done += self._left_of_section
        self._section, self._left_of_section = section, expected
        self._share = expected / steps if steps else 0.0

    def step(self, words: str = "") -> None:
        passed = 0.0 if self._began is None else time.monotonic() - self._began
        left = max(0.0, self._expected - self._done)
        # The guess counts until a tenth has been seen; from there on what this machine really takes.
        pace = passed / self._done if self._done > 0.1 * self._expected else 1.0
        minutes, seconds = divmod(int(left * pace), 60)
        say(
            f"{self._section}{': ' if words else ''}{words} · {int(passed):4d} s passed, about "
            f"{f'{minutes} min ' if minutes else ''}{seconds:2d} s left"
        )
        taken = min(self._share, self._left_of_section)
        self._done += taken
        self._left_of_section -= taken
