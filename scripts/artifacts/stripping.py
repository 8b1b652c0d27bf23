"""Take out what `unused.py` lists, and nothing that anything left in the artifact may need. Decides by reading sources.

A user's own packages and files decide as well: one that imports, requires or names what a row removes keeps it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from artifacts import distributions
from artifacts.deployables import Artifact, Target
from artifacts.errors import BuildError
from artifacts.imports import imported_modules
from artifacts.unused import ROWS, Unused


@dataclass(frozen=True)
class Kept:
    """A row that does not hold for this artifact, and who needs the files."""

    row: Unused
    reason: str


@dataclass(frozen=True)
class Removed:
    row: Unused
    files: frozenset[str]
    size: int


@dataclass
class Installed:
    """A folder full of distributions and, of the project's own sources, those that a user writes."""

    folder: Path
    artifact: Artifact
    target: Target
    owners: Mapping[str, Collection[str]]  # the files of each distribution
    named: list[Requirement]  # by the user's requirements
    rooms: Collection[Path]  # the user's own files, wherever they lie
    modules: dict[str, frozenset[str]] = field(default_factory=dict)  # what each source imports, as far as asked

    def strip(self, rows: Iterable[Unused] = ROWS) -> tuple[list[Removed], list[Kept]]:
        """Remove what can go; returns that, and what had to stay although a row names it."""
        going, kept = self._decide(rows)
        removed = []
        for row, names in going.items():
            size = sum((self.folder / name).stat().st_size for name in names)
            for name in names:
                (self.folder / name).unlink()
            removed.append(Removed(row, frozenset(names), size))
        _remove_empty(self.folder, (name for names in going.values() for name in names))
        return removed, kept

    def _decide(self, rows: Iterable[Unused]) -> tuple[dict[Unused, set[str]], list[Kept]]:
        """A row that stays brings its files back, which may need those of another: ask until nothing changes."""
        going = {row: self._files(row) for row in rows if self.artifact.name in row.artifacts}
        going = {row: names for row, names in going.items() if names}
        kept: list[Kept] = []
        while True:
            gone = set().union(*going.values())
            staying = [Kept(row, reason) for row in going if (reason := self._needed_by(row, gone))]
            if not staying:
                return going, kept
            kept += staying
            for each in staying:
                del going[each.row]

    def _files(self, row: Unused) -> set[str]:
        """Its own files only: what another distribution has put in the same folder is none of the row's."""
        others = {name for owner, names in self.owners.items() if owner != row.distribution for name in names}
        mine = (name for name in self.owners.get(row.distribution, ()) if name not in others)
        return {
            name
            for name in mine
            if any(fnmatchcase(name, pattern) for pattern in row.files) and (self.folder / name).is_file()
        }

    def _needed_by(self, row: Unused, gone: set[str]) -> str:
        for name in row.needs:
            if name in self._distributions:
                return f"{name} is installed, with which it runs"
        if row.takes_all:
            if not row.named_for_another and row.distribution in {canonicalize_name(one.name) for one in self.named}:
                return "your requirements name it"
            for name in sorted(self._requirers[row.distribution] - set(row.required_by)):
                if not gone >= set(self.owners[name]):
                    return f"{name} requires it"
        if not row.imports and not row.words:
            return ""
        for path in self.rooms:
            if _mentions(path, row):
                return f"{path.name} mentions it"
        for name in self._sources:
            if name not in gone and name not in row.spared and self._uses(name, row):
                return f"{name} uses it"
        return ""

    def _uses(self, name: str, row: Unused) -> bool:
        inside = name in self.owners[row.distribution]
        if not inside and any(word.encode() in self._sources[name] for word in row.words):
            return True
        for wanted in row.imports:
            first, _, _ = wanted.partition(".")
            words = {wanted.rpartition(".")[2]} | (set() if inside else {first})
            if not all(word.encode() in self._sources[name] for word in words):
                continue  # parsing a source takes a thousand times as long as looking for a word
            if name not in self.modules:
                self.modules[name] = _imports_of(self.folder / name, self.folder)
            if any(module == wanted or module.startswith(f"{wanted}.") for module in self.modules[name]):
                return True
        return False

    @cached_property
    def _sources(self) -> dict[str, bytes]:
        names = sorted(name for names in self.owners.values() for name in names if name.endswith(".py"))
        return {name: (self.folder / name).read_bytes() for name in names if (self.folder / name).is_file()}

    @cached_property
    def _distributions(self) -> dict[str, distributions.Distribution]:
        return distributions.read(self.folder)

    @cached_property
    def _requirers(self) -> dict[str, set[str]]:
        return distributions.requirers(self._distributions, self.target, self.named)


def _imports_of(path: Path, folder: Path) -> frozenset[str]:
    try:
        return frozenset(module for module, _ in imported_modules(path, folder))
    except BuildError:  # not a source for this Python: then each word of it may be an import
        words = re.findall(r"[\w.]+", path.read_text(encoding="utf-8", errors="replace"))
        return frozenset(words)


def _mentions(path: Path, row: Unused) -> bool:
    """Does a user's file name it: in an import, in a string that may become one, or, where it is no Python, at all?"""
    content = path.read_bytes()
    if any(word.encode() in content for word in row.words):
        return True
    names = "|".join(re.escape(name) for name in row.imports)
    if path.suffix != ".py":
        return bool(names) and re.search(rf"(?<![\w.])({names})\b".encode(), content) is not None
    tree = ast.parse(content)
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(re.match(rf"({names})($|[.:])", name) for name in (*strings, *_plain_imports(tree)))


def _plain_imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _remove_empty(folder: Path, names: Iterable[str]) -> None:
    parents = {parent for name in names for parent in (folder / name).parents if parent.is_relative_to(folder)}
    for parent in sorted(parents - {folder}, key=lambda path: len(path.parts), reverse=True):
        if not any(parent.iterdir()):
            parent.rmdir()
