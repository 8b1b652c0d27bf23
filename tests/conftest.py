"""What every test shares: asyncio as the only loop, no proxy of this machine between two loopback addresses, a count.

`make test` runs two files at a time, each in a worker. A test that is marked `alone` measures time: the other worker
waits for its end. At the end of a run it is said how many cases the fault matrices had, for a loop inside a test hides
its size; and a run that leaves many files open is red.
"""

from __future__ import annotations

import fcntl
import gc
import os
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_faas.auth.scopes import Scopes

CASES = pytest.StashKey[Counter[str]]()
OPEN_AT_MOST = 150  # descriptors at the end of a run: a server or a database that a test forgets takes several
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def _nothing_stays_open() -> Iterator[None]:
    """Made first, so its end comes last: when all that the tests have opened should be closed."""
    yield
    if len(_descriptors()) > OPEN_AT_MOST:
        gc.collect()  # only now: it takes longer than many a test
    left = _descriptors()
    assert len(left) <= OPEN_AT_MOST, Counter(name.partition(":")[0] for name in left).most_common(10)


def _descriptors() -> list[str]:
    """What this process has open, where the system tells."""
    folder = Path("/proc/self/fd")
    return [os.fspath(path.readlink()) for path in folder.iterdir() if path.is_symlink()] if folder.is_dir() else []


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


def _shared_folder(config: pytest.Config) -> Path | None:
    """A folder that all workers of a run have; None without workers."""
    return Path(config.getoption("basetemp")).parent if hasattr(config, "workerinput") else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Any number of tests at a time, or one that is marked `alone`: its fixtures are made and unmade alone, too."""
    folder = _shared_folder(item.config)
    if folder is None:
        return (yield)
    with (folder / "turn").open("w") as turn, (folder / "running").open("w") as running:
        fcntl.flock(turn, fcntl.LOCK_EX)  # whoever waits to be alone keeps the others from beginning
        fcntl.flock(running, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            return (yield)
        finally:
            fcntl.flock(running, fcntl.LOCK_UN)  # a child that a test has forked would hold it for longer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first and those that run alone last, so that no worker waits long for the other."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("alone")), not item.get_closest_marker("artifact")))


def pytest_sessionfinish(session: pytest.Session) -> None:
    counted = session.config.stash[CASES]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["cases"] = dict(counted)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker has counted; one that crashed says nothing."""
    node.config.stash[CASES].update(getattr(node, "workeroutput", {}).get("cases", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counted = config.stash[CASES]
    if counted:
        parts = ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
        terminalreporter.write_line(f"fault matrix: {counted.total()} cases ({parts})")
