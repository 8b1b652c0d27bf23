"""Bytecode that a changed source outlives only where nobody changes sources."""

from __future__ import annotations

import py_compile
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts import bytecode, interpreters
from artifacts.bytecode import MAGIC
from artifacts.deployables import PYTHONS
from artifacts.errors import BuildError

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
ASK = "import sys; sys.path.insert(0, sys.argv[1]); import mine, theirs; print(mine.VALUE, theirs.VALUE)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("mine", "theirs"):
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    return tmp_path


def compile_here(folder: Path) -> list[str]:
    return bytecode.compile_folder(folder, [folder / "mine.py"], Path(sys.executable), HERE, shown_as="/var/task")


def test_a_changed_file_of_ours_counts_and_one_of_a_dependency_does_not(folder: Path) -> None:
    assert compile_here(folder) == []
    for name in ("mine", "theirs"):
        (folder / f"{name}.py").write_text("VALUE = 2\n")
    done = subprocess.run([sys.executable, "-I", "-c", ASK, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "1"]


def test_tracebacks_show_where_the_cloud_unpacks(folder: Path) -> None:
    (folder / "theirs.py").write_text("def fail():\n    raise ValueError\n")
    compile_here(folder)
    (compiled,) = (folder / "__pycache__").glob("theirs.*.pyc")
    assert b"/var/task/theirs.py" in compiled.read_bytes()
    assert str(folder).encode() not in compiled.read_bytes()


def test_a_dependency_that_does_not_compile_is_told(folder: Path) -> None:
    (folder / "theirs.py").write_text("print 'Python 2'\n")
    assert compile_here(folder) == ["theirs.py"]


def test_a_file_of_ours_that_does_not_compile_is_an_error(folder: Path) -> None:
    (folder / "mine.py").write_text("def (:\n")
    with pytest.raises(BuildError, match=rf"mine\.py is not valid for Python {HERE}"):
        compile_here(folder)


# What the check refuses: each fault planted by hand in a folder that passes


def take_one_away(folder: Path) -> None:
    bytecode.compiled(folder / "theirs.py", HERE).unlink()


def compile_for_another_python(folder: Path) -> None:
    path = bytecode.compiled(folder / "theirs.py", HERE)
    path.write_bytes((3413).to_bytes(2, "little") + path.read_bytes()[2:])  # Python 3.8's


def name_it_for_another_python(folder: Path) -> None:
    path = bytecode.compiled(folder / "theirs.py", HERE)
    path.rename(path.with_name("theirs.cpython-38.pyc"))


def cut_it_off(folder: Path) -> None:
    path = bytecode.compiled(folder / "mine.py", HERE)
    path.write_bytes(path.read_bytes()[:10])


def compile_by_time(name: str) -> Callable[[Path], None]:
    return lambda folder: compile_again(folder / f"{name}.py", py_compile.PycInvalidationMode.TIMESTAMP)


def compile_again(source: Path, mode: py_compile.PycInvalidationMode) -> None:
    py_compile.compile(str(source), cfile=str(bytecode.compiled(source, HERE)), invalidation_mode=mode, doraise=True)


def leave_a_stray(folder: Path) -> None:
    (folder / "theirs.py").unlink()


def swap_the_kinds(folder: Path) -> None:
    compile_again(folder / "mine.py", py_compile.PycInvalidationMode.UNCHECKED_HASH)


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (take_one_away, r"theirs\.cpython-\d+\.pyc is missing"),
        (compile_for_another_python, rf"theirs\.cpython-\d+\.pyc is no bytecode of a released Python {HERE}"),
        (name_it_for_another_python, r"theirs\.cpython-\d+\.pyc (is missing|belongs to no source)"),
        (cut_it_off, rf"mine\.cpython-\d+\.pyc is no bytecode of a released Python {HERE}"),
        (compile_by_time("theirs"), r"theirs\.cpython-\d+\.pyc is not unchecked-hash"),
        (compile_by_time("mine"), r"mine\.cpython-\d+\.pyc is not checked-hash"),
        (swap_the_kinds, r"mine\.cpython-\d+\.pyc is not checked-hash"),
        (leave_a_stray, r"theirs\.cpython-\d+\.pyc belongs to no source"),
    ],
)
def test_a_fault_in_the_bytecode_stops_the_build(folder: Path, plant: Callable[[Path], None], reason: str) -> None:
    compile_here(folder)
    bytecode.check(folder, [folder / "mine.py"], HERE)
    plant(folder)
    with pytest.raises(BuildError, match=reason):
        bytecode.check(folder, [folder / "mine.py"], HERE)


def test_what_does_not_compile_has_no_bytecode_to_check(folder: Path) -> None:
    (folder / "theirs.py").write_text("print 'Python 2'\n")
    bytecode.check(folder, [folder / "mine.py"], HERE, without=compile_here(folder))


def test_bytecode_of_another_python_than_the_target_is_refused(folder: Path) -> None:
    """An interpreter that calls itself right and is not: the names in the folder are right then, the bytes are not."""
    other = next(python for version in MAGIC if version != HERE and (python := interpreters.find(version)))
    done = subprocess.run(
        [str(other), "-c", RENAMED, str(folder), HERE.replace(".", "")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(BuildError, match="is no bytecode of a released Python"):
        bytecode.check(folder, [folder / "mine.py"], HERE)


RENAMED = """
import pathlib, py_compile, sys
for path in pathlib.Path(sys.argv[1]).glob("*.py"):
    mode = getattr(py_compile.PycInvalidationMode, "CHECKED_HASH" if path.stem == "mine" else "UNCHECKED_HASH")
    place = path.parent / f"__pycache__/{path.stem}.cpython-{sys.argv[2]}.pyc"
    py_compile.compile(str(path), str(place), invalidation_mode=mode)
"""


def test_the_magic_numbers_are_those_of_every_target() -> None:
    assert set(MAGIC) == set(PYTHONS)
    found = {version: python for version in PYTHONS if (python := interpreters.find(version))}
    assert HERE in found
    ask = "import importlib.util; print(int.from_bytes(importlib.util.MAGIC_NUMBER[:2], 'little'))"
    for version, python in found.items():
        told = subprocess.run([str(python), "-S", "-c", ask], capture_output=True, text=True, check=True).stdout
        assert int(told) == MAGIC[version], version
