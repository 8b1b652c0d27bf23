"""Say at the end of a run how many cases the fault matrix had: a loop inside a test hides its size."""

from __future__ import annotations

from collections import Counter

import pytest

CASES = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CASES] = Counter()


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> Counter[str]:
    """How many cases each part of the matrix had."""
    return request.config.stash[CASES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counted = config.stash[CASES]
    if counted:
        parts = ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
        terminalreporter.write_line(f"fault matrix: {counted.total()} cases ({parts})")
