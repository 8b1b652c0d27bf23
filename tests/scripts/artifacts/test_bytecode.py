"""Bytecode that a changed source outlives only where nobody changes sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from artifacts import bytecode
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
