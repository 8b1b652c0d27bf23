"""The list of what is left out, row by row, on what the locks really install; and that all that stays still imports."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from artifacts import distributions, interpreters, sdists, stripping, wheels
from artifacts.deployables import ARTIFACTS, DEFAULT_PYTHON, Artifact, Target, target_of
from artifacts.imports import files_of, imported_modules
from artifacts.unused import EVERYTHING, LOGINS, ROWS, Unused
from support.projects import ROOT

pytestmark = [pytest.mark.artifact, pytest.mark.timeout(300)]

LEAST_BYTES = 15_000
BY_NAME = {artifact.name: artifact for artifact in ARTIFACTS}
CASES = [(row, name) for row in ROWS for name in row.artifacts]


@dataclass
class Install:
    """The packages of an artifact, before and after."""

    artifact: Artifact
    target: Target
    before: frozenset[str]
    modules: dict[str, set[str]]  # what the spared sources import
    required_by: dict[str, set[str]]
    failed_before: dict[str, str]
    failed_after: dict[str, str]
    removed: dict[Unused, stripping.Removed]
    kept: list[stripping.Kept]
    folder: Path


# Imports every module of a folder in one process. What a module says or starts is none of our concern.
IMPORT_ALL = """
import importlib, io, json, os, pathlib, sys, warnings
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
warnings.simplefilter("ignore")
out, sys.stdout = sys.stdout, io.StringIO()
failed = {}
for path in sorted(folder.rglob("*.py")):
    parts = path.relative_to(folder).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if parts[-1] == "__main__" or not all(part.isidentifier() for part in parts):
        continue
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
json.dump(failed, out)
out.flush()
os._exit(0)
"""


def failing_imports(folder: Path, target: Target) -> dict[str, str]:
    """The modules that cannot be imported, each with the reason; none where this machine lacks that Python."""
    python = interpreters.find(target.python)
    if python is None:
        return {}
    command = [str(python), "-I", "-S", "-B", "-c", IMPORT_ALL, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={}, timeout=120)
    assert done.stdout, done.stderr
    failed: dict[str, str] = json.loads(done.stdout)
    return failed


@pytest.fixture(scope="module")
def installs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Install]:
    made: dict[str, Install] = {}

    def install(name: str) -> Install:
        if name not in made:
            made[name] = _install(BY_NAME[name], tmp_path_factory.mktemp("install") / "folder")
        return made[name]

    return install


def _install(artifact: Artifact, folder: Path) -> Install:
    target = target_of(artifact, DEFAULT_PYTHON, "x86_64")
    lock = ROOT / "functions" / artifact.deployable / (artifact.requirements or "")
    owners = wheels.install(lock, target, folder, without=artifact.sdists)
    if artifact.sdists:
        owners |= sdists.install(lock, target, artifact.sdists, folder)
    named = distributions.named_in(lock.with_suffix(".in"))
    before = frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    spared = {name for row in ROWS for name in row.spared if (folder / name).exists()}
    modules = {name: {module for module, _ in imported_modules(folder / name, folder)} for name in spared}
    for row in ROWS:
        if artifact.name in row.artifacts:
            assert all(files_of(name, folder) for name in row.imports if not name.endswith("_testcapi")), row
    required_by = distributions.requirers(distributions.read(folder), target, named)
    failed_before = failing_imports(folder, target)
    rooms = [path for path in lock.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    rooms = [path for path in rooms if not path.name.startswith("requirements")]
    removed, kept = stripping.Installed(folder, artifact, target, owners, named, rooms).strip()
    rows = {each.row: each for each in removed}
    failed_after = failing_imports(folder, target)
    return Install(artifact, target, before, modules, required_by, failed_before, failed_after, rows, kept, folder)


@pytest.mark.parametrize(("row", "name"), CASES, ids=lambda value: str(value))
def test_what_a_row_names_is_there_before_and_gone_after(
    installs: Callable[[str], Install], row: Unused, name: str
) -> None:
    install = installs(name)
    assert row in install.removed, [each.reason for each in install.kept if each.row == row] or "nothing matches it"
    files = install.removed[row].files
    assert files <= install.before
    assert not [path for path in files if (install.folder / path).exists()]
    assert install.removed[row].size >= LEAST_BYTES, "not worth its lines"
    assert not any(path.endswith(".so") for path in files) or row.files == ("multidict/_testcapi.*",)
    infos = [path for path in files if ".dist-info/" in path]
    assert bool(infos) is (row.files == EVERYTHING), "metadata and licences go with all of the code, and never without"


@pytest.mark.parametrize(("row", "name"), CASES, ids=lambda value: str(value))
def test_what_a_row_claims_is_so(installs: Callable[[str], Install], row: Unused, name: str) -> None:
    """An exception that nothing needs any more would be one that nobody looks at."""
    install = installs(name)
    for path in row.spared:
        assert any(
            module == wanted or module.startswith(f"{wanted}.")
            for module in install.modules[path]
            for wanted in row.imports
        ), f"{path} does not import it any more"
    assert set(row.required_by) <= install.required_by[row.distribution]
    assert not row.named_for_another or any(
        row.distribution not in (one.distribution for one in ROWS if other.name in one.artifacts and one.takes_all)
        for other in ARTIFACTS
        if other.requirements == install.artifact.requirements and other.deployable == install.artifact.deployable
    )
    lock = (ROOT / "functions" / install.artifact.deployable / str(install.artifact.requirements)).with_suffix(".in")
    named = {canonicalize_name(one.name) for one in distributions.named_in(lock)}
    assert row.named_for_another is (row.takes_all and row.distribution in named)
    assert row.why.endswith(".")


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in row.artifacts}))
def test_nothing_that_stays_misses_what_is_gone(installs: Callable[[str], Install], name: str) -> None:
    """Every module that could be imported before can be imported after, but for those that are gone."""
    install = installs(name)
    assert install.kept == []
    if interpreters.find(install.target.python) is None:
        pytest.skip(f"no Python {install.target.python} on this machine to import with")
    assert set(install.failed_after) <= set(install.failed_before), {
        module: why for module, why in install.failed_after.items() if module not in install.failed_before
    }


def test_every_service_that_botocore_calls_by_itself_is_kept(installs: Callable[[str], Install]) -> None:
    """A new one in a newer botocore is a new way to credentials, whose description must stay."""
    sources = "".join(path.read_text() for path in (installs("fc/oauth_server").folder / "botocore").glob("*.py"))
    called = re.findall(r"(?:_client_creator|create_nested_client)\(\s*(?:self\._session, )?['\"]([a-z0-9-]+)", sources)
    assert set(called) == set(LOGINS)


def test_who_reads_a_row_s_files_is_there_and_does() -> None:
    for row in ROWS:
        assert bool(row.read_by) is bool(row.readers)
        for artifact in (BY_NAME[name] for name in row.artifacts):
            for path in row.read_by:
                source = (ROOT / "functions" / artifact.deployable / path).read_text()
                assert any(f"import {name}" in source for name in row.readers), path


def test_every_row_is_for_an_artifact_that_there_is() -> None:
    assert {name for row in ROWS for name in row.artifacts} <= set(BY_NAME)
    assert len({(row.distribution, row.files) for row in ROWS}) == len(ROWS)
