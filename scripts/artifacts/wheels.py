"""Install the locked wheels for the target into a folder: hashes checked, nothing built from source."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from artifacts import installers
from artifacts.deployables import Target
from artifacts.locks import pins_for

# Every image of both clouds has at least this glibc, and so does every wheel that is built for it.
GLIBC = "manylinux2014"
PIP_PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_12", "manylinux_2_5")  # pip takes each name literally


def install(
    lock: Path, target: Target, into: Path, without: Collection[str] = (), extras: Iterable[Path] = ()
) -> dict[str, set[str]]:
    """All of the lock but what is named; returns the files of each distribution. The folder held none.

    `extras` are locks of more: `make lock` holds them to the versions of the first.
    """
    named = {pin.requirement.name: pin for more in (*extras, lock) for pin in pins_for(target, more)}
    pins = [pin for name, pin in named.items() if name not in without]
    failure = (
        f"the packages of {lock} could not be installed for {target}. Each needs a wheel for that platform; where one "
        "has none, choose another version in the .in file beside the lock and run: make lock. A package that no "
        "version has a wheel of is named in scripts/artifacts/deployables.py."
    )
    return installers.install(pins, into, uv=_uv_options(target), pip=_pip_options(target), failure=failure)


def _uv_options(target: Target) -> list[str]:
    options = ["--python-version", target.python, "--python-platform", f"{target.machine}-{GLIBC}"]
    options += ["--link-mode", "copy"]  # a hard link would let us change the modes of the files in uv's cache
    return [*options, "--only-binary", ":all:"]


def _pip_options(target: Target) -> list[str]:
    options = ["--python-version", target.python, "--implementation", "cp"]
    for name in PIP_PLATFORMS:
        options += ["--platform", f"{name}_{target.machine}"]
    return [*options, "--only-binary=:all:"]
