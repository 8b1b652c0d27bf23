"""What of a deployable's folder goes into which artifact, and what stops before a cloud finds out."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts import sources
from artifacts.deployables import ARTIFACTS, Artifact
from artifacts.errors import BuildError

ROWS = {row.name: row for row in ARTIFACTS}
AWS, FC = ROWS["aws/mcp_server"], ROWS["fc/mcp_server"]


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    folder = tmp_path / "mcp_server"
    files = ["aws_lambda.py", "alibaba_fc.py", "tools.py", "bootstrap", "requirements.txt", "requirements.in"]
    files += ["mine.py", "data/words.json", "data/__pycache__/x.pyc", "old.pyc", ".env", ".cache/token"]
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "mcp_faas").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("artifact", "expected"),
    [
        (AWS, {"aws_lambda.py", "tools.py", "mine.py", "data/words.json"}),
        (FC, {"alibaba_fc.py", "bootstrap", "tools.py", "mine.py", "data/words.json"}),
    ],
    ids=["aws", "fc"],
)
def test_each_cloud_gets_its_own_and_the_users_files(functions: Path, artifact: Artifact, expected: set[str]) -> None:
    assert {place.as_posix() for place in sources.collect(artifact, functions).values()} == expected


def test_bootstrap_becomes_executable_whatever_it_was(functions: Path, tmp_path: Path) -> None:
    (functions / "mcp_server/bootstrap").chmod(0o644)  # as a zip of the repository leaves it
    into = tmp_path / "artifact"
    sources.copy(sources.collect(FC, functions), FC.executables, into)
    modes = {path.name: path.stat().st_mode & 0o777 for path in into.iterdir() if path.is_file()}
    assert modes == {"alibaba_fc.py": 0o644, "bootstrap": 0o755, "mine.py": 0o644, "tools.py": 0o644}


@pytest.mark.parametrize("dependency", ["mine/__init__.py", "mine.py", "data.py"])
def test_a_file_that_would_hide_a_dependency_is_refused(functions: Path, tmp_path: Path, dependency: str) -> None:
    installed = tmp_path / "artifact" / dependency
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    with pytest.raises(BuildError, match="have the same name"):
        sources.copy(sources.collect(AWS, functions), (), tmp_path / "artifact")


def test_a_deployable_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert not sources.is_there(AWS, tmp_path)


def test_half_a_deployable_is_an_error(functions: Path) -> None:
    (functions / "mcp_server/tools.py").unlink()
    with pytest.raises(BuildError, match=r"has no tools\.py, which aws/mcp_server is started by"):
        sources.is_there(AWS, functions)
