"""Replace and lock files that only their owner may read. Knows nothing of what is in them.

A file is never missing or half written: the new one is made beside it and renamed over it. The temporary name is fixed,
so that what a killed run left behind is overwritten by the next one instead of lying about for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

OWNER_ONLY = 0o600
LOCK_POLL_SECONDS = 0.05


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
    beside = target.with_name(f".{target.name}.tmp")
    with locked(beside, timeout) as handle:
        try:
            os.ftruncate(handle, 0)
            content = text.encode()
            while content:
                content = content[os.write(handle, content) :]
            os.fsync(handle)
            beside.replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            raise
    _sync_folder(target.parent)


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
