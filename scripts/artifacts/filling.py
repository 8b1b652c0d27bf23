"""Fill a folder with one artifact: packages, what of them is left out, the project's files, bytecode. One step each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from artifacts import (
    archive,
    bytecode,
    distributions,
    interpreters,
    natives,
    sbom,
    sdists,
    sources,
    stripping,
    wheels,
)
from artifacts.deployables import Artifact, Target
from artifacts.locks import pins_for

NOTHING = sbom.Materials({}, {}, [], [])
PATIENCE_SECONDS = 5.0  # after which a person wonders whether it still works


@dataclass(frozen=True)
class Filled:
    """What went into a folder."""

    has_bytecode: bool
    materials: sbom.Materials


def fill(
    artifact: Artifact,
    target: Target,
    folder: Path,
    extras: Collection[str],
    functions: Path,
    say: Callable[[str], None],
) -> Filled:
    """Put the whole artifact into an empty folder."""
    collected = sources.collect(artifact, functions)
    rooms = [path for path in collected if path.is_relative_to(functions / artifact.deployable)]
    locks = _locks(artifact, extras, functions)
    materials = install(artifact, target, folder, locks, rooms, say) if locks else NOTHING
    own = sources.copy(collected, artifact.executables, folder)
    if artifact.executables:
        (folder / "python-version").write_text(f"{target.python}\n", encoding="utf-8")  # for `bootstrap` to compare
    natives.check(folder, target)
    python = interpreters.find(target.python)
    if python:
        say(f"{artifact.name}: compiling for Python {target.python}")
        broken = bytecode.compile_folder(folder, own, python, target.python, artifact.code_folder)
        for name in broken:
            say(f"{artifact.name}: {name} does not compile with Python {target.python}; it is in the artifact as it is")
        bytecode.check(folder, own, python, target.python, without=broken)
    else:
        warn_of_missing_bytecode(artifact.name, target.python, say)
    archive.settle_modes(folder)
    return Filled(python is not None, materials)


def install(
    artifact: Artifact,
    target: Target,
    folder: Path,
    locks: list[Path],
    rooms: Collection[Path],
    say: Callable[[str], None],
) -> sbom.Materials:
    """The packages of the locks, without what the function never imports; `rooms` are the user's own files."""
    pinned = {pin.requirement.name for each in locks for pin in pins_for(target, each)}
    lock = locks[0]
    say(f"{artifact.name}: installing the {len(pinned)} packages of {lock.parent.name}/{lock.name} for {target}")
    with telling_the_time(f"{artifact.name}: still installing", say):
        owners = wheels.install(lock, target, folder, without=artifact.sdists, extras=locks[1:])
    if artifact.sdists:
        say(f"{artifact.name}: building {', '.join(artifact.sdists)}, which has no wheel")
        owners |= sdists.install(lock, target, artifact.sdists, folder)
    named = [requirement for each in locks for requirement in distributions.named_in(each.with_suffix(".in"))]
    removed, kept = stripping.Installed(folder, artifact, target, owners, named, rooms).strip()
    say(f"{artifact.name}: left out {sum(each.size for each in removed) / 1e6:.1f} MB that it never imports")
    for each in kept:
        say(f"{artifact.name}: kept {each.row}, because {each.reason}")
    installed = distributions.read(folder)
    requirers = distributions.requirers(installed, target, named)
    return sbom.Materials(installed, requirers, {canonicalize_name(one.name) for one in named}, removed)


def warn_of_missing_bytecode(name: str, python: str, say: Callable[[str], None]) -> None:
    say(f"WARNING: no Python {python} that runs was found on this machine, so {name} has NO BYTECODE.")
    say("WARNING: each cold start takes about twice as long. Get that Python and build again:")
    say(f"WARNING:     .venv/bin/python -m uv python install {python}")


@contextmanager
def telling_the_time(what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Say every few seconds that it goes on, for as long as it does: to a terminal, a file or a pipeline alike."""
    began, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(PATIENCE_SECONDS):
            say(f"{what}, {time.monotonic() - began:.0f} s so far")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _locks(artifact: Artifact, extras: Collection[str], functions: Path) -> list[Path]:
    """The artifact's own lock first."""
    if not artifact.requirements:
        return []
    lock = functions / artifact.deployable / artifact.requirements
    return [lock, *(lock.with_name(f"requirements-{name}.txt") for name in artifact.extras if name in extras)]
