"""The application package of Serverless Devs: its form fits s.yaml, and the real `s init` fills it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import serverless_devs
from artifacts import application, archive
from artifacts.errors import BuildError
from mcp_faas.auth.profiles import PROFILES
from serverless_devs import CommandLineError
from support.projects import ROOT

FC3_SCHEMA = json.loads((ROOT / "tests/serverless_devs/fc3/schema.json").read_text())
FORM = yaml.safe_load((ROOT / "publish/publish.yaml").read_text())
ASKED: dict[str, dict[str, Any]] = FORM["Parameters"]["properties"]
DESCRIPTION = (ROOT / "s.yaml").read_text()

# What `s registry publish` (3.1.10) demands of publish.yaml before it sends anything.
REQUIRED = {"Edition", "Type", "Name", "Provider", "Version", "Description", "Category", "Service", "Effective"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    application.assemble(ROOT, tmp_path / "application")
    return tmp_path / "application"


def init(folder: Path, source: Path, parameters: dict[str, str]) -> Path:
    """What a person gets from `s init`, in a home that knows nothing."""
    serverless_devs.install()
    command = [serverless_devs.find_node(), str(serverless_devs.COMMAND), "init", "mine", "--uri", str(source)]
    command += ["-d", "mine", "-y", "--access", "default", "--parameters", json.dumps(parameters)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "NODE_ENV": "test"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "put your tools into functions/mcp_server/tools.py" in done.stdout + done.stderr
    return folder / "mine"


def test_the_form_has_what_the_registry_demands() -> None:
    assert set(FORM) >= REQUIRED | {"Parameters"}
    assert (FORM["Edition"], FORM["Type"]) == ("3.0.0", "Project")
    assert FORM["Effective"] in ("Public", "Private", "Organization")
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert FORM["Version"] == version[1]


def test_the_parameters_are_a_schema_that_takes_its_own_defaults() -> None:
    schema = FORM["Parameters"]
    jsonschema.Draft7Validator.check_schema(schema)
    defaults = {name: parameter["default"] for name, parameter in ASKED.items()}
    jsonschema.validate(defaults, schema)
    assert sorted(parameter["x-range"] for parameter in ASKED.values()) == list(range(1, len(ASKED) + 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("function_name", "1st"),
        ("function_name", "x" * 61),
        ("region", "mars-1"),
        ("profile", "typo"),
        ("resource", "anonymous"),
        ("public_url", "http://mcp.example.com/mcp"),
        ("public_url", "https://mcp.example.com"),
        ("issuer", "https://a.example  https://b.example"),
        ("scopes", "it's"),  # it would end the quotes around it in s.yaml
    ],
)
def test_a_value_that_would_break_the_deploy_is_refused(name: str, value: str) -> None:
    defaults: dict[str, str] = {name: parameter["default"] for name, parameter in ASKED.items()}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(defaults | {name: value}, FORM["Parameters"])


def test_each_parameter_fills_a_blank_and_starts_from_what_s_yaml_has() -> None:
    assert set(ASKED) | {"access"} == set(application.BLANKS)
    description = yaml.safe_load(DESCRIPTION)
    for name, variable in application.VARIABLES.items():
        assert ASKED[name]["default"] == description["vars"][variable], name
    assert description["flow"]["deploy"] == [[ASKED["resource"]["default"]]]
    assert set(ASKED["resource"]["enum"]) <= set(description["resources"])


def test_the_choices_are_those_that_exist() -> None:
    assert set(ASKED["region"]["enum"]) <= set(FC3_SCHEMA["definitions"]["IRegion"]["enum"])
    assert set(ASKED["profile"]["enum"]) == set(PROFILES)


def test_a_blank_that_s_yaml_has_no_place_for_is_told() -> None:
    with pytest.raises(BuildError, match=r"asks for issuer, but s\.yaml has 0 lines"):
        application.with_blanks(DESCRIPTION.replace("  issuer:", "  issuers:"))


def test_nothing_private_travels(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for name in [
        "s.yaml",
        "functions/a.py",
        "functions/.env",
        "functions/__pycache__/a.pyc",
        "token",
        ".env",
        ".run/key",
    ]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(DESCRIPTION)
    for name in application.FORM:
        (root / "publish").mkdir(exist_ok=True)
        (root / "publish" / name).write_text("")
    application.assemble(root, tmp_path / "application")
    files = {path.relative_to(tmp_path / "application").as_posix() for path in (tmp_path / "application").rglob("*.*")}
    assert {name for name in files if name.startswith("src/")} == {
        "src/s.yaml",
        "src/functions/a.py",
        "src/publish/publish.yaml",
        "src/publish/readme.md",
        "src/publish/version.md",
    }


def test_every_file_at_the_top_of_the_repository_travels_or_is_known_not_to() -> None:
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of what belongs to the repository")
    tracked = {name.split("/")[0] for name in listing.stdout.split("\0") if name}
    assert tracked <= set(application.PROJECT)


@pytest.mark.artifact
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_s_init_makes_a_project_that_deploys_the_chosen_door(package: Path, tmp_path: Path, form: str) -> None:
    try:
        serverless_devs.find_node()
    except CommandLineError as error:
        pytest.skip(str(error))
    if form == "zip":
        archive.write(package, tmp_path / "application.zip")
        package = tmp_path / "application.zip"
    home = tmp_path / "home"
    home.mkdir()
    answers = {"region": "cn-shanghai", "function_name": "mine", "resource": "mcp_server_jwt", "scopes": "mcp:tools"}
    project = init(home, package, answers | {"issuer": "https://a.example https://b.example"})
    text = (project / "s.yaml").read_text()
    description, original = yaml.safe_load(text), yaml.safe_load(DESCRIPTION)
    assert description["vars"] == original["vars"] | {
        **{"region": "cn-shanghai", "function": "mine", "scopes": "mcp:tools"},
        "issuer": "https://a.example https://b.example",
    }
    assert description["flow"]["deploy"] == [["mcp_server_jwt"]]
    assert description["resources"] == original["resources"]
    assert application.with_blanks(text) == application.with_blanks(DESCRIPTION)  # make package works in there, too
    for name in ("Makefile", "scripts/package.py", "functions/mcp_server/bootstrap", "requirements/run.txt"):
        assert (project / name).read_bytes() == (ROOT / name).read_bytes()
    with serverless_devs.template(text) as template:
        assert template.verify() == []
