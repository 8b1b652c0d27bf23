"""Find a Python of a given minor version that really runs on this machine. Starts candidates; installs nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROBE = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
PATIENCE_SECONDS = 30


def find(version: str) -> Path | None:
    """The first that answers with that version; a file of the right name may be a launcher with nothing to launch."""
    for candidate in dict.fromkeys(_candidates(version)):
        if _runs(candidate, version):
            return candidate
    return None


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    for root in _version_managers():
        # Newest patch first, so that two machines with several agree more often.
        folders = sorted(root.glob(f"versions/{version}.*"), key=_patch_level, reverse=True)
        yield from (folder / "bin" / f"python{version}" for folder in folders)
    yield from _known_to_uv(version)


def _runs(python: Path, version: str) -> bool:
    if not os.access(python, os.X_OK):
        return False
    try:
        done = subprocess.run(
            [str(python), "-S", "-E", "-c", PROBE], capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.split() == ["cpython", version]


def _version_managers() -> Iterator[Path]:
    """Roots in pyenv's layout, which keeps interpreters off PATH and puts launchers (`shims`) on it instead."""
    if os.environ.get("PYENV_ROOT"):
        yield Path(os.environ["PYENV_ROOT"])
    for folder in map(Path, os.get_exec_path()):
        if folder.name == "shims":
            yield folder.parent
    pyenv = shutil.which("pyenv")
    if pyenv:
        root = _output([pyenv, "root"])
        if root:
            yield Path(root)


def _known_to_uv(version: str) -> Iterator[Path]:
    uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else [shutil.which("uv") or ""]
    if uv[0]:
        # Its own installations only: the rest of PATH has been tried, and uv stops at the first launcher that fails.
        found = _output([*uv, "python", "find", "--managed-python", "--no-python-downloads", version])
        if found:
            yield Path(found)


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _patch_level(folder: Path) -> int:
    patch = folder.name.split(".")[2]
    return int(patch) if patch.isdigit() else -1
