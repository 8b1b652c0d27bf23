"""The pages, pipelines and scanner rule about tokens say what the code does."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifecycle import arguments, clients, sinks
from mcp_faas.tokens import Marks, has_our_shape, marks, mint

DOCS = Path(__file__).resolve().parents[2] / "docs"
PIPELINES = sorted((DOCS / "ci").glob("*.yml"))
NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


def toml(text: str) -> Any:
    module = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # pytest brings tomli
    return module.loads(text)


def scripts_of(node: Any, key: str = "") -> list[str]:
    """Every shell text in a pipeline."""
    if isinstance(node, dict):
        return [text for name, value in node.items() for text in scripts_of(value, name)]
    if isinstance(node, list):
        return [text for value in node for text in scripts_of(value, key)]
    return [node] if key in ("run", "script", "before_script", "after_script") else []


def test_there_is_a_pipeline_for_each_of_three_systems() -> None:
    assert [path.name for path in PIPELINES] == ["alibaba-flow.yml", "github-actions.yml", "gitlab-ci.yml"]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_a_pipeline_runs_commands_that_exist_and_shows_no_token(path: Path) -> None:
    texts = scripts_of(yaml.safe_load(path.read_text()))
    for text in texts:
        checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        assert not re.search(r"set -[a-z]*x|--deliver (stdout|\"?stdout)|printenv|\benv\b$", text)
    rotating = [line for text in texts for line in text.splitlines() if "tokens.py" in line]
    assert len(rotating) == 1
    words = shlex.split(rotating[0])
    assert Path(DOCS.parent, words[1]).exists()
    chosen = arguments.parser().parse_args(words[2:])
    assert chosen.command == "rotate"
    assert chosen.probe
    assert chosen.deliver


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_a_pipeline_holds_no_long_lived_key(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"secrets\.|ACCESS_KEY_(ID|SECRET)|AWS_SECRET", text)
    assert re.search(r"OIDC|id_tokens|RAM role", text)


def test_the_github_job_may_do_nothing_but_read_and_prove_who_it_is() -> None:
    workflow = yaml.safe_load((DOCS / "ci" / "github-actions.yml").read_text())
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["rotate"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert not re.search(r"uses: ", (DOCS / "ci" / "github-actions.yml").read_text()), (
        "an action would need a pinned hash"
    )


def test_the_scanner_rule_finds_every_token_and_not_its_look_alikes() -> None:
    (rule,) = toml((DOCS / "gitleaks.toml").read_text())["rules"]
    pattern = re.compile(rule["regex"])
    for _ in range(200):
        token = mint(NOW).data
        for text in (token, f'"{token}"', f"MCP_TOKEN={token}\n", f"Authorization: Bearer {token} "):
            found = pattern.search(text)
            assert found
            assert found[rule["secretGroup"]] == token
        assert any(keyword in token for keyword in rule["keywords"])
    for other in (
        "mcpt-short-000000",
        "xmcpt-" + "0" * 43 + "-000000",
        "mcpt-" + "0" * 44 + "-000000",
        "mcpt_" + "0" * 50,
    ):
        assert not pattern.search(other)


def test_the_example_in_the_page_has_a_right_checksum() -> None:
    (example,) = re.findall(r"^ +(mcpt-\S+)$", (DOCS / "tokens.md").read_text(), re.MULTILINE)
    assert has_our_shape(example)
    (name,) = re.findall(r"^ +(mcp-2\S+)$", (DOCS / "tokens.md").read_text(), re.MULTILINE)
    assert isinstance(marks(name), Marks)


def test_the_page_knows_every_command_and_sink() -> None:
    page = (DOCS / "tokens.md").read_text()
    for command in ("mint", "list", "rotate", "revoke", "rollback", "verify", "config", "jwt"):
        assert f"`{command}" in page
    for form in sinks.FORMS.split(", "):
        assert f"`{form}`" in page
    assert clients.VARIABLE == sinks.VARIABLE
