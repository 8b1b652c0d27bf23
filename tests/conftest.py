"""What every test shares: asyncio as the only loop, no proxy of this machine between two loopback addresses, a count.

At the end of a run it is said how many cases the fault matrices had: a loop inside a test hides its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from mcp_faas.auth.scopes import Scopes

CASES = pytest.StashKey[Counter[str]]()
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def _servers_of_other_modules() -> Iterator[None]:
    """A function's process has one server, and every `Scopes` in it counts; the tests' process has many servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scopes, "made", [])
        yield


@pytest.fixture(autouse=True)
def _servers_of_other_tests(_servers_of_other_modules: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scopes, "made", [])


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CASES] = Counter()


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> Counter[str]:
    """How many cases each part of a fault matrix had."""
    return request.config.stash[CASES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counted = config.stash[CASES]
    if counted:
        parts = ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
        terminalreporter.write_line(f"fault matrix: {counted.total()} cases ({parts})")
