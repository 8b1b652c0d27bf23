"""When a row of the list does not hold: whoever needs the files, in whatever way, keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from artifacts.deployables import Artifact, Target
from artifacts.distributions import named_in
from artifacts.stripping import Installed
from artifacts.unused import EVERYTHING, OURS, Unused
from support.projects import ROOT

ARTIFACT = Artifact("aws", "mcp_server", ("aws_lambda",))
TARGET = Target("3.13", "x86_64")
ALL = Unused(
    "lib", EVERYTHING, "", ("aws/mcp_server",), imports=("lib",), spared=("app/quiet.py",), required_by=("app",)
)
PART = Unused("lib", ("lib/old/*",), "", ("aws/mcp_server",), imports=("lib.old",), words=("__old__",), needs=("wand",))

READ = Unused(
    "lib",
    ("lib/data/*/*", "!lib/data/used/*"),
    "",
    ("aws/mcp_server",),
    readers=("lib",),
    read_by=("inside/known.py",),
)

Put = Callable[..., None]


class Folder:
    """A folder of distributions: `app` requires `lib` and does without it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.owners: dict[str, set[str]] = {}
        self.named: list[Requirement] = []
        self.rooms: list[Path] = []
        self.add(
            "lib", {"lib/__init__.py": "from . import core", "lib/core.py": "", "lib/old/__init__.py": "import lib"}
        )
        self.add("app", {"app/__init__.py": "", "app/quiet.py": "try:\n import lib\nexcept ImportError: pass"}, "lib")

    def add(self, name: str, files: dict[str, str], *requires: str) -> None:
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1\n"
        metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        for path, text in {**files, f"{name}-1.dist-info/METADATA": metadata}.items():
            (self.place / path).parent.mkdir(parents=True, exist_ok=True)
            (self.place / path).write_text(text)
            self.owners.setdefault(name, set()).add(path)

    def room(self, name: str, text: str) -> None:
        """A file of the user's own, which lies elsewhere."""
        self.rooms.append(self.place.with_name("rooms") / name)
        self.rooms[-1].parent.mkdir(parents=True, exist_ok=True)
        self.rooms[-1].write_text(text)

    def strip(self, *rows: Unused) -> list[str]:
        """Why rows did not hold."""
        installed = Installed(self.place, ARTIFACT, TARGET, self.owners, self.named, self.rooms)
        return [each.reason for each in installed.strip(rows)[1]]

    def has(self, name: str) -> bool:
        return (self.place / name).exists()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "folder")


def test_all_of_a_distribution_goes_with_its_metadata_and_empty_folders(folder: Folder) -> None:
    assert folder.strip(ALL) == []
    assert not folder.has("lib")
    assert not folder.has("lib-1.dist-info")
    assert folder.has("app/quiet.py")


def test_a_part_goes_alone(folder: Folder) -> None:
    assert folder.strip(PART) == []
    assert not folder.has("lib/old")
    assert folder.has("lib/core.py")
    assert folder.has("lib-1.dist-info/METADATA")


def test_another_artifact_keeps_it(folder: Folder) -> None:
    assert folder.strip(replace(ALL, artifacts=("fc/mcp_server",))) == []
    assert folder.has("lib/core.py")


@pytest.mark.parametrize(
    "source",
    [
        "import lib",
        "import os, lib.core as core",
        "from lib import core",
        "def late():\n    from lib.core import x",
        "try:\n    import lib\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('lib')",
        "__import__('lib.core')",
        "print 'not for this Python', lib",
    ],
)
def test_a_distribution_that_imports_it_keeps_it(folder: Folder, source: str) -> None:
    folder.add("more", {"more/__init__.py": source})
    assert folder.strip(ALL) == ["more/__init__.py uses it"]
    assert folder.has("lib/core.py")


@pytest.mark.parametrize(
    "source", ["# lib", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lib", "from . import lib", ""]
)
def test_a_distribution_that_does_not_import_it_does_not_keep_it(folder: Folder, source: str) -> None:
    folder.add("more", {"more/__init__.py": source})
    assert folder.strip(ALL) == []


@pytest.mark.parametrize("source", ["from . import old", "from .old import x", "import lib.old", "from lib import old"])
def test_a_source_beside_it_keeps_a_part(folder: Folder, source: str) -> None:
    (folder.place / "lib/core.py").write_text(source)
    assert folder.strip(PART) == ["lib/core.py uses it"]


def test_what_else_needs_a_part_keeps_it(folder: Folder) -> None:
    folder.add("more", {"more/__init__.py": "class More:\n    def __old__(self): ..."})
    assert folder.strip(PART) == ["more/__init__.py uses it"]


def test_what_makes_a_part_run_keeps_it(folder: Folder) -> None:
    folder.add("wand", {"wand.py": ""})
    assert folder.strip(PART) == ["wand is installed, with which it runs"]


@pytest.mark.parametrize(
    ("requires", "named", "kept"),
    [
        ("lib", [], True),
        ("LIB>=1", [], True),
        ("lib; python_version < '3.12'", [], False),
        ("lib; extra == 'fast'", [], False),
        ("lib; extra == 'fast'", ["more[fast]==1"], True),
        ("", ["lib==1"], True),
        ("", ["Lib==1"], True),
    ],
)
def test_who_requires_it_keeps_it(folder: Folder, requires: str, named: list[str], kept: bool) -> None:
    folder.add("more", {"more.py": ""}, *filter(None, [requires]))
    folder.named = [Requirement(text) for text in named]
    assert bool(folder.strip(ALL)) is kept
    assert folder.has("lib") is kept


def test_what_the_project_names_for_another_artifact_goes_here(folder: Folder) -> None:
    folder.named = [Requirement("lib==1")]
    assert folder.strip(replace(ALL, named_for_another=True)) == []


def test_a_requirer_that_goes_keeps_nothing_and_one_that_stays_brings_all_back(folder: Folder) -> None:
    folder.add("base", {"base.py": ""})
    folder.add("lib", {"lib/core.py": "import base"}, "base")
    base = Unused("base", EVERYTHING, "", ("aws/mcp_server",), imports=("base",), required_by=("lib",))
    folder.room("tools.py", "import lib")
    assert folder.strip(base, ALL) == ["tools.py mentions it", "lib/core.py uses it"]
    folder.rooms.clear()
    assert folder.strip(base, ALL) == []
    assert not folder.has("base.py")


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("tools.py", "import lib", True),
        ("tools.py", "from lib.core import x", True),
        ("tools.py", "import importlib\nname = 'lib.core'", True),
        ("tools.py", "SERVER = 'lib:run'", True),
        ("tools.py", "'''Nothing but a libel.'''\nimport library", False),
        ("tools.py", "'''See lib, which is another.'''", False),
        ("logging.yaml", "formatter: lib.core.Formatter", True),
        ("notes.txt", "glib, library", False),
    ],
)
def test_a_file_of_the_user_keeps_what_it_names(folder: Folder, name: str, text: str, kept: bool) -> None:
    folder.room(name, text)
    assert folder.strip(ALL) == ([f"{name} mentions it"] if kept else [])


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("more/__init__.py", "import importlib\nT = {'Old': 'lib.old'}\nimportlib.import_module(T['Old'])", True),
        ("more/__init__.py", "import importlib\nimportlib.import_module('.old', 'lib')", True),
        ("more/__init__.py", "import importlib\nimportlib.import_module('.old', package='lib')", True),
        ("more/__init__.py", "FORMATTER = {'()': 'lib.old.Formatter'}", True),
        ("more/__init__.py", '"Like lib.old, which is another."', False),
        ("more/__init__.py", "NAMES = ('lib', 'old', 'glib.old', 'lib.older')", False),
        ("more/_fast.cpython-313-x86_64-linux-gnu.so", "\x7fELF\0lib.old\0", True),
        ("more/_fast.cpython-313-x86_64-linux-gnu.so", "\x7fELF\0__old__\0", True),
        ("more/_fast.cpython-313-x86_64-linux-gnu.so", "\x7fELF\0glib.old\0lib.older\0", False),
        ("more-1.dist-info/entry_points.txt", "[plugins]\nx = lib.old:plugin\n", True),
        ("more-1.dist-info/entry_points.txt", "[plugins]\nx = more:lib\n", False),
        ("more/notes.txt", "lib.old", False),
    ],
)
def test_a_package_of_the_user_keeps_what_it_names(folder: Folder, name: str, text: str, kept: bool) -> None:
    folder.add("more", {name: text})
    assert folder.strip(PART) == ([f"{name} names it"] if kept else [])
    assert folder.has("lib/old") is kept


def test_what_the_project_brings_itself_keeps_nothing_by_a_string(folder: Folder) -> None:
    """The rows were made in view of it: `mcp` names modules that it imports for those who ask."""
    folder.add("mcp", {"mcp/__init__.py": "LATE = 'lib.old'"}, "below", "aside; extra == 'cli'")
    folder.add("below", {"below.py": "LATE = 'lib.old'"})
    assert folder.strip(PART) == []
    folder = Folder(folder.place.with_name("other"))
    folder.add("mcp", {"mcp/__init__.py": ""}, "aside; extra == 'cli'")
    folder.add("aside", {"aside.py": "LATE = 'lib.old'"})
    folder.named = [Requirement("mcp[cli]")]
    assert folder.strip(PART) == ["aside.py names it"], "an extra that the user asks for brings his packages"


def data_of(folder: Folder) -> None:
    """`lib` has data that it opens by name."""
    folder.add("lib", {f"lib/data/{name}": "" for name in ("index", "used/1", "unused/1")})
    (folder.place / "app/quiet.py").write_text("")


def test_what_a_pattern_excepts_stays(folder: Folder) -> None:
    data_of(folder)
    folder.room("inside/known.py", "import lib")
    folder.room("other.py", "import library")
    assert folder.strip(READ) == []
    assert [folder.has(f"lib/data/{name}") for name in ("index", "used/1", "unused")] == [True, True, False]


@pytest.mark.parametrize("text", ["import lib", "from lib.core import x", "NEEDED = ('lib',)"])
def test_a_file_of_the_user_s_that_may_read_the_data_keeps_them(folder: Folder, text: str) -> None:
    data_of(folder)
    folder.room("mine.py", text)
    assert folder.strip(READ) == ["mine.py mentions lib"]
    assert folder.has("lib/data/unused/1")


@pytest.mark.parametrize("text", ["import lib", "def late():\n    from lib import core", "NAME = 'lib.core'"])
def test_a_package_of_the_user_s_that_may_read_the_data_keeps_them(folder: Folder, text: str) -> None:
    data_of(folder)
    folder.add("more", {"more/__init__.py": text})
    assert folder.strip(READ) == ["more/__init__.py names lib"]


def test_what_is_the_project_s_own_is_still_required() -> None:
    files = (ROOT / "functions").glob("*/requirements*.in")
    named = {(each.name.lower(), frozenset(each.extras)) for file in files for each in named_in(file)}
    assert {(each.name, frozenset(each.extras)) for each in map(Requirement, OURS)} <= named


def test_a_file_that_another_distribution_has_put_there_stays(folder: Folder) -> None:
    folder.add("more", {"lib/core.py": "", "lib/more.py": ""})
    assert folder.strip(ALL) == []
    assert sorted(path.name for path in (folder.place / "lib").iterdir()) == ["core.py", "more.py"]
