"""What docs/console.md tells people to upload and to type exists, and is what the builder makes."""

from __future__ import annotations

import ast
import re

import pytest

from artifacts.deployables import ARTIFACTS, DEFAULT_ARCHITECTURE, DEFAULT_PYTHON, target_of
from mcp_faas.settings import DOORS
from support.projects import ROOT

PAGE = (ROOT / "docs/console.md").read_text()
ROWS = re.findall(r"^\| `\.build/(\S+)\.zip` \| .+? \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
ARTIFACT = {row.name: row for row in ARTIFACTS}


def test_the_table_is_read() -> None:
    assert {name for name, *_ in ROWS} == {row.name for row in ARTIFACTS}


@pytest.mark.parametrize(("name", "runtime", "start"), ROWS, ids=[f"{row[0]} {row[2]}" for row in ROWS])
def test_a_row_of_the_table(name: str, runtime: str, start: str) -> None:
    artifact = ARTIFACT[name]
    handler = re.search(r"handler `(\w+)\.(\w+)`", start)
    if handler:
        assert handler[1] in artifact.entries
        tree = ast.parse((ROOT / "functions" / artifact.deployable / f"{handler[1]}.py").read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        assert handler[2] in names
    else:
        assert "`/code/bootstrap`" in start
        assert "bootstrap" in artifact.executables
    target = target_of(artifact, DEFAULT_PYTHON, DEFAULT_ARCHITECTURE)
    assert f"Python {target.python}" in runtime or "Debian 11" in runtime


def test_the_doors_are_those_that_exist() -> None:
    assert set(re.findall(r"`MCP_DOOR` = `(\w+)`", PAGE)) == set(DOORS)
