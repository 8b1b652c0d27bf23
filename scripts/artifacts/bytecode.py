"""Compile a folder with a Python of the target's minor version. Runs that Python; knows nothing of clouds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from artifacts.errors import BuildError

# An import looks at the source of a `checked-hash` file, and compiles it again when it has changed; it never looks at
# that of an `unchecked-hash` file. Nobody edits a dependency in place; a person with an unpacked artifact, or with the
# editor of a cloud's console, does edit the project's own files, and the change must count.
OWN_FILES = "checked-hash"
DEPENDENCIES = "unchecked-hash"


def compile_folder(folder: Path, own: Iterable[Path], python: Path, version: str, shown_as: str) -> list[str]:
    """Write the bytecode; `shown_as` is the folder in tracebacks. Returns what does not compile of the dependencies."""
    own = set(own)
    sources = set(folder.rglob("*.py"))
    _compile(sources - own, DEPENDENCIES, folder, python, shown_as)
    story = _compile(own & sources, OWN_FILES, folder, python, shown_as)
    tag = f"cpython-{version.replace('.', '')}"
    missing = sorted(path for path in sources if not (path.parent / f"__pycache__/{path.stem}.{tag}.pyc").exists())
    for path in missing:
        if path in own:
            raise BuildError(f"{path.relative_to(folder)} is not valid for Python {version}:\n{story}")
    return [str(path.relative_to(folder)) for path in missing]


def _compile(files: Iterable[Path], mode: str, folder: Path, python: Path, shown_as: str) -> str:
    command = [str(python), "-S", "-m", "compileall", "-q", "-f", "--invalidation-mode", mode]
    command += ["-s", str(folder), "-p", shown_as, "-i", "-"]
    names = "".join(f"{path}\n" for path in sorted(files))
    # The order inside a compiled set follows the hash seed, and PYTHONPYCACHEPREFIX would send the files elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONHASHSEED"] = "0"
    done = subprocess.run(command, input=names, capture_output=True, text=True, env=environment)
    return (done.stdout + done.stderr).strip()
