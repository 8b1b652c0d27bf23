"""SQLite's own side: the file, its mode, other processes, and what has expired."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from authorization_server import keeping
from authorization_server.records import handles
from authorization_server.records.grants import Grant
from authorization_server.storage import StorageUnavailable, Stored
from authorization_server.storage import sqlite as module
from authorization_server.storage.sqlite import PURGE_SECONDS, SqliteStorage

ROOT = Path(__file__).resolve().parents[3]
NOW = 1_795_000_000
PROCESSES, CODES = 4, 40


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def storage(file: Path, clock: Clock) -> Iterator[SqliteStorage]:
    storage = SqliteStorage(str(file), clock)
    yield storage
    storage.close()


def rows(file: Path) -> list[str]:
    looking = sqlite3.connect(file)
    found = [row[0] for row in looking.execute("SELECT key FROM records ORDER BY key")]
    looking.close()
    return found


def test_every_file_is_its_owners_alone(file: Path, clock: Clock) -> None:
    file.touch()
    file.chmod(0o644)
    before = os.umask(0)
    try:
        storage = SqliteStorage(str(file), clock)
        storage.create("grant", "k", {"n": 1}, NOW + 60)
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
        storage.close()
    finally:
        os.umask(before)
    assert found == {"records.db": 0o600, "records.db-wal": 0o600, "records.db-shm": 0o600}


def test_records_outlive_the_process(file: Path, clock: Clock) -> None:
    first = SqliteStorage(str(file), clock)
    first.create("grant", "k", {"n": 1}, NOW + 60)
    first.close()
    second = SqliteStorage(str(file), clock)
    found = second.read("grant", "k")
    second.close()
    assert found is not None
    assert found.record == {"n": 1}


def write(storage: SqliteStorage) -> None:
    """Changes nothing, and is a write all the same."""
    assert not storage.replace("grant", "none", Stored({}, "v", NOW), {}, NOW)


def test_what_has_expired_goes_now_and_then(storage: SqliteStorage, file: Path, clock: Clock) -> None:
    for number in range(3):
        storage.create("grant", f"k{number}", {}, NOW + 10 * (number + 1))
    clock.now = NOW + 20
    storage.create("grant", "k3", {}, NOW + 600)
    assert rows(file) == ["k0", "k1", "k2", "k3"], "not at every write"
    clock.now = NOW + PURGE_SECONDS - 40
    write(storage)
    assert rows(file) == ["k0", "k1", "k2", "k3"]
    clock.now = NOW + PURGE_SECONDS
    write(storage)
    assert rows(file) == ["k3"]


def test_a_clock_that_was_set_back_stops_no_purge(storage: SqliteStorage, file: Path, clock: Clock) -> None:
    storage.create("grant", "k", {}, NOW - 5000)
    clock.now = NOW - 4000
    write(storage)
    assert rows(file) == []


def test_a_file_that_stays_locked_is_no_answer(file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    storage = SqliteStorage(str(file), clock)
    storage.create("grant", "k", {"n": 1}, NOW + 60)
    found = storage.read("grant", "k")
    assert found is not None
    rival = sqlite3.connect(file, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    for write in (
        lambda: storage.create("grant", "other", {}, NOW + 60),
        lambda: storage.replace("grant", "k", found, {"n": 2}, NOW + 60),
    ):
        with pytest.raises(StorageUnavailable, match=r"records\.db does not answer"):
            write()
    assert storage.read("grant", "k") == found, "a reader does not wait for a writer"
    rival.execute("COMMIT")
    rival.close()
    assert storage.replace("grant", "k", found, {"n": 2}, NOW + 60)
    storage.close()


def test_a_file_that_is_no_database_is_said(file: Path, clock: Clock) -> None:
    file.write_text("this is a letter, and no database\n" * 100)
    with pytest.raises(StorageUnavailable, match=r"records\.db does not answer") as caught:
        SqliteStorage(str(file), clock)
    assert "letter" not in str(caught.value)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(StorageUnavailable, match="name a file in a folder"):
        SqliteStorage(str(tmp_path / "none/records.db"), clock)


def test_a_closed_storage_is_no_answer(file: Path, clock: Clock) -> None:
    storage = SqliteStorage(str(file), clock)
    storage.close()
    with pytest.raises(StorageUnavailable):
        storage.read("grant", "k")


REDEEMER = """
import sys
from authorization_server import keeping
from authorization_server.records import grants
from authorization_server.records.grants import Grant, Granted, Redemption
from authorization_server.storage import open_storage

storage = open_storage(f"sqlite:{sys.argv[1]}")
verifier, now = sys.argv[2], int(sys.argv[3])
codes = sys.stdin.read().split()
for line in codes:
    key, code = line.split(",")
    asked = Redemption("c", code, "u", verifier)
    outcome = keeping.change(
        storage, Grant, key, lambda found: grants.redeem(found, asked, now, lambda grant: grant.scopes)
    )
    print(key if isinstance(outcome, Granted) else "-")
storage.close()
"""


def test_processes_redeem_each_code_once(file: Path, storage: SqliteStorage) -> None:
    verifier = handles.derive("x", "verifier")
    challenge = handles.s256(verifier)
    assert challenge is not None
    codes = [handles.mint("code") for _ in range(CODES)]
    now = int(time.time())  # as the processes have it
    for code in codes:
        grant = Grant("c", "s", "r", (), "u", True, challenge, code.digest, now + 600, now + 3600, now, ())
        keeping.keep(storage, code.key, grant)
    path = f"{ROOT / 'functions'}:{ROOT / 'functions/oauth_server'}"
    command = [sys.executable, "-c", REDEEMER, str(file), verifier, str(now)]
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": path})
        for _ in range(PROCESSES)
    ]
    text = "\n".join(f"{code.key},{code.digest}" for code in codes)
    for run in runs:
        assert run.stdin is not None
        run.stdin.write(text)
        run.stdin.close()  # all begin about now
        run.stdin = None
    told = [run.communicate(timeout=100)[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0] * PROCESSES
    assert sorted(key for lines in told for key in lines if key != "-") == sorted(code.key for code in codes)
