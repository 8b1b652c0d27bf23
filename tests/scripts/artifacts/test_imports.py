"""Which modules of the library an artifact gets: what the sources import, wherever the import stands, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.errors import BuildError
from artifacts.imports import closure

LIBRARY = {
    "mcp_faas/__init__.py": "",
    "mcp_faas/core.py": "import json\n",
    "mcp_faas/lazy.py": "def late():\n    from mcp_faas.stores import cloud\n",
    "mcp_faas/dynamic.py": "import importlib\nimportlib.import_module('mcp_faas.core')\n",
    "mcp_faas/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mcp_faas import core\n",
    "mcp_faas/stores/__init__.py": "",
    "mcp_faas/stores/cloud.py": "from ..core import json\nfrom . import beside\n",
    "mcp_faas/stores/beside.py": "",
    "mcp_faas/stores/unused.py": "",
}


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    for name, text in LIBRARY.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("import json", set()),
        ("import mcp_faas.core", {"__init__", "core"}),
        ("from mcp_faas import core", {"__init__", "core"}),
        ("from mcp_faas.core import json", {"__init__", "core"}),
        (
            "from mcp_faas import lazy",
            {"__init__", "lazy", "core", "stores/__init__", "stores/cloud", "stores/beside"},
        ),
        ("from mcp_faas import dynamic", {"__init__", "dynamic", "core"}),
        ("from mcp_faas import typed", {"__init__", "typed"}),
        ("class Tool:\n    def run(self):\n        import mcp_faas.core", {"__init__", "core"}),
    ],
)
def test_what_is_reached(functions: Path, entry: str, expected: set[str]) -> None:
    path = functions / "entry.py"
    path.write_text(entry)
    reached = {found.relative_to(functions / "mcp_faas").as_posix() for found in closure([path], functions)}
    assert reached == {f"{name}.py" for name in expected}


def test_a_module_that_does_not_exist_is_named_with_its_importer(functions: Path) -> None:
    path = functions / "entry.py"
    path.write_text("\nfrom mcp_faas.nowhere import thing\n")
    with pytest.raises(BuildError, match=r"entry\.py line 2 imports mcp_faas\.nowhere"):
        closure([path], functions)


def test_a_syntax_error_is_named_with_its_line(functions: Path) -> None:
    path = functions / "tools.py"
    path.write_text("server = 1\ndef broken(:\n")
    with pytest.raises(BuildError, match=r"tools\.py line 2 is not Python 3\.\d+"):
        closure([path], functions)
