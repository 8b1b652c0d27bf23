"""Compile a folder with a Python of the target's minor version. Runs that Python; knows nothing of clouds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from artifacts.errors import BuildError

# An import looks at the source of a `checked-hash` file, and compiles it again when it has changed; it never looks at
# that of an `unchecked-hash` file. Nobody edits a dependency in place; a person with an unpacked artifact, or with the
# editor of a cloud's console, does edit the project's own files, and the change must count.
OWN_FILES = "checked-hash"
DEPENDENCIES = "unchecked-hash"
FLAGS = {OWN_FILES: 0b11, DEPENDENCIES: 0b01}  # PEP 552: 1 says that a hash follows, 2 that an import compares it

# The magic number of each Python's releases: the first two bytes of its bytecode. Alphas and betas have others.
MAGIC = {"3.10": 3439, "3.11": 3495, "3.12": 3531, "3.13": 3571, "3.14": 3627}


def compile_folder(folder: Path, own: Iterable[Path], python: Path, version: str, shown_as: str) -> list[str]:
    """Write the bytecode; `shown_as` is the folder in tracebacks. Returns what does not compile of the dependencies."""
    own = set(own)
    sources = set(folder.rglob("*.py"))
    _compile(sources - own, DEPENDENCIES, folder, python, shown_as)
    story = _compile(own & sources, OWN_FILES, folder, python, shown_as)
    missing = sorted(path for path in sources if not compiled(path, version).exists())
    for path in missing:
        if path in own:
            raise BuildError(f"{path.relative_to(folder)} is not valid for Python {version}:\n{story}")
    return [str(path.relative_to(folder)) for path in missing]


def check(folder: Path, own: Iterable[Path], version: str, without: Collection[str] = ()) -> None:
    """Raise unless each source but those named has bytecode that exactly this Python takes, and there is no other."""
    own = set(own)
    sources = {path for path in folder.rglob("*.py") if str(path.relative_to(folder)) not in without}
    expected = {compiled(path, version): path for path in sources}
    for path in sorted({*expected, *folder.rglob("*.pyc")}):
        reason = "belongs to no source" if path not in expected else _misfit(path, expected[path] in own, version)
        if reason:
            raise BuildError(f"{path.relative_to(folder)} {reason}: this build would start slowly, or not as it reads")


def compiled(source: Path, version: str) -> Path:
    """Where that Python looks for the bytecode of a source."""
    return source.parent / f"__pycache__/{source.stem}.cpython-{version.replace('.', '')}.pyc"


def _misfit(path: Path, is_own: bool, version: str) -> str:
    if not path.is_file():
        return "is missing"
    with path.open("rb") as file:
        header = file.read(16)
    magic, flags = int.from_bytes(header[:2], "little"), int.from_bytes(header[4:8], "little")
    if len(header) < 16 or header[2:4] != b"\r\n" or magic != MAGIC[version]:
        return f"is no bytecode of a released Python {version}"
    mode = OWN_FILES if is_own else DEPENDENCIES
    return "" if flags == FLAGS[mode] else f"is not {mode}"


def _compile(files: Iterable[Path], mode: str, folder: Path, python: Path, shown_as: str) -> str:
    command = [str(python), "-S", "-m", "compileall", "-q", "-f", "--invalidation-mode", mode]
    command += ["-s", str(folder), "-p", shown_as, "-i", "-"]
    names = "".join(f"{path}\n" for path in sorted(files))
    # The order inside a compiled set follows the hash seed, and PYTHONPYCACHEPREFIX would send the files elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONHASHSEED"] = "0"
    done = subprocess.run(command, input=names, capture_output=True, text=True, env=environment)
    return (done.stdout + done.stderr).strip()
