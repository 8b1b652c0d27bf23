"""Copy the project's own files into an artifact: the deployable's folder, and of the library what that imports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from artifacts.deployables import Artifact, claimed_by_others
from artifacts.errors import BuildError
from artifacts.imports import closure

# Never part of an artifact, whoever put them there: what a build makes itself, and what only a build reads.
LEFT_OUT_FOLDERS = {"__pycache__", "node_modules"}
LEFT_OUT_NAMES = ("requirements*.in", "requirements*.txt", "*.pyc", ".*")


def is_there(artifact: Artifact, functions: Path) -> bool:
    """Does the deployable exist? Half of one is an error: a cloud would find out only at the first call."""
    folder = functions / artifact.deployable
    missing = [name for name in sorted(artifact.claims) if not (folder / name).is_file()]
    if len(missing) == len(artifact.claims):
        return False
    if missing:
        raise BuildError(f"{folder} has no {' and no '.join(missing)}, which {artifact.name} is started by")
    return True


def collect(artifact: Artifact, functions: Path) -> dict[Path, Path]:
    """The project's files that belong into the artifact, each with its place in there."""
    folder = functions / artifact.deployable
    own = {path: path.relative_to(folder) for path in _own_files(artifact, folder)}
    return own | {path: path.relative_to(functions) for path in closure(own, functions)}


def copy(collected: dict[Path, Path], executables: tuple[str, ...], into: Path) -> list[Path]:
    """Put them beside the dependencies; returns what it wrote."""
    for source, place in sorted(collected.items()):
        target = into / place
        if target.exists() or _other_form(place, into).exists():
            raise BuildError(f"{source} and a dependency have the same name, so one would hide the other; rename yours")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if str(place) in executables else 0o644)
    return [into / place for place in collected.values()]


def _other_form(place: Path, into: Path) -> Path:
    """Where the same import name would lie as a package instead of a module, or the other way round."""
    top = place.parts[0]
    return into / (f"{top}.py" if len(place.parts) > 1 else top.removesuffix(".py") or top)


def _own_files(artifact: Artifact, folder: Path) -> Iterator[Path]:
    foreign = {folder / name for name in claimed_by_others(artifact)}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not path.is_file() or path in foreign or LEFT_OUT_FOLDERS & set(parts):
            continue
        if any(part.startswith(".") for part in parts) or any(path.match(pattern) for pattern in LEFT_OUT_NAMES):
            continue
        yield path
