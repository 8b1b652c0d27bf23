"""The pages about tokens say what the code does; tests/docs has the pipelines and the scanner rule."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lifecycle import arguments, clients, commands, sinks
from mcp_faas.tokens import Marks, has_our_shape, marks

DOCS = Path(__file__).resolve().parents[2] / "docs"


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


def test_the_page_names_every_member_of_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"tokens": [{"tokenName": "printer", "enable": True, "tokenData": "v" * 40}]}))
    commands.run_list(arguments.parser().parse_args(["list", f"file:{path}", "--json"]))
    found = json.loads(capsys.readouterr().out)
    (told,) = re.findall(
        r"^`list`: (.*?)(?:\n\n|A failure)", (DOCS / "tokens.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for member in (*found, *found["tokens"][0]):
        assert f"`{member}`" in told
