"""Replace and lock files that only their owner may read. Knows nothing of what is in them.

A file is never missing or half written: the new one is made beside it and renamed over it. The temporary name is fixed,
so that what a killed run left behind is overwritten by the next one instead of lying about for ever.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

OWNER_ONLY = 0o600
LOCK_POLL_SECONDS = 0.05

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


def trouble(error: OSError) -> str:
    """Why a file could not be replaced, in the system's words, and what a person can do about it."""
    said = error.strerror or str(error)
    advice = _ADVICE.get(error.errno) if error.errno else None
    return f"{said}: {advice}" if advice else said


@contextlib.contextmanager
def locked(path: Path, timeout: float) -> Iterator[int]:
    """Hold an exclusive lock on this file, made 0600 if it is not there; TimeoutError if somebody keeps it."""
    until = time.monotonic() + timeout
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), OWNER_ONLY)
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
    if target.exists() and not target.is_file():  # /dev/null would be replaced, too, for whoever may do that
        raise OSError(errno.EINVAL, "it is no regular file")
    beside = target.with_name(f".{target.name}.tmp")
    try:
        with locked(beside, timeout) as handle:
            if os.fstat(handle).st_uid != os.geteuid():  # who made it can have it open, whatever its mode is now
                raise OSError(errno.EEXIST, "another user had begun it; run the same command again")
            os.ftruncate(handle, 0)
            content = text.encode()
            while content:
                content = content[os.write(handle, content) :]
            os.fsync(handle)
            beside.replace(target)
    except BaseException:  # a signal may come between any two of these
        _discard(beside)
        raise
    _sync_folder(target.parent)


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
