"""Turn a folder into a zip whose bytes depend on the files' names, contents and executable bits alone."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest moment that a zip can tell
UNIX = 3  # "made by", so that the modes below count wherever it was made


def settle_modes(folder: Path) -> None:
    """Readable for every user of the cloud's sandbox, writable for the owner, executable where it was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def files_of(folder: Path) -> list[Path]:
    """Every file, in an order that is the same on every disk."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        for path in files_of(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.create_system = UNIX
            entry.external_attr = (0o100000 | path.stat().st_mode & 0o777) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, path.read_bytes(), compresslevel=9)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_of(folder))
