"""Read, replace and lock files that only their owner may read. Knows nothing of what is in them.

A file is never missing or half written: the new one is made beside it and renamed over it. The temporary name is fixed,
so that what a killed run left behind is overwritten by the next one instead of lying about for ever.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

OWNER_ONLY = 0o600
LOCK_POLL_SECONDS = 0.05
LARGEST_CHARACTERS = 1 << 20  # no file of ours comes near it

_NO_ROOM = "make room on that disk"
_NOT_OURS = "this user must be able to write to its folder, because the file is replaced as a whole"
_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "raise this process's limit for files (ulimit -f)",
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EROFS: "name a place that can be written",
}
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def trouble(error: OSError) -> str:
    """Why a file could not be replaced, in the system's words, and what a person can do about it."""
    said = error.strerror or str(error)
    advice = _ADVICE.get(error.errno) if error.errno else None
    return f"{said}: {advice}" if advice else said


def read_regular(path: Path) -> tuple[str, int]:
    """The text of a file as it is, and its permission bits. OSError where it is no file that has an end."""
    check_regular(path.stat())  # before it is opened, which a terminal or a tape might notice
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, encoding="utf-8", newline="") as file:
        found = os.fstat(handle)
        check_regular(found)
        text = file.read(LARGEST_CHARACTERS + 1)
    if len(text) > LARGEST_CHARACTERS:
        raise OSError(errno.EINVAL, "it is far too long to be the right file")
    return text, stat.S_IMODE(found.st_mode)


def check_regular(found: os.stat_result) -> None:
    """Raise OSError, which names what it is, unless it is a regular file."""
    if stat.S_ISREG(found.st_mode):
        return
    what = next((name for known, name in _KINDS if known(found.st_mode)), "something else")
    raise OSError(errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL, f"it is {what}, not a regular file")


@contextlib.contextmanager
def locked(path: Path, timeout: float, of: Path | None = None) -> Iterator[int]:
    """Hold an exclusive lock on this file, made 0600 if it is not there; TimeoutError if somebody keeps it.

    If it is made here it belongs to whom the file `of` belongs to, so that they can lock it, too.
    """
    until = time.monotonic() + timeout
    while True:
        handle = _open_or_make(path, of)
        try:
            if _try_lock(handle) and _still_there(path, handle):
                os.fchmod(handle, OWNER_ONLY)
                yield handle
                return
        finally:
            os.close(handle)  # which also unlocks
        if time.monotonic() > until:
            raise TimeoutError(f"{path} stays locked by another process")
        time.sleep(LOCK_POLL_SECONDS)


def replace_private(path: Path, text: str, timeout: float) -> None:
    """Put this text in the file's place, at once and for its owner alone; a link is followed, not replaced."""
    target = Path(os.path.realpath(path))
    before: os.stat_result | None = None
    with contextlib.suppress(FileNotFoundError):
        before = target.stat()
        check_regular(before)  # /dev/null would be replaced, too, for whoever may do that
    beside = target.with_name(f".{target.name}.tmp")
    try:
        with locked(beside, timeout) as handle:
            begun = os.fstat(handle)
            # who made it can have it open, whatever its mode is now; and it may be another file's second name
            if begun.st_uid != os.geteuid() or begun.st_nlink != 1:
                raise OSError(errno.EEXIST, "another user had begun it; run the same command again")
            os.ftruncate(handle, 0)
            content = text.encode()
            while content:
                content = content[os.write(handle, content) :]
            if before:
                _give(handle, before)
            os.fsync(handle)
            beside.replace(target)
    except BaseException:  # a signal may come between any two of these
        _discard(beside)
        raise
    _sync_folder(target.parent)


def _open_or_make(path: Path, of: Path | None) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        return os.open(path, flags, OWNER_ONLY)
    if of:
        with contextlib.suppress(OSError):  # there is no such file, or it may not be replaced either: that is said then
            _give(handle, of.stat())
    return handle


def _give(handle: int, like: os.stat_result) -> None:
    """Make it the file of whom the old one belonged to: replaced by root it could not be read by its only reader."""
    if like.st_uid == os.geteuid():
        with contextlib.suppress(PermissionError):  # a group has no rights in it
            os.fchown(handle, -1, like.st_gid)
        return
    try:
        os.fchown(handle, like.st_uid, like.st_gid)
    except PermissionError:
        said = f"it belongs to another user (uid {like.st_uid}), who could not read it any more; run this as that user"
        raise OSError(errno.EINVAL, said) from None


def _discard(path: Path) -> None:
    """Leave no unfinished file behind, unless somebody else is writing it by now."""
    with contextlib.suppress(OSError):  # it is not there, or cannot be removed: what went wrong before is raised
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if _try_lock(handle) and _still_there(path, handle):
                path.unlink()
        finally:
            os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(path: Path, handle: int) -> bool:
    """Is the locked file still the one of that name? Its last holder may have renamed it away."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot; the rename itself is done
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
