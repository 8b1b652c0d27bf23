"""Build the few locked packages that exist as source only, and take them if they turn out to be pure Python.

A wheel that is built here fits this machine; only pure Python fits the target as well. The tool that builds is the
locked setuptools of the environment: build isolation would fetch one that no lock names.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Collection
from pathlib import Path

from artifacts import installers, natives
from artifacts.deployables import Target
from artifacts.errors import BuildError
from artifacts.locks import Pin, pins_for

# Never from a cache: what lies there may have been built by another setuptools, whose name is in the metadata.
UV_OPTIONS = ("--no-binary", ":all:", "--no-build-isolation", "--no-cache", "--link-mode", "copy")
PIP_OPTIONS = ("--no-binary=:all:", "--no-build-isolation", "--no-cache-dir")


def install(lock: Path, target: Target, names: Collection[str], into: Path) -> dict[str, set[str]]:
    """Add the named packages of the lock to the folder; returns the files of each."""
    pins = [_source_only(pin, lock) for pin in pins_for(target, lock) if pin.requirement.name in names]
    missing = set(names) - {pin.requirement.name for pin in pins}
    if missing:
        raise BuildError(f"{lock} has no {', no '.join(sorted(missing))}; take it out of the list of sdists")
    if pins and not importlib.util.find_spec("setuptools"):
        raise BuildError("setuptools is not installed here, which builds what has no wheel; make setup installs it")
    failure = f"{', '.join(names)} of {lock} could not be built from source."
    with tempfile.TemporaryDirectory(prefix=".sdists-", dir=into) as scratch:
        built = Path(scratch)
        owners = installers.install(pins, built, uv=UV_OPTIONS, pip=PIP_OPTIONS, failure=failure)
        check(built)
        for path in list(built.iterdir()):
            if (into / path.name).exists():
                raise BuildError(f"{path.name} comes from {', '.join(names)} and from another package of {lock}")
            path.rename(into / path.name)
    return owners


def check(built: Path) -> None:
    """Raise unless all of it runs on every machine."""
    for path in natives.found(built):
        raise BuildError(
            f"{path.relative_to(built)} was compiled on this machine and need not run on the other; only a wheel of "
            "that package will do. Choose a version that has one and run: make lock"
        )
    for info in built.glob("*.dist-info"):
        if "\nRoot-Is-Purelib: true\n" not in (info / "WHEEL").read_text(encoding="utf-8"):
            raise BuildError(f"{info.name} says that it is not pure Python, so it need not run on the other machine")


def _source_only(pin: Pin, lock: Path) -> Pin:
    if len(pin.hashes) != 1:  # the sdist's; a second one would be a wheel's
        raise BuildError(f"{pin.requirement.name} has a wheel in {lock} by now; take it out of the list of sdists")
    return pin
