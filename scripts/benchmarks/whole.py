"""Write a file so that it is whole at any moment: the new text or the old one. Nothing else is done to files here."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

READABLE = 0o644


def write(path: Path, text: str) -> None:
    """A full disk or a Ctrl-C cuts nothing off. Raises `OSError`."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    making = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        making.chmod(READABLE)
        making.replace(path)
    except BaseException:
        making.unlink(missing_ok=True)
        raise
