"""Real builds of the real project: what lies in an artifact, that it is always the same, and how a build fails."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import boto3
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import package as builder
from artifacts import archive, distributions, installers, interpreters, natives, sbom, sdists, wheels
from artifacts.bytecode import MAGIC
from artifacts.deployables import ARTIFACTS, Target
from artifacts.errors import BuildError
from artifacts.locks import pins_for
from artifacts.unused import EVERYTHING, ROWS
from support.projects import ROOT, copy_project, package

pytestmark = [pytest.mark.artifact, pytest.mark.timeout(900)]

LOCK = ROOT / "functions/mcp_server/requirements.txt"
OTEL_LOCK = ROOT / "functions/mcp_server/requirements-otel.txt"
GUARD_LOCK = ROOT / "functions/token_guard/requirements-fc.txt"
PYTHONS = {"aws": "3.13", "fc": "3.12"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository at one moment: builds that are compared have the same input, even if somebody edits meanwhile."""
    return copy_project(tmp_path_factory.mktemp("pristine") / "project")


@pytest.fixture(scope="module")
def project(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which everything is built once."""
    project = shutil.copytree(pristine, tmp_path_factory.mktemp("built") / "project")
    done = package(project)
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def build(project: Path) -> Path:
    return project / ".build"


@pytest.fixture
def sources(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return shutil.copytree(pristine, tmp_path / "project")


# Run by the artifact's own Python: for each source the flags of its bytecode, if that Python would take it as it is.
# PEP 552: 1 says that a hash follows, 2 that an import compares it with the source.
LOOK = """
import importlib.util, json, pathlib, sys
flags = {}
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    compiled = pathlib.Path(importlib.util.cache_from_source(str(path))).read_bytes()
    if (compiled[:4], compiled[8:16]) == (importlib.util.MAGIC_NUMBER, importlib.util.source_hash(path.read_bytes())):
        flags[path.relative_to(sys.argv[1]).as_posix()] = int.from_bytes(compiled[4:8], "little")
print(json.dumps(flags))
"""


def built(build: Path) -> dict[str, dict[str, object]]:
    manifest: dict[str, dict[str, object]] = json.loads((build / "manifest.json").read_text())
    return manifest


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def left_over(build: Path) -> list[str]:
    return [path.name for path in build.rglob(".building-*")]


# What is in there


def test_the_manifest_describes_what_lies_there(build: Path) -> None:
    expected = {
        row.name for row in ARTIFACTS if (ROOT / "functions" / row.deployable / f"{row.entries[0]}.py").exists()
    }
    assert set(built(build)) == expected
    for name, entry in built(build).items():
        zipped, folder = build / f"{name}.zip", build / name
        assert entry["sha256"] == hashlib.sha256(zipped.read_bytes()).hexdigest()
        assert entry["bytes_zipped"] == zipped.stat().st_size
        assert entry["bytes_unzipped"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert (entry["python"], entry["architecture"]) == (PYTHONS[name.split("/")[0]], "x86_64")
        assert entry["bytecode"] is (interpreters.find(str(entry["python"])) is not None)


def test_a_zip_holds_the_folder_beside_it(build: Path) -> None:
    for name in built(build):
        with zipfile.ZipFile(build / f"{name}.zip") as file:
            assert file.testzip() is None
            assert file.namelist() == sorted(file.namelist(), key=lambda entry: entry.split("/"))
            assert set(file.namelist()) == files(build / name)


def test_only_what_runs_is_executable(build: Path) -> None:
    with zipfile.ZipFile(build / "fc/mcp_server.zip") as file:
        modes = {entry.filename: entry.external_attr >> 16 for entry in file.infolist()}
    assert modes.pop("bootstrap") == 0o100755
    assert {mode for name, mode in modes.items() if name.endswith((".py", ".pyc"))} == {0o100644}
    assert os.access(build / "fc/mcp_server/bootstrap", os.X_OK)


def test_each_cloud_gets_its_own_entry_points(build: Path) -> None:
    aws, fc = files(build / "aws/mcp_server"), files(build / "fc/mcp_server")
    assert {"aws_lambda.py", "tools.py", "mcp_faas/__init__.py", "mcp_faas/platforms/aws.py"} <= aws
    assert {"alibaba_fc.py", "tools.py", "mcp_faas/__init__.py", "mcp_faas/platforms/fc.py", "bootstrap"} <= fc
    assert not aws & {"alibaba_fc.py", "mcp_faas/platforms/fc.py", "bootstrap", "python-version"}
    assert not fc & {"aws_lambda.py", "mcp_faas/platforms/aws.py"}
    assert not any(re.match(r"requirements.*\.(in|txt)$", name) for name in aws | fc)


def test_the_guard_on_aws_has_no_dependency(build: Path) -> None:
    folder = build / "aws/token_guard"
    entries = {path.name for path in folder.iterdir()} - {"__pycache__", "mcp_faas"}
    assert entries == {path.name for path in (ROOT / "functions/token_guard").glob("aws_*.py")}
    imported = {
        match[1]
        for path in folder.rglob("*.py")
        for match in re.finditer(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
    }
    assert not imported & {"mcp", "mcp_types", "pydantic", "starlette", "mangum", "jwt", "cryptography", "anyio"}
    assert not (folder / "mcp_faas/platforms").exists()
    assert not (folder / "mcp_faas/server.py").exists()


# What Lambda's own Python has beside the standard library, as far as the guard may count on it.
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")


@pytest.mark.parametrize("entry", ["aws_authorizer", "aws_rotation"])
def test_the_guard_on_aws_starts_with_boto3_alone(build: Path, tmp_path: Path, entry: str) -> None:
    python = interpreters.find("3.13")
    if python is None:
        pytest.skip("no Python 3.13 on this machine to run the artifact")
    for name in BOTO3:
        (tmp_path / name).symlink_to(Path(boto3.__file__).parent.parent / name)
    environment = {"MCP_TOKENS": "aws://eu-west-1/tokens", "AWS_REGION": "eu-west-1"}
    done = start(python, [build / "aws/token_guard", tmp_path], entry, environment)
    assert done.stdout.split() == ["function"], done.stderr


def test_the_rotator_on_fc_starts_with_what_is_packaged(build: Path) -> None:
    """It and what it imports only when it reads a trigger and delivers: both official clients."""
    python = interpreters.find("3.12")
    if python is None:
        pytest.skip("no Python 3.12 on this machine to run the artifact")
    late = ("mcp_faas.stores.fc_trigger", "mcp_faas.stores.fc_domain", "mcp_faas.lifecycle.sinks.oss")
    done = start(python, [build / "fc/token_guard"], "fc_rotation", {}, *late)
    assert done.stdout.split() == ["function"], done.stderr
    folder = build / "fc/token_guard"
    assert not {"mcp", "pydantic", "boto3", "botocore", "setuptools", "aws_rotation.py"} & {
        path.name for path in folder.iterdir()
    }


def start(
    python: Path, folders: list[Path], entry: str, environment: dict[str, str], *late: str
) -> subprocess.CompletedProcess[str]:
    """Import an entry point with nothing on the path but these folders and the standard library."""
    path = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}"
    imports = "; ".join(f"import {module}" for module in [entry, *late])
    ask = f"{path}; {imports}; print(type({entry}.handler).__name__)"
    command = [str(python), "-I", "-S", "-B", "-W", "ignore", "-c", ask]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment)


@pytest.mark.parametrize("name", ["aws/mcp_server", "fc/mcp_server", "fc/token_guard"])
def test_the_dependencies_are_those_of_the_lock_for_that_python(build: Path, name: str) -> None:
    folder, lock = build / name, GUARD_LOCK if name == "fc/token_guard" else LOCK
    wanted = {
        (pin.requirement.name.replace("-", "_").lower(), str(pin.requirement.specifier).removeprefix("=="))
        for pin in pins_for(Target(PYTHONS[name.split("/")[0]], "x86_64"), lock)
    }
    found = {tuple(path.name.removesuffix(".dist-info").lower().rsplit("-", 1)) for path in folder.glob("*.dist-info")}
    left_out = {row.distribution for row in ROWS if name in row.artifacts and row.files == EVERYTHING}
    assert found == {(each, version) for each, version in wanted if each not in left_out}
    assert len(found) == len(wanted) - len(left_out)
    assert "exceptiongroup" not in {name for name, _ in found}  # the lock has it, for Python 3.10


def test_every_native_library_fits(build: Path) -> None:
    for name in ("aws/mcp_server", "fc/mcp_server", "fc/token_guard"):
        assert natives.check(build / name, Target(PYTHONS[name.split("/")[0]], "x86_64")) >= 3


def test_licences_stay_and_traces_of_the_machine_go(project: Path, build: Path) -> None:
    telling = [str(path).encode() for path in (project, ROOT, sys.prefix, Path.home() / ".cache", sys.executable)]
    for name in built(build):
        folder = build / name
        for info in folder.glob("*.dist-info"):
            assert (info / "METADATA").is_file()
            assert not {path.name for path in info.iterdir()} & set(installers.INSTALLER_TRACES)
        assert not (folder / "bin").exists()
        for path in folder.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not [trace for trace in telling if trace in content], path
    assert list((build / "aws/mcp_server").glob("pydantic_core-*.dist-info/licenses/*"))


# Released without the text of their licence. It is Apache License 2.0, says the metadata of each, which stays.
WITHOUT_LICENCE_FILE = {
    *("alibabacloud-credentials", "alibabacloud-credentials-api", "alibabacloud-gateway-spi", "alibabacloud-tea"),
    *("alibabacloud-tea-openapi", "alibabacloud-tea-util", "darabonba-core"),
}


def test_every_distribution_has_its_licences_or_is_known_to_ship_none(build: Path) -> None:
    without = set()
    for name in built(build):
        for one in distributions.read(build / name).values():
            named = one.values("License-File")
            for file in named:  # PEP 639 puts them into `licenses`; older builders lay them beside the metadata
                places = [one.info / "licenses" / file, one.info / file, one.info / Path(file).name]
                assert any(place.is_file() and place.stat().st_size for place in places), (one.name, file)
            if not named and not list(one.info.glob("LICENSE*")):  # old builders lay it there and name it nowhere
                without.add(one.name)
                assert sbom.licences(one) == [
                    {"license": {"name": "Apache License 2.0", "acknowledgement": "declared"}}
                ], one.name
    assert without == WITHOUT_LICENCE_FILE


def test_every_library_is_the_one_of_its_wheel(project: Path, build: Path, tmp_path: Path) -> None:
    """Nothing is cut out of a binary: what pip has checked is what runs."""
    target = Target("3.13", "x86_64")
    wheels.install(LOCK, target, tmp_path / "plain")
    libraries = natives.found(build / "aws/mcp_server")
    assert libraries
    for path in libraries:
        plain = tmp_path / "plain" / path.relative_to(build / "aws/mcp_server")
        assert plain.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    "name",
    ["aws/mcp_server", "aws/oauth_server", "aws/token_guard", "fc/mcp_server", "fc/oauth_server", "fc/token_guard"],
)
def test_the_bill_of_materials_names_what_lies_in_the_zip(build: Path, name: str) -> None:
    entry = built(build)[name]
    path = build / f"{name}.cdx.json"
    assert build / str(entry["sbom"]) == path
    text = path.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    root = bill["metadata"]["component"]
    assert root["hashes"] == [{"alg": "SHA-256", "content": entry["sha256"]}]
    assert {each["name"]: each["value"] for each in root["properties"]} == {
        "mcp-faas:python": entry["python"],
        "mcp-faas:architecture": entry["architecture"],
    }
    installed = distributions.read(build / name)
    components = {each["name"]: each for each in bill["components"]}
    assert {each: components[each]["version"] for each in components} == {
        each.name: each.version for each in installed.values()
    }
    for each, component in components.items():
        assert component["purl"] == f"pkg:pypi/{each}@{component['version']}"
        assert "hashes" not in component  # a lock's are those of many files, of which one was installed
        assert component["licenses"]
        for reference in component.get("externalReferences", []):
            assert (build / name / unquote(reference["url"])).is_file()
    references = [root["bom-ref"], *(each["bom-ref"] for each in bill["components"])]
    assert [each["ref"] for each in bill["dependencies"]] == references
    assert {each for row in bill["dependencies"] for each in row["dependsOn"]} == set(references[1:])
    partly = {each for each, found in components.items() if found.get("properties")}
    assert partly == {row.distribution for row in ROWS if name in row.artifacts and row.files != EVERYTHING}


@pytest.mark.parametrize("name", ["aws/mcp_server", "aws/token_guard", "fc/mcp_server", "fc/token_guard"])
def test_bytecode_is_there_for_the_right_python(build: Path, name: str) -> None:
    version = PYTHONS[name.split("/")[0]]
    python = interpreters.find(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine, so the artifact has no bytecode")
    folder, tag = build / name, f"cpython-{version.replace('.', '')}"
    asked = subprocess.run([str(python), "-c", LOOK, str(folder)], capture_output=True, text=True, check=True)
    flags = json.loads(asked.stdout)
    assert set(flags) == {path for path in files(folder) if path.endswith(".py")}
    own = {path for path in flags if path.startswith("mcp_faas/")}
    own |= {path.name for path in (ROOT / "functions" / name.split("/")[1]).glob("*.py")} & set(flags)
    assert {path for path in flags if flags[path] != (0b11 if path in own else 0b01)} == set()
    assert {path.suffixes[0] for path in folder.rglob("*.pyc")} == {f".{tag}"}


def test_another_tools_file_in_an_unpacked_artifact_counts(build: Path, tmp_path: Path) -> None:
    python = interpreters.find("3.13")
    if python is None:
        pytest.skip("no Python 3.13 on this machine to run the artifact")
    with zipfile.ZipFile(build / "aws/mcp_server.zip") as file:
        file.extractall(tmp_path)
    (tmp_path / "tools.py").write_text('from mcp.server.mcpserver import MCPServer\nserver = MCPServer("another")\n')
    ask = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tools; print(tools.server.name)"
    done = subprocess.run([str(python), "-I", "-S", "-c", ask], capture_output=True, text=True)
    assert done.stdout.strip() == "another", done.stderr


# That it is always the same


def test_a_second_build_elsewhere_has_the_same_bytes(build: Path, pristine: Path, tmp_path: Path) -> None:
    project = shutil.copytree(pristine, tmp_path / "a folder with spaces")
    (project / "functions/mcp_server/bootstrap").chmod(0o644)  # as in a downloaded zip
    environment = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1700000000"}
    done = package(project, environment=environment, umask=0o077)
    assert done.returncode == 0, done.stderr
    assert built(project / ".build") == built(build)
    assert (project / ".build/manifest.json").read_bytes() == (build / "manifest.json").read_bytes()
    compared = sorted([*build.rglob("*.zip"), *build.glob("*/*.cdx.json")])
    assert len(compared) == 2 * len(built(build)) + 1  # and the application's zip
    for path in compared:
        assert (project / ".build" / path.relative_to(build)).read_bytes() == path.read_bytes(), path.name


def test_pip_installs_the_same_files_as_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.txt"
    target = Target("3.12", "arm64")
    wanted = {"rpds-py", "click", "exceptiongroup", "typing-extensions"}
    lock.write_text("".join(f"{pin}\n" for pin in pins_for(target, LOCK) if pin.requirement.name in wanted))
    wheels.install(lock, target, tmp_path / "uv")
    monkeypatch.setattr(installers, "_uv", lambda *_: None)
    wheels.install(lock, target, tmp_path / "pip")
    assert files(tmp_path / "uv") == files(tmp_path / "pip") != set()
    for name in files(tmp_path / "uv"):
        assert (tmp_path / "uv" / name).read_bytes() == (tmp_path / "pip" / name).read_bytes(), name


def test_pip_builds_the_same_files_from_source_as_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, names = Target("3.12", "x86_64"), ("alibabacloud-tea",)
    for name in ("uv", "pip"):
        (tmp_path / name).mkdir()
        sdists.install(GUARD_LOCK, target, names, tmp_path / name)
        monkeypatch.setattr(installers, "_uv", lambda *_: None)
    assert files(tmp_path / "uv") == files(tmp_path / "pip")
    assert {"Tea/model.py", "alibabacloud_tea-0.4.3.dist-info/METADATA"} <= files(tmp_path / "uv")
    for name in files(tmp_path / "uv"):
        assert (tmp_path / "uv" / name).read_bytes() == (tmp_path / "pip" / name).read_bytes(), name


# Other targets


def test_a_build_for_another_processor_and_python_with_more_packages(sources: Path) -> None:
    done = package(sources, "--only", "aws/mcp_server", "--arch", "arm64", "--python", "3.12", "--with", "otel")
    assert done.returncode == 0, done.stderr
    entry = built(sources / ".build")["aws/mcp_server"]
    assert (entry["architecture"], entry["python"]) == ("arm64", "3.12")
    folder = sources / ".build/aws/mcp_server"
    assert natives.check(folder, Target("3.12", "arm64")) >= 3
    more = {pin.requirement.name for lock in (LOCK, OTEL_LOCK) for pin in pins_for(Target("3.12", "arm64"), lock)}
    found = {path.name.removesuffix(".dist-info").rsplit("-", 1)[0] for path in folder.glob("*.dist-info")}
    left_out = {row.distribution for row in ROWS if "aws/mcp_server" in row.artifacts and row.files == EVERYTHING}
    assert {name.replace("_", "-").lower() for name in found} == {name.lower() for name in more} - left_out
    assert (folder / "opentelemetry/exporter/otlp/proto/http/__init__.py").is_file()
    with pytest.raises(BuildError, match="is built for aarch64"):
        natives.check(folder, Target("3.12", "x86_64"))
    with pytest.raises(BuildError, match=r"is built for cpython 312"):
        natives.check(folder, Target("3.13", "arm64"))
    assert entry["bytecode"] is (interpreters.find("3.12") is not None)
    if entry["bytecode"]:
        magic = {path.read_bytes()[:2] for path in folder.rglob("*.pyc")}
        assert magic == {MAGIC["3.12"].to_bytes(2, "little")}
    assert (folder / "urllib3").is_dir()  # what the packages of the extra need is there
    assert not (folder / "uvicorn").exists()  # and what none of them imports is not


def test_without_a_matching_python_the_build_warns_and_the_manifest_says_so(sources: Path, tmp_path: Path) -> None:
    missing = "3.14" if sys.version_info[:2] != (3, 14) else "3.10"
    nowhere = {"PATH": str(tmp_path / "empty"), "PYENV_ROOT": "", "UV_PYTHON_INSTALL_DIR": str(tmp_path / "none")}
    done = package(sources, "--only", "aws/token_guard", "--python", missing, environment=nowhere)
    assert done.returncode == 0, done.stderr
    assert f"no Python {missing}" in done.stderr
    assert "about twice as long" in done.stderr
    assert f"uv python install {missing}" in done.stderr
    assert built(sources / ".build")["aws/token_guard"]["bytecode"] is False
    end = done.stderr.splitlines()[-4:]  # in the middle alone nobody would see it
    assert f"no Python {missing}" in end[0]
    assert "aws/token_guard has NO BYTECODE" in end[0]
    assert f"uv python install {missing}" in end[2]
    assert re.search(r"done after \d+ s", end[3])
    assert not list((sources / ".build/aws/token_guard").rglob("*.pyc"))


# SAM


@pytest.mark.parametrize("logical_id", ["AwsAuthorizer", "AwsRotation"])
def test_sam_gets_a_folder_like_the_artifact(project: Path, build: Path, tmp_path: Path, logical_id: str) -> None:
    done = package(project, "--sam", logical_id, "--into", str(tmp_path / "artifacts"))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "artifacts") == files(build / "aws/token_guard")
    assert "compiling" in done.stdout or "NO BYTECODE" in done.stdout  # sam hides stderr
    again = package(project, "--sam", logical_id, "--into", str(tmp_path / "artifacts"))
    assert again.returncode == 1
    assert "is not empty" in again.stderr


def test_sam_asks_for_a_function_that_nobody_knows(project: Path, tmp_path: Path) -> None:
    done = package(project, "--sam", "Nobody", "--into", str(tmp_path / "artifacts"))
    assert done.returncode == 1
    assert 'no artifact belongs to "Nobody"' in done.stderr
    assert "McpServer" in done.stderr


def test_sam_build_uses_the_builder(sources: Path, build: Path) -> None:
    sam = ROOT / ".venv/tools/sam/bin/sam"
    if not sam.exists():
        pytest.skip("SAM is not installed; make setup installs it")
    (sources / ".venv").symlink_to(ROOT / ".venv")
    environment = {
        **{"PYTHON3": "true", "SAM_CLI_TELEMETRY": "0", "HOME": str(sources.parent)},  # no setup in the copy, no traces
        **{"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "ARCH": "", "PYTHON": ""},
        "PYENV_ROOT": os.environ.get("PYENV_ROOT", ""),
    }
    done = subprocess.run(
        [str(sam), "build", "--template-file", "template.yaml"],
        cwd=sources,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    for logical_id, name in [("McpServer", "aws/mcp_server"), ("AwsAuthorizer", "aws/token_guard")]:
        folder = sources / ".aws-sam/build" / logical_id
        assert files(folder) == files(build / name)
        for path in files(folder):
            assert (folder / path).read_bytes() == (build / name / path).read_bytes(), path


def test_the_repository_is_no_cookiecutter_template() -> None:
    """`sam init --location` copies a repository as it is only if this file is not there; `project` is such a copy."""
    assert not (ROOT / "cookiecutter.json").exists()


# The start on FC


@pytest.fixture
def bootstrap(build: Path, tmp_path: Path) -> Callable[[str | None], subprocess.CompletedProcess[str]]:
    """Start the artifact with a `python3` of the given script on PATH, from another folder."""

    def start(script: str | None) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        if script is not None:
            (folder / "python3").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "python3").chmod(0o755)
        start = [str(build / "fc/mcp_server/bootstrap"), "argument"]
        return subprocess.run(start, capture_output=True, text=True, cwd="/", env={"PATH": str(folder)})

    return start


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo Python 3.11.2", r"built for Python 3\.12, but python3 on PATH is Python 3\.11\.2"),
        ("echo Python 3.120.1", r"built for Python 3\.12, but python3 on PATH is Python 3\.120\.1"),
        ("echo no such version >&2; exit 127", r"built for Python 3\.12, but python3 on PATH does not run"),
        (None, r"built for Python 3\.12, but PATH has no python3"),
    ],
)
def test_bootstrap_says_in_one_sentence_that_the_python_does_not_fit(
    bootstrap: Callable[[str | None], subprocess.CompletedProcess[str]], script: str | None, reason: str
) -> None:
    done = bootstrap(script)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert re.search(reason, done.stderr)
    assert "/var/fc/lang/python3.12/bin" in done.stderr


def test_bootstrap_starts_the_module_in_its_own_folder(
    build: Path, bootstrap: Callable[[str | None], subprocess.CompletedProcess[str]]
) -> None:
    done = bootstrap('[ "$1" = --version ] && echo Python 3.12.4 || { echo "$@"; pwd; }')
    assert done.stdout.splitlines() == ["-m alibaba_fc argument", str(build / "fc/mcp_server")]


# A user's own packages and files


def wheel(folder: Path, name: str, source: str, *requires: str) -> str:
    """A pure wheel, and the line of a lock that names it."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{name}/__init__.py": source,
        f"{name}-1.0.dist-info/METADATA": metadata,
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-1.0.dist-info/RECORD"
    with zipfile.ZipFile(path, "w") as file:
        for place, text in files.items():
            file.writestr(place, text)
        file.writestr(record, "".join(f"{place},,\n" for place in [*files, record]))
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


NEEDY = """
import click, uvicorn
from cffi import FFI
from pydantic.v1 import BaseModel
def works():
    FFI().cdef("int f(int);")
    return uvicorn.Config and click.command and BaseModel.__module__
"""


def test_what_a_users_package_needs_stays(sources: Path, tmp_path: Path) -> None:
    """One that imports without saying so, one that says so without importing; the rest is left out all the same."""
    functions, index = sources / "functions/mcp_server", tmp_path / "index"
    index.mkdir()
    lines = [wheel(index, "needy", NEEDY), wheel(index, "modest", "", "mypy; extra == 'types'")]
    lock = functions / "requirements.txt"
    lock.write_text(lock.read_text() + "".join(lines))
    (functions / "requirements.in").write_text((functions / "requirements.in").read_text() + "needy\nmodest\n")
    done = package(sources, "--only", "aws/mcp_server", environment={"UV_FIND_LINKS": str(index)})
    assert done.returncode == 0, done.stderr
    folder = sources / ".build/aws/mcp_server"
    for name in ("uvicorn", "click", "cffi", "pycparser", "pydantic/v1"):
        assert (folder / name).is_dir(), name
    for kept in ("uvicorn", "click", "cffi/* of cffi"):
        assert f"kept {kept}, because needy/__init__.py uses it" in done.stderr
    assert "kept pycparser, because cffi/cparser.py uses it" in done.stderr
    assert not (folder / "jsonschema/tests").exists()
    assert not (folder / "mcp/cli").exists()
    python = interpreters.find("3.13")
    if python is None:
        pytest.skip("no Python 3.13 on this machine to run the artifact")
    ask = f"import sys; sys.path.insert(0, {str(folder)!r}); import needy; print(needy.works())"
    told = subprocess.run([str(python), "-I", "-S", "-W", "ignore", "-c", ask], capture_output=True, text=True)
    assert told.stdout.strip() == "pydantic.v1.main", told.stderr


# How a build fails


def test_a_library_for_another_processor_stops_the_build(sources: Path) -> None:
    machine = (183).to_bytes(2, "little")
    (sources / "functions/mcp_server/fast.abi3.so").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + machine)
    done = package(sources, "--only", "aws/mcp_server")
    assert done.returncode == 1
    assert "fast.abi3.so is built for aarch64" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sources / ".build/aws/mcp_server").exists()
    assert left_over(sources / ".build") == []


def test_a_wheel_with_another_hash_is_not_installed(sources: Path) -> None:
    lock = sources / "functions/mcp_server/requirements.txt"
    lock.write_text(re.sub(r"(?s)(click==\S+).*?(?=\nc)", r"\1 --hash=sha256:" + 64 * "0", lock.read_text(), count=1))
    done = package(sources, "--only", "aws/mcp_server")
    assert done.returncode == 1
    assert "hash" in done.stderr.lower()
    assert "click" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sources / ".build/aws/mcp_server").exists()


def test_a_source_distribution_with_another_hash_is_not_built(sources: Path) -> None:
    lock = sources / "functions/token_guard/requirements-fc.txt"
    text = re.sub(r"(alibabacloud-tea==\S+ \\\n\s+--hash=sha256:)\w+", r"\g<1>" + 64 * "0", lock.read_text())
    assert text != lock.read_text()
    lock.write_text(text)
    done = package(sources, "--only", "fc/token_guard")
    assert done.returncode == 1
    assert "alibabacloud-tea of" in done.stderr
    assert "hash" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert not (sources / ".build/fc/token_guard").exists()
    assert left_over(sources / ".build") == []


def test_what_is_not_named_is_never_built_from_source(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)Each needs a wheel.*alibabacloud-tea"):
        wheels.install(GUARD_LOCK, Target("3.12", "x86_64"), tmp_path / "into")
    assert files(tmp_path / "into") == {".requirements.txt"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("requests", "requests has a wheel in .* by now; take it out of the list of sdists"),
        ("mangum", "has no mangum; take it out of the list of sdists"),
    ],
)
def test_only_what_has_no_wheel_is_built_from_source(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(BuildError, match=reason):
        sdists.install(GUARD_LOCK, Target("3.12", "x86_64"), (name,), tmp_path)
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tea/fast.cpython-311-x86_64-linux-gnu.so", b"\x7fELF\x02\x01\x01", "fast.* was compiled on this machine"),
        ("tea/fast.dylib", b"\xcf\xfa\xed\xfe", "fast.dylib was compiled on this machine"),
        ("tea/command", b"\x7fELF\x02\x01\x01", "command was compiled on this machine"),
        ("tea-1.dist-info/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n", "says that it is not pure Python"),
    ],
)
def test_what_was_built_here_must_be_pure_python(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    for good in ("tea/__init__.py", "tea-1.dist-info/WHEEL"):
        (tmp_path / good).parent.mkdir()
        (tmp_path / good).write_bytes(b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    sdists.check(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BuildError, match=reason):
        sdists.check(tmp_path)


def test_a_broken_tools_file_is_named_with_its_line(sources: Path) -> None:
    (sources / "functions/mcp_server/tools.py").write_text("server = 1\ndef broken(:\n")
    done = package(sources, "--only", "mcp_server")
    assert done.returncode == 1
    assert "tools.py line 2" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--only", "nothing"], 'there is no artifact "nothing"; choose from: aws/mcp_server'),
        (["--python", "2.7"], "invalid choice: '2.7'"),
        (["--arch", "sparc"], "invalid choice: 'sparc'"),
        (["--sam", "McpServer"], "--sam and --into belong together"),
    ],
)
def test_wrong_usage(project: Path, arguments: list[str], reason: str) -> None:
    done = package(project, *arguments)
    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_what_was_there(project: Path, number: signal.Signals) -> None:
    build = project / ".build"
    before = built(build)
    command = [sys.executable, str(project / "scripts/package.py"), "--only", "aws/mcp_server"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "installing" in line:
                os.killpg(running.pid, number)  # a terminal sends Ctrl-C to the installer, too
                break
        story = running.stderr.read()
    assert running.returncode == 130
    assert "interrupted" in story
    assert "Traceback" not in story
    assert left_over(build) == []
    assert built(build) == before
    assert hashlib.sha256((build / "aws/mcp_server.zip").read_bytes()).hexdigest() == before["aws/mcp_server"]["sha256"]
    assert (build / "aws/mcp_server/tools.py").is_file()


def test_a_full_disk_is_one_sentence(
    sources: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(folder: Path, target: Path) -> None:
        target.write_bytes(b"half a zip")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    for name, folder in [("ROOT", sources), ("FUNCTIONS", sources / "functions"), ("BUILD", sources / ".build")]:
        monkeypatch.setattr(builder, name, folder)
    monkeypatch.setattr(archive, "write", full)
    monkeypatch.setattr(sys, "argv", ["package.py", "--only", "aws/token_guard"])
    assert builder.main() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "package: the disk is full; make room and run the command again"
    assert left_over(sources / ".build") == []
    assert not (sources / ".build/aws/token_guard").exists()


def test_what_a_killed_build_left_is_swept_away_by_the_next(project: Path) -> None:
    (project / ".build/.building-dead/whole").mkdir(parents=True)
    done = package(project, "--only", "aws/token_guard")
    assert done.returncode == 0, done.stderr
    assert left_over(project / ".build") == []


def test_one_artifact_alone_keeps_the_others_in_the_manifest(project: Path, tmp_path: Path) -> None:
    before = built(project / ".build")
    assert package(project, "--only", "aws/token_guard").returncode == 0
    assert built(project / ".build") == before
    gone = project / ".build/fc/mcp_server.zip"
    aside = shutil.move(gone, tmp_path / "aside.zip")
    try:
        assert package(project, "--only", "aws/token_guard").returncode == 0
        assert set(built(project / ".build")) == set(before) - {"fc/mcp_server"}
    finally:
        shutil.move(aside, gone)
