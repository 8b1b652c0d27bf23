"""Which locks `make lock` writes, and which ones `make check` complains of. No index is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import lock
import setup
from support.projects import ROOT

SERVER, OAUTH, RUN = "functions/mcp_server/requirements", "functions/oauth_server/requirements", "requirements/run"


@pytest.fixture(name="project")
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every lock of the real project, and a resolver that says which it was asked for."""
    for stem in {**lock.LOCKS, **lock.BENCH}:
        for suffix in (".in", ".txt"):
            path = tmp_path / f"{stem}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((ROOT / f"{stem}{suffix}").read_bytes())
    (tmp_path / lock.LOCKED).write_bytes((ROOT / lock.LOCKED).read_bytes())
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: None)
    return tmp_path


def locked(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert lock.main(list(arguments), project) == 0
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("lock ").partition(".txt")[0] for line in lines if line.startswith("lock ")]


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_the_project_s_own_are_fresh(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lock.main(["--check"], ROOT) == 0
    assert locked(project, capsys) == []


def test_one_more_package_locks_what_reads_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(project / f"{SERVER}.in", "requests\n")
    assert lock.main(["--check"], project) == 1
    told = capsys.readouterr().out
    assert f"{SERVER}.txt is stale: {SERVER}.in has changed. Run: make lock" in told
    assert OAUTH not in told
    assert locked(project, capsys) == [SERVER, RUN, "requirements/dev"]
    assert locked(project, capsys) == []


@pytest.mark.parametrize("text", ["# why\n", "\n\n"])
def test_a_comment_locks_nothing(project: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    append(project / f"{SERVER}.in", text)
    assert locked(project, capsys) == []


def test_another_version_below_locks_what_has_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / f"{SERVER}.txt"
    path.write_text(path.read_text().replace("\nanyio==", "\nanyio==99"))
    stale = locked(project, capsys)
    assert {OAUTH, RUN} <= set(stale)
    assert not {SERVER, "requirements/uv", "requirements/sam"} & set(stale)


def test_a_lock_that_is_missing_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "requirements/sam.txt").unlink()
    assert lock.main(["--check"], project) == 1
    assert "requirements/sam" in locked(project, capsys)


@pytest.mark.parametrize("arguments", [["--all"], ["--upgrade"], ["--upgrade-package", "mcp"]])
def test_all_are_written_on_demand(project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert locked(project, capsys, *arguments) == [*lock.LOCKS, *lock.BENCH]


def test_locking_needs_what_locks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is installed for it where a larger environment is there already."""
    assert setup.LEVELS["lock"] == [(setup.VENV, "requirements/uv.txt")]
    (rule,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("lock:"))
    assert rule.partition("##")[0].strip() == "lock:"
    monkeypatch.setattr(setup, "VENV", tmp_path)
    setup.python_of(tmp_path).parent.mkdir()
    setup.python_of(tmp_path).touch()
    (tmp_path / "run.stamp").write_text(setup.stamp_of("requirements/run.txt"))
    assert [setup.is_current(tmp_path, name) for name in setup.GROWING] == [True, True, False]
