"""Check that every native library in a folder fits the target. Reads names and first bytes; changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

from artifacts.deployables import Target
from artifacts.errors import BuildError

ELF_MACHINES = {62: "x86_64", 183: "aarch64"}  # e_machine, from the System V ABI
NATIVE_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")
TAGGED = re.compile(r"\.(?P<implementation>cpython|pypy)-?(?P<version>\d+t?)-(?P<rest>[^.]+)\.so$")


def check(folder: Path, target: Target) -> int:
    """Raise with the name of the first library that does not fit; returns how many do."""
    natives = found(folder)
    for path in natives:
        reason = misfit(path, target)
        if reason:
            raise BuildError(
                f"{path.relative_to(folder)} {reason}, so it cannot be loaded by {target}. "
                "Wheels come from the lock and fit; if the file is yours, build it for that target or leave it out."
            )
    return len(natives)


def found(folder: Path) -> list[Path]:
    """Every library of a folder, whatever it is built for."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_native(path)]


def misfit(path: Path, target: Target) -> str:
    """Why the library does not load on the target; empty when it does."""
    machine = _elf_machine(path)
    if machine is None:
        return "is not a library for 64-bit Linux"
    if machine != target.machine:
        return f"is built for {machine}"
    tag = TAGGED.search(path.name)
    if tag and (tag["implementation"], tag["version"]) != ("cpython", target.python.replace(".", "")):
        return f"is built for {tag['implementation']} {tag['version']}"
    if tag and "musl" in tag["rest"]:
        return "is built for musl, not for glibc"
    return ""


def _is_native(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF" or path.name.endswith(NATIVE_SUFFIXES)


def _elf_machine(path: Path) -> str | None:
    with path.open("rb") as file:
        header = file.read(20)
    if header[:5] != b"\x7fELF\x02":  # magic, and the class for 64 bits
        return None
    number = int.from_bytes(header[18:20], "little" if header[5:6] == b"\x01" else "big")
    return ELF_MACHINES.get(number, f"machine {number}")
