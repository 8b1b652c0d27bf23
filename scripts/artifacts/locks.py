"""Read a lock file for one target: its markers ask the machine that will run the artifact, not this one. No network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from artifacts.deployables import Target
from artifacts.errors import BuildError


@dataclass(frozen=True)
class Pin:
    """One exact version, and the digests that its wheels may have."""

    requirement: Requirement
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([f"{self.requirement.name}{self.requirement.specifier}", *self.hashes])


def pins_for(target: Target, lock: Path) -> list[Pin]:
    """What the target installs. pip would ask the markers about the Python that runs pip, and install for that one."""
    environment = marker_environment(target)
    pins = []
    for line in _joined_lines(lock):
        text, *hashes = re.split(r"\s+(?=--hash=)", line)
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise BuildError(f'{lock}: "{text}" is no locked package; write the file with: make lock') from None
        if not hashes:
            raise BuildError(f"{lock} has no hash for {requirement.name}; write it with: make lock")
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins.append(Pin(requirement, tuple(hashes)))
    return pins


def marker_environment(target: Target) -> dict[str, str]:
    """The target's answers to what PEP 508 lets a marker ask."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.0",
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{target.python}.0",
        "python_version": target.python,
        "sys_platform": "linux",
    }


def _joined_lines(lock: Path) -> list[str]:
    text = re.sub(r"\\\n", " ", lock.read_text(encoding="utf-8"))
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
