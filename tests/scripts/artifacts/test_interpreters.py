"""Finding a Python that runs: a file of the right name is not enough, and it need not be on PATH."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from artifacts import interpreters

VERSION = "3.99"  # no machine has it, so what is found is what the test has put there


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "on-path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    return folder


ANSWER = f"echo cpython {VERSION}"


def test_the_running_python_will_do(path_folder: Path) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreters.find(here) == Path(sys.executable)


def test_one_on_path_is_found(path_folder: Path) -> None:
    wanted = program(path_folder / f"python{VERSION}", ANSWER)
    assert interpreters.find(VERSION) == wanted


@pytest.mark.parametrize(
    "script", ["echo command not found >&2; exit 127", "echo cpython 3.98", "echo pypy 3.99", "exit 0"]
)
def test_one_that_does_not_run_it_is_not_taken(path_folder: Path, script: str) -> None:
    program(path_folder / f"python{VERSION}", script)
    assert interpreters.find(VERSION) is None


def test_behind_a_launcher_the_real_ones_are_found_newest_first(path_folder: Path, tmp_path: Path) -> None:
    shims = path_folder.rename(tmp_path / "shims")
    program(shims / f"python{VERSION}", "exit 127")
    program(tmp_path / f"versions/{VERSION}.2/bin/python{VERSION}", ANSWER)
    newest = program(tmp_path / f"versions/{VERSION}.10/bin/python{VERSION}", ANSWER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(shims))
        assert interpreters.find(VERSION) == newest


def test_the_root_of_the_version_manager_may_be_named(
    path_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = program(tmp_path / f"manager/versions/{VERSION}.1/bin/python{VERSION}", ANSWER)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "manager"))
    assert interpreters.find(VERSION) == wanted


def test_none(path_folder: Path) -> None:
    assert interpreters.find(VERSION) is None
