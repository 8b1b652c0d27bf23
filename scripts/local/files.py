"""Secrets of `make run` in files that only their owner can read, kept from one run to the next. Nothing prints one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from mcp_faas.stores.private_file import replace_private

LONGEST_SECRET_BYTES = 4096
LOCK_SECONDS = 5.0


def read_kept(path: Path) -> str | None:
    """The one line that an earlier run left here; None if there is no such file, or one that somebody else may know."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        private = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
        content = file.read(LONGEST_SECRET_BYTES) if private else b""
    secret = content.decode("latin-1").removesuffix("\n")
    return secret if secret and secret.isascii() and secret.isprintable() else None


def write_kept(path: Path, secret: str) -> None:
    """Put the secret and one newline into this file, at once and for its owner alone. The same one keeps its age."""
    if read_kept(path) == secret:
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.parent.chmod(0o700)
    replace_private(path, f"{secret}\n", LOCK_SECONDS)


def kept(path: Path, is_valid: Callable[[str], bool], make: Callable[[], str]) -> str:
    """The secret of an earlier run, or a new one. What a client was configured with stays good."""
    found = read_kept(path)
    if found is not None and is_valid(found):
        return found
    secret = make()
    write_kept(path, secret)
    return secret
