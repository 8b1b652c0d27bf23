"""Take out what `unused.py` lists, and nothing that anything left in the artifact may need. Decides by reading sources.

A user's own packages and files decide as well: one that imports, requires or names what a row removes keeps it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from artifacts import distributions
from artifacts.deployables import Artifact, Target
from artifacts.errors import BuildError
from artifacts.imports import imported_modules
from artifacts.unused import OURS, ROWS, Unused


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
    strings: dict[str, frozenset[str]] = field(default_factory=dict)  # that stand in it, likewise

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
        staying = [pattern[1:] for pattern in row.files if pattern.startswith("!")]
        return {
            name
            for name in mine
            if _matches(name, row.files) and not _matches(name, staying) and (self.folder / name).is_file()
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
        if row.readers and (reason := self._read_by(row, gone)):
            return reason
        if not row.imports and not row.words:
            return ""
        for path in self.rooms:
            if _mentions(path, row):
                return f"{path.name} mentions it"
        for name in self._sources:
            if name not in gone and name not in row.spared and self._uses(name, row):
                return f"{name} uses it"
        for name in self._unread:
            if name not in gone and name not in self.owners[row.distribution] and self._names(name, row):
                return f"{name} names it"
        return ""

    def _read_by(self, row: Unused, gone: set[str]) -> str:
        """What opens files by name leaves no trace of which: so whoever has it, and was not read for this, may."""
        asked = replace(row, imports=row.readers)
        for path in self.rooms:
            if not any(path.as_posix().endswith(f"/{known}") for known in row.read_by) and _mentions(path, asked):
                return f"{path.name} mentions {' or '.join(row.readers)}"
        for name in self._unread:
            if name in gone or name in self.owners[row.distribution]:
                continue
            if (name in self._sources and self._uses(name, asked)) or self._names(name, asked):
                return f"{name} names {' or '.join(row.readers)}"
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

    def _names(self, name: str, row: Unused) -> bool:
        """Does a file of a user's package name it, as a file of his own would?"""
        content = self._unread[name]
        if not name.endswith(".py"):
            return _stands_in(content, row)
        if not any(all(part.encode() in content for part in wanted.split(".")) for wanted in row.imports):
            return False
        if name not in self.strings:
            try:
                self.strings[name] = frozenset(_strings(ast.parse(content)))
            except (SyntaxError, ValueError):  # not a source for this Python: `_imports_of` takes each of its words
                self.strings[name] = frozenset()
        return _leads_to(self.strings[name], row)

    @cached_property
    def _unread(self) -> dict[str, bytes]:
        """What a user's packages may name a module in: their code, compiled or not, and what they offer to others."""
        ours = distributions.closure(self._distributions, self.target, map(Requirement, OURS))
        names = sorted(name for owner, names in self.owners.items() if owner not in ours for name in names)
        paths = {name: self.folder / name for name in names}
        return {
            name: path.read_bytes()
            for name, path in paths.items()
            if (path.suffix in (".py", ".so") or path.name == "entry_points.txt") and path.is_file()
        }

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


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _imports_of(path: Path, folder: Path) -> frozenset[str]:
    try:
        return frozenset(module for module, _ in imported_modules(path, folder))
    except BuildError:  # not a source for this Python: then each word of it may be an import
        words = re.findall(r"[\w.]+", path.read_text(encoding="utf-8", errors="replace"))
        return frozenset(words)


def _mentions(path: Path, row: Unused) -> bool:
    """Does a user's file name it: in an import, in a string that may become one, or, where it is no Python, at all?"""
    content = path.read_bytes()
    if path.suffix != ".py":
        return _stands_in(content, row)
    if any(word.encode() in content for word in row.words):
        return True
    tree = ast.parse(content)
    return _leads_to((*_strings(tree), *_plain_imports(tree)), row)


def _stands_in(content: bytes, row: Unused) -> bool:
    if any(word.encode() in content for word in row.words):
        return True
    names = "|".join(re.escape(name) for name in row.imports)
    return bool(names) and re.search(rf"(?<![\w.])({names})\b".encode(), content) is not None


def _leads_to(names: Iterable[str], row: Unused) -> bool:
    wanted = re.compile(rf"({'|'.join(re.escape(name) for name in row.imports)})($|[.:])")
    return any(wanted.match(name) for name in names)


def _strings(tree: ast.AST) -> Iterable[str]:
    """Each, and the two of `import_module(".name", "package")` as one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Call):
            given = [*node.args, *(each.value for each in node.keywords)]
            texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if len(texts) == 2 and texts[0].startswith("."):
                yield texts[1] + texts[0]


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
