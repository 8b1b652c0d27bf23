"""Files that are replaced as a whole: what is said when it fails, and whose unfinished file is whose."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

import pytest

from mcp_faas.stores import Access, open_store
from mcp_faas.stores.private_file import locked, replace_private, trouble
from mcp_faas.tokens import TokenDocument, mint


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device: make room on that disk"),
        (errno.EDQUOT, "Disk quota exceeded: make room on that disk"),
        (errno.EROFS, "Read-only file system: name a place that can be written"),
        (errno.EACCES, "Permission denied: this user must be able to write to its folder"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_system_says_comes_with_what_to_do(number: int, advice: str) -> None:
    assert trouble(OSError(number, os.strerror(number))).startswith(advice)
    assert trouble(TimeoutError("stays locked")) == "stays locked"


def test_another_writers_unfinished_file_is_left_alone(tmp_path: Path) -> None:
    target, unfinished = tmp_path / "token", tmp_path / ".token.tmp"
    with locked(unfinished, 1.0) as handle:
        os.write(handle, b"half")
        with pytest.raises(TimeoutError, match="stays locked"):
            replace_private(target, "whole", 0.1)
        assert unfinished.read_bytes() == b"half"
    replace_private(target, "whole", 0.1)
    assert (target.read_text(), unfinished.exists()) == ("whole", False)


def test_what_somebody_left_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / ".token.tmp").write_text("longer than what comes")
    (tmp_path / ".token.tmp").chmod(0o644)
    replace_private(tmp_path / "token", "whole", 0.1)
    assert (tmp_path / "token").read_text() == "whole"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_file_that_took_its_place_between_opening_and_locking_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, unfinished = tmp_path / "token", tmp_path / ".token.tmp"
    unfinished.write_text("somebody else's")
    lock = fcntl.flock
    others: list[TextIO] = []

    def late(handle: int, operation: int) -> None:
        if not others:
            unfinished.rename(target)
            others.append(target.open())
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with contextlib.ExitStack() as closing:
        closing.callback(lambda: [other.close() for other in others])
        replace_private(target, "whole", 1.0)
        assert target.read_text() == "whole"
        assert others[0].read() == "somebody else's", "what was in place was written to, and not replaced"


def test_what_takes_the_place_is_on_the_disk_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power failure a name may be there and its content not."""
    seen: list[tuple[str, bool]] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        if not seen:
            seen.append(((tmp_path / ".token.tmp").read_text(), (tmp_path / "token").exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    replace_private(tmp_path / "token", "whole", 0.1)
    assert seen == [("whole", False)]


def test_a_signal_before_the_first_byte_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(handle: int, operation: int) -> None:
        monkeypatch.undo()  # a signal comes once
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_private(tmp_path / "token", "whole", 0.1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    with pytest.raises(OSError, match="it is a pipe, not a regular file"):
        replace_private(tmp_path / "token", "whole", 0.1)
    assert stat.S_ISFIFO((tmp_path / "token").stat().st_mode)


NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach and write to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@as_root
def test_a_file_stays_its_owners_whoever_replaces_it(open_folder: Path) -> None:
    target = open_folder / "token"
    target.write_text("old")
    os.chown(target, NOBODY, NOBODY)
    replace_private(target, "whole", 0.1)
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, NOBODY, 0o600)
    with as_nobody():
        assert target.read_text() == "whole"


@as_root
def test_a_document_and_its_lock_stay_their_owners(open_folder: Path) -> None:
    path = open_folder / "tokens.json"
    path.write_text('{"tokens": []}')
    os.chown(path, NOBODY, NOBODY)
    for whose in (contextlib.nullcontext, as_nobody):
        with whose():
            store = open_store(f"file:{path}", Access(0.1))
            store.write(store.read(), TokenDocument((mint(datetime.now(timezone.utc)),)))
    assert {each.stat().st_uid for each in open_folder.iterdir()} == {NOBODY}


@as_root
def test_another_users_file_that_cannot_stay_theirs_is_not_replaced(open_folder: Path) -> None:
    target = open_folder / "token"
    target.write_text("old")
    with as_nobody(), pytest.raises(OSError, match=r"belongs to another user.*run this as that user") as caught:
        replace_private(target, "whole", 0.1)
    assert trouble(caught.value) == caught.value.strerror, "advice about the folder would mislead"
    assert [each.name for each in open_folder.iterdir()] == ["token"]
    assert target.read_text() == "old"


def test_another_name_of_a_file_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("somebody's")
    (tmp_path / ".token.tmp").hardlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="had begun"):
        replace_private(tmp_path / "token", "whole", 0.1)
    assert (tmp_path / "other").read_text() == "somebody's"
    replace_private(tmp_path / "token", "whole", 0.1)


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("somebody's")
    (tmp_path / "other").chmod(0o644)
    for name in (".token.tmp", "lock"):
        (tmp_path / name).symlink_to(tmp_path / "other")
    with pytest.raises(OSError) as caught, locked(tmp_path / "lock", 0.1):
        pass
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(OSError):
        replace_private(tmp_path / "token", "whole", 0.1)
    assert (tmp_path / "other").read_text() == "somebody's"
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write to a file that another user keeps for himself")
def test_nothing_is_written_to_a_file_that_another_user_can_have_open(tmp_path: Path) -> None:
    planted = tmp_path / ".token.tmp"
    planted.write_text("")
    os.chown(planted, 65534, -1)
    with planted.open() as open_already:
        with pytest.raises(OSError, match="another user"):
            replace_private(tmp_path / "token", "whole", 0.1)
        replace_private(tmp_path / "token", "whole", 0.1)
        assert open_already.read() == ""
    assert (tmp_path / "token").read_text() == "whole"
