"""The time, waiting, and a bound on a blocking call as a whole. No service and no token enters here."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from types import FrameType

REPEAT_SECONDS = 0.5


class TookTooLong(TimeoutError):
    """A call did not end within its time."""


class Clock:
    """This machine's clocks; a test has one of its own."""

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    @contextlib.contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """End what runs inside after this time, even if a server outwits a socket's timeout with a byte now and then.

        Only the main thread can be interrupted so; elsewhere the socket's own timeout has to do.
        """
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
            yield
            return

        def interrupt(number: int, frame: FrameType | None) -> None:
            raise TookTooLong(f"no end after {seconds:.1f} s")

        before = signal.signal(signal.SIGALRM, interrupt)
        # repeated, because a library may swallow the first one while it cleans up
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), REPEAT_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
