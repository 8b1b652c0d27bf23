"""Fixtures for the tests of what a person types and of the local stand-ins."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable

import pytest


def _state(pid: int) -> str:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def alive() -> Callable[[int], bool]:
    """Is there such a process? One that has ended and waits for its parent to notice does not count."""
    return lambda pid: _state(pid)[:1] not in ("", "Z")


@pytest.fixture(scope="session")
def all_end(alive: Callable[[int], bool]) -> Callable[[Iterable[int], float], bool]:
    """Do these processes end within so many seconds?"""

    def all_end(pids: Iterable[int], seconds: float) -> bool:
        pids, deadline = [*pids], time.monotonic() + seconds
        while any(map(alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return not any(map(alive, pids))

    return all_end
