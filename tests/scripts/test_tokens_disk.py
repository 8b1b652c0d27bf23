"""`scripts/tokens.py` on a disk that is full or read-only, and ended in the middle of what it does to files.

The limits are the kernel's, not mocks, and hold for root and for others: a full disk is a process that may write no
byte beyond a limit, so that a write is cut short and the next one fails; a folder without the bit for writing binds
root, too, in a process without the capability to pass it by.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mcp_faas.generations import Generations
from mcp_faas.tokens import Marks, Token, TokenDocument, is_ours, marks, mint, parse

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "scripts" / "tokens.py"
FOREIGN = Token("printer", True, "foreign-" + "v" * 40)
TOO_SMALL = 100  # bytes: room for a token, not for a document
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FULL_MATRIX = os.environ.get("MCP_FAULT_MATRIX") == "full"

Limit = Callable[[], object]


def no_room(limit: int = TOO_SMALL) -> Limit:
    """As on a full disk; the error is EFBIG in the place of ENOSPC."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def bound_by_modes() -> None:
    """Root without the right to pass modes by; for everybody else nothing changes."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


def tokens(*arguments: object, limit: Limit | None = None) -> Any:
    done = subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=130,
        preexec_fn=limit,
    )
    assert "Traceback" not in done.stderr
    return done


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)


class Place:
    """A folder with a document, and one with what a client reads: `old` is due, and `new` may be delivered already."""

    def __init__(self, folder: Path, *, delivered: bool = False) -> None:
        now = datetime.now(timezone.utc)
        self.folder, self.path, self.sink = folder, folder / "store" / "tokens.json", folder / "client" / "token"
        self.old = self._token(now - timedelta(days=40), now - timedelta(days=40))
        listed = [FOREIGN, self.old]
        if delivered:
            listed.append(self._token(now - timedelta(days=3), now - timedelta(days=2)))
        for path in (self.path, self.sink):
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o700)
        self._begin(self.path, TokenDocument(tuple(listed)).dump(indent=2) + "\n")
        self._begin(self.sink, listed[-1].data + "\n")

    @staticmethod
    def _token(created: datetime, delivered: datetime) -> Token:
        token = mint(created)
        said = marks(token.name)
        assert said
        moment = delivered.replace(microsecond=0)
        return Token(Marks(said.created, said.fingerprint, moment).name(), True, token.data)

    @staticmethod
    def _begin(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)

    def rotate(self, limit: Limit | None = None, deliver: str = "") -> Any:
        return tokens("rotate", f"file:{self.path}", "--deliver", deliver or f"file:{self.sink}", limit=limit)

    def state(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in (self.path, self.sink)}

    def document(self) -> TokenDocument:
        return parse(self.path.read_text())

    def look(self) -> None:
        """What holds at every moment, however a run ended."""
        document = self.document()
        live = {token.data for token in document.live()}
        assert document.tokens[0].dump() == FOREIGN.dump()
        assert self.sink.read_text().strip() in live, "the client is locked out"
        for path in self.files():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def left_behind(self) -> list[Path]:
        return [path for path in self.files() if path.name.endswith(".tmp")]


def check_failure(place: Place, done: Any, path: Path, advice: str) -> None:
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "cannot be written" in done.stderr
    assert advice in done.stderr
    assert "run the same command again" in done.stderr
    place.look()
    assert all(token.enabled for token in place.document().tokens)
    assert place.left_behind() == []


@pytest.mark.parametrize("delivered", [False, True], ids=["to add", "to disable"])
def test_a_document_on_a_full_disk_stays_as_it_was(tmp_path: Path, delivered: bool) -> None:
    place = Place(tmp_path, delivered=delivered)
    before, began = place.state(), time.monotonic()
    done = place.rotate(limit=no_room())
    check_failure(place, done, place.path, "File too large: raise this process's limit")
    assert place.state() == before
    assert time.monotonic() - began < 7, "a file that cannot be written is not asked for three times"
    assert place.rotate().returncode == 0


@pytest.mark.parametrize("delivered", [False, True], ids=["to add", "to disable"])
def test_a_document_in_a_read_only_folder_stays_as_it_was(tmp_path: Path, delivered: bool) -> None:
    place = Place(tmp_path, delivered=delivered)
    before = place.state()
    with read_only(place.path.parent):
        done = place.rotate(limit=bound_by_modes)
        check_failure(place, done, place.path, "this user must be able to write to its folder")
    assert place.state() == before
    assert [path.name for path in place.path.parent.iterdir()] == ["tokens.json"]


def test_a_client_on_a_full_disk_keeps_its_token_and_gets_the_next_one_later(tmp_path: Path) -> None:
    place = Place(tmp_path)
    dotenv = place.sink.with_name(".env")
    text = f"A={'x' * 4000}\nMCP_TOKEN={place.old.data}\n"
    dotenv.write_text(text)
    dotenv.chmod(0o600)
    done = place.rotate(no_room(2000), f"env:{dotenv}")
    check_failure(place, done, dotenv, "File too large: raise this process's limit")
    assert dotenv.read_text() == text
    assert "No token was disabled" in done.stderr
    assert place.rotate(deliver=f"env:{dotenv}").returncode == 0
    current = Generations(place.document()).current
    assert current
    assert dotenv.read_text() == text.replace(place.old.data, current.token.data)
    assert len([token for token in place.document().tokens if is_ours(token)]) == 2, "the same token, not a third one"


@pytest.mark.parametrize("kind", ["file", "env"])
def test_a_client_in_a_read_only_folder_keeps_its_token(tmp_path: Path, kind: str) -> None:
    place = Place(tmp_path)
    target = place.sink if kind == "file" else place.sink.with_name(".env")
    if kind == "env":
        target.write_text(f"MCP_TOKEN={place.old.data}\n")
        target.chmod(0o600)
    before = target.read_bytes()
    with read_only(target.parent):
        done = place.rotate(bound_by_modes, f"{kind}:{target}")
        check_failure(place, done, target, "this user must be able to write to its folder")
    assert target.read_bytes() == before
    assert place.rotate(deliver=f"{kind}:{target}").returncode == 0


def test_a_document_that_cannot_be_begun_is_not_half_there(tmp_path: Path) -> None:
    done = tokens("mint", f"file:{tmp_path / 'new.json'}", limit=no_room(5))
    assert done.returncode == 1
    assert f"{tmp_path / 'new.json'} cannot be made: File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".new.json.lock"]
    with read_only(tmp_path):
        done = tokens("mint", f"file:{tmp_path / 'folder' / 'new.json'}", limit=bound_by_modes)
    assert done.returncode == 1
    assert "cannot be made: Permission denied" in done.stderr


def test_a_document_that_may_not_be_read_is_told_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.path.chmod(0)
    began = time.monotonic()
    done = place.rotate(limit=bound_by_modes)
    place.path.chmod(0o600)
    assert done.returncode == 1
    assert f"{place.path} cannot be read: Permission denied" in done.stderr
    assert "see that this user may" in done.stderr
    assert "Nothing was written" in done.stderr
    assert time.monotonic() - began < 3


# Ended in the middle

# What runs before tokens.py: the interpreter tells of each touch of a file, and at one of them comes the signal.
STRIKE = """
import os, runpy, sys
tool, folder, place, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
seen = 0
def watch(event, arguments):
    global seen
    named = event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(folder)
    if named or event in ("os.truncate", "fcntl.flock"):
        seen += 1
        if seen == place:
            os.kill(os.getpid(), number)
sys.argv[:] = [tool, *sys.argv[5:]]
sys.addaudithook(watch)
try:
    runpy.run_path(tool, run_name="__main__")
finally:
    if place == 0:
        print(seen, file=sys.stderr)
"""


def struck(place: Place, at: int, number: int) -> Any:
    command = [sys.executable, "-c", STRIKE, str(TOOL), str(place.folder), str(at), str(number)]
    arguments = ["rotate", f"file:{place.path}", "--deliver", f"file:{place.sink}"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=130)


@pytest.mark.timeout(900)  # in full
@pytest.mark.parametrize("delivered", [False, True], ids=["to add", "to disable"])
def test_ended_at_any_touch_of_a_file_the_next_run_goes_on(
    tmp_path: Path, delivered: bool, cases: Counter[str]
) -> None:
    done = struck(Place(tmp_path / "whole", delivered=delivered), 0, 0)
    total = int(done.stderr.splitlines()[-1])
    assert total > 20, "few touches were seen"
    for at, number in itertools.islice(itertools.product(range(1, total + 1), ENDS), 0, None, 1 if FULL_MATRIX else 13):
        place = Place(tmp_path / f"{at}-{number}", delivered=delivered)
        done = struck(place, at, number)
        assert "Traceback" not in done.stderr
        place.look()
        if number == signal.SIGKILL:
            assert done.returncode == -signal.SIGKILL
        else:
            assert done.returncode == 1
            assert "stopped: what was written so far is safe; run the same command again" in done.stderr
            assert place.left_behind() == []
        assert place.rotate().returncode == 0
        place.look()
        assert place.left_behind() == []
        known = [token for token in place.document().tokens if is_ours(token)]
        assert len(known) == (1 if delivered else 2), "a run that was ended left a token that nobody knows"
        assert known[-1].data == json.loads(place.path.read_text())["tokens"][-1]["tokenData"]
        assert place.sink.read_text() == known[-1].data + "\n"
        cases["file ended"] += 1
