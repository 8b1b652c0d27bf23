"""A clock for tests: to sleep is to move it forward. The bound on blocking calls stays the real one."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from mcp_faas.lifecycle.clock import Clock


class FastClock(Clock):
    def __init__(self) -> None:
        self.ahead = 0.0  # of the machine's clock, in seconds
        self.wrong = 0.0  # how far this machine's own clock is off the true time

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.true_time(), timezone.utc) + timedelta(seconds=self.wrong)

    def true_time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds
