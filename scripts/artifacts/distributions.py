"""Read what is installed in a folder: names, versions, requirements, licences. Reads metadata; changes nothing."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from artifacts.deployables import Target
from artifacts.locks import marker_environment


@dataclass(frozen=True)
class Distribution:
    """One installed distribution, as its metadata has it."""

    name: str  # as indexes compare names
    version: str
    requires: tuple[Requirement, ...]
    metadata: importlib.metadata.PackageMetadata
    info: Path  # its dist-info folder

    def values(self, field: str) -> list[str]:
        return [str(value) for value in self.metadata.get_all(field) or []]


def read(folder: Path) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for info in sorted(folder.glob("*.dist-info")):
        each = importlib.metadata.Distribution.at(info)
        name = canonicalize_name(each.metadata["Name"])
        requires = tuple(_requirements(each.requires or []))
        found[name] = Distribution(name, each.version, requires, each.metadata, info)
    return found


def files_by_owner(folder: Path) -> dict[str, set[str]]:
    """Which files each distribution has put there, as long as its RECORD is."""
    return {
        canonicalize_name(each.metadata["Name"]): {path.as_posix() for path in each.files or []}
        for each in importlib.metadata.distributions(path=[str(folder)])
    }


def requirers(
    installed: Mapping[str, Distribution], target: Target, named: Iterable[Requirement]
) -> dict[str, set[str]]:
    """Who requires each distribution on the target. An extra counts for all when anybody asks for it."""
    extras: dict[str, set[str]] = defaultdict(lambda: {""})
    for requirement in (*named, *(each for one in installed.values() for each in one.requires)):
        extras[canonicalize_name(requirement.name)] |= requirement.extras
    environment = marker_environment(target)
    found: dict[str, set[str]] = {name: set() for name in installed}
    for one in installed.values():
        for requirement in one.requires:
            name, marker = canonicalize_name(requirement.name), requirement.marker
            if name in installed and (
                marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras[one.name])
            ):
                found[name].add(one.name)
    return found


def closure(installed: Mapping[str, Distribution], target: Target, roots: Iterable[Requirement]) -> set[str]:
    """What the roots bring with them to the target, they included."""
    environment = marker_environment(target)
    extras: dict[str, set[str]] = defaultdict(set)  # of each that is reached, "" for itself
    queue = list(roots)
    while queue:
        root = queue.pop()
        name = canonicalize_name(root.name)
        new = {"", *root.extras} - extras[name]
        if name not in installed or not new:
            continue
        extras[name] |= new
        for each in installed[name].requires:
            if each.marker is None or any(each.marker.evaluate({**environment, "extra": extra}) for extra in new):
                queue.append(each)
    return {name for name, found in extras.items() if found}


def named_in(requirements: Path) -> list[Requirement]:
    """What a person has asked for by name, in this file or one that it reads in; options name nothing here."""
    text = requirements.read_text(encoding="utf-8")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    others = [requirements.parent / line.removeprefix("-r ").strip() for line in lines if line.startswith("-r ")]
    named = [requirement for other in others for requirement in named_in(other)]
    return [*named, *_requirements(line for line in lines if line and line[0] not in "#-")]


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except (
            InvalidRequirement
        ):  # a path, or what old metadata allowed: the installer has judged it, and names nothing
            continue
