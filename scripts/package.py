"""Build what the two clouds unpack, into .build/: no Docker, no compiler, identical bytes from identical input."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from artifacts import application, archive, filling, manifest, sbom, sources
from artifacts.deployables import (
    ARCHITECTURES,
    ARTIFACTS,
    DEFAULT_ARCHITECTURE,
    DEFAULT_PYTHON,
    EXTRAS,
    PYTHONS,
    Artifact,
    Target,
    chosen,
    for_sam,
    target_of,
)
from artifacts.errors import BuildError

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"
BUILD = ROOT / ".build"
HALF_BUILT = ".building-"
SBOM = ".cdx.json"


def say(sentence: str) -> None:
    print(f"package: {sentence}", file=sys.stderr, flush=True)


def say_through_sam(sentence: str) -> None:
    """`sam build` shows a builder's stdout while it runs, and its stderr only when it fails."""
    print(f"package: {sentence}", flush=True)


def fill(
    artifact: Artifact, target: Target, folder: Path, extras: Collection[str], say: Callable[[str], None] = say
) -> filling.Filled:
    return filling.fill(artifact, target, folder, extras, FUNCTIONS, say)


def build_all(artifacts: list[Artifact], python: str, architecture: str, extras: Collection[str]) -> None:
    """Each artifact appears whole, or the one that was there before stays."""
    built: dict[str, manifest.Entry] = {}
    with only_one_build():
        for artifact in artifacts:
            if not sources.is_there(artifact, FUNCTIONS):
                continue
            target = target_of(artifact, python, architecture)
            with half_built(BUILD) as scratch:
                folder = scratch / artifact.deployable
                folder.mkdir()
                filled = fill(artifact, target, folder, extras)
                say(f"{artifact.name}: zipping")
                zipped, listed = scratch / "zipped", scratch / "listed"
                archive.write(folder, zipped)
                sbom.write(
                    listed, artifact, target, filled.materials, ROOT / "pyproject.toml", archive.sha256_of(zipped)
                )
                publish(folder, BUILD / artifact.name, {".zip": zipped, SBOM: listed})
                built[artifact.name] = manifest.describe(target, BUILD / artifact.name, filled.has_bytecode, SBOM)
        manifest.record(BUILD, built, ARTIFACTS)
    for name, entry in built.items():
        size = f"{entry.bytes_unzipped / 1e6:6.1f} MB, zipped {entry.bytes_zipped / 1e6:5.1f} MB"
        say(f".build/{name:<18} {size}, Python {entry.python}, {entry.architecture}, sha256 {entry.sha256[:12]}…")
    for python in sorted({entry.python for entry in built.values() if not entry.bytecode}):
        names = [name for name, entry in built.items() if entry.python == python and not entry.bytecode]
        filling.warn_of_missing_bytecode(", ".join(names), python, say)


def build_application() -> None:
    """What `s init` and the registry take."""
    with only_one_build(), half_built(BUILD) as scratch:
        folder = scratch / "application"
        application.assemble(ROOT, folder)
        archive.settle_modes(folder)
        archive.write(folder, scratch / "zipped")
        publish(folder, BUILD / "serverless-devs", {".zip": scratch / "zipped"})
    say(".build/serverless-devs      for s init, .zip beside it")


def build_for_sam(logical_id: str, into: Path, python: str, architecture: str, extras: Collection[str]) -> None:
    """What `sam build` asks for through the Makefile: one function's folder, filled."""
    artifact = for_sam(logical_id)
    if not sources.is_there(artifact, FUNCTIONS):
        raise BuildError(f"template.yaml has {logical_id}, but functions/{artifact.deployable} does not exist")
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise BuildError(f"{into} is not empty; --into wants an empty folder")
    with half_built(into) as scratch:
        fill(artifact, target_of(artifact, python, architecture), scratch, extras, say=say_through_sam)
        for path in list(scratch.iterdir()):
            path.rename(into / path.name)


def publish(folder: Path, place: Path, beside: Mapping[str, Path]) -> None:
    """Put the folder where it belongs, and beside it the files that belong to it, each with its suffix."""
    place.parent.mkdir(parents=True, exist_ok=True)
    exchange(folder, place, aside=folder.with_name("before"))
    for suffix, fresh in beside.items():
        fresh.replace(place.with_name(f"{place.name}{suffix}"))


def exchange(new: Path, place: Path, aside: Path) -> None:
    """A folder cannot be replaced in one step; if the second step fails, the first is taken back."""
    if place.exists():
        place.rename(aside)
    try:
        new.rename(place)
    except BaseException:
        if aside.exists():
            aside.rename(place)
        raise


@contextlib.contextmanager
def half_built(folder: Path) -> Iterator[Path]:
    """A scratch folder on the same disk as the result, gone afterwards however the build ends."""
    scratch = Path(tempfile.mkdtemp(prefix=HALF_BUILT, dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def only_one_build() -> Iterator[None]:
    """Two builds at once would take the folders from each other; the second waits."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in BUILD.glob(f"{HALF_BUILT}*"):  # of a build that was killed
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        yield


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", choices=PYTHONS, default=DEFAULT_PYTHON, help="of Lambda, default %(default)s")
    parser.add_argument("--arch", choices=ARCHITECTURES, default=DEFAULT_ARCHITECTURE, help="default %(default)s")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="e.g. aws, mcp_server, fc/token_guard")
    parser.add_argument("--with", nargs="+", choices=EXTRAS, default=[], dest="extras", help="packages of more")
    parser.add_argument("--sam", metavar="LOGICAL_ID", help="build the one function that template.yaml calls this")
    parser.add_argument("--into", metavar="DIR", type=Path, help="with --sam: the empty folder to fill")
    options = parser.parse_args()
    if bool(options.sam) != bool(options.into):
        parser.error("--sam and --into belong together")
    try:
        options.artifacts = chosen(options.only)
    except BuildError as error:
        parser.error(str(error))
    return options


def main() -> int:
    options = arguments()
    began = time.monotonic()
    try:
        if options.sam:
            build_for_sam(options.sam, options.into.resolve(), options.python, options.arch, options.extras)
        else:
            build_all(options.artifacts, options.python, options.arch, options.extras)
            if not options.only and (ROOT / "publish").is_dir():
                build_application()
            say(f"done after {time.monotonic() - began:.0f} s")
    except (BuildError, OSError) as error:
        disk_is_full = getattr(error, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)
        say("the disk is full; make room and run the command again" if disk_is_full else str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing half-built is left, and what was built before is as it was")
        return 130
    return 0


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
