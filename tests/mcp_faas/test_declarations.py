"""A declaration that guards nothing keeps the function from starting, however it went astray."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from mcp.server.mcpserver import MCPServer

from mcp_faas.auth.scopes import Scopes
from mcp_faas.declarations import check_declarations, scopes_of
from mcp_faas.server import load_server
from mcp_faas.settings.values import SettingsError

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
BEGIN = """
from mcp.server.mcpserver import MCPServer
from mcp_faas.auth.scopes import Scopes
server = MCPServer("s")
"""
TOOL = """("s:one")
@server.tool()
def launch() -> str:
    return "open"
"""

# What stands in the server's module, and what the refusal says of it.
ASTRAY = {
    "another name": (f"needs = Scopes()\n@needs.tool{TOOL}", 'NAME.needs declares scopes for "launch"'),
    "a second one": (
        f"scopes = Scopes()\nmore = Scopes()\n@more.tool{TOOL}",
        'NAME.more declares scopes for "launch", but only `NAME.scopes` is looked at',
    ),
    "a list": ('scopes = ["a"]\n', "NAME.scopes is a list, but has to be a Scopes"),
    "a module": ("from mcp_faas.auth import scopes\n", "NAME.scopes is a module, but has to be a Scopes"),
    "the class": ("scopes = Scopes\n", "NAME.scopes is a type, but has to be a Scopes"),
    "of an imported module": (
        f"import NAME_helper\n@NAME_helper.scopes.tool{TOOL}",
        'A Scopes that NAME does not have declares scopes for "launch"',
    ),
    "replaced": (
        f"scopes = Scopes()\n@scopes.tool{TOOL}scopes = Scopes()\n",
        'A Scopes that NAME does not have declares scopes for "launch"',
    ),
    "one for the occasion": (f"@Scopes().tool{TOOL}", "A Scopes that NAME does not have"),
    "of a function": (
        "def guard(function):\n    return Scopes().tool('s:one')(function)\n"
        "@guard\n@server.tool()\ndef launch() -> str:\n    return 'open'\n",
        "A Scopes that NAME does not have",
    ),
}
RIGHT = {
    "none": "@server.tool()\ndef launch() -> str:\n    return 'open'\n",
    "its own": f"scopes = Scopes()\n@scopes.tool{TOOL}",
    "imported by its name": f"from NAME_helper import scopes\n@scopes.tool{TOOL}",
    "a second one that declares nothing": f"scopes = Scopes()\nmore = Scopes()\n@scopes.tool{TOOL}",
}


NUMBERS = itertools.count()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module of the user's and a helper beside it, and returns its name, which stands for NAME in the text."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> str:
        name = f"server_of_test_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(BEGIN + text.replace("NAME", name))
        (tmp_path / f"{name}_helper.py").write_text("from mcp_faas.auth.scopes import Scopes\nscopes = Scopes()\n")
        return name

    return write


@pytest.mark.parametrize(("text", "told"), ASTRAY.values(), ids=ASTRAY)
def test_declaration_that_nobody_looks_at_does_not_start(written: Callable[[str], str], text: str, told: str) -> None:
    name = written(text)
    for _ in range(2):  # a platform may try again in the same process, where the module has been imported already
        with pytest.raises(SettingsError) as refused:
            load_server(f"{name}:server")
        assert told.replace("NAME", name) in str(refused.value)


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_declaration_in_its_place_starts(written: Callable[[str], str], text: str) -> None:
    name = written(text)
    _, scopes = load_server(f"{name}:server")
    assert scopes is getattr(sys.modules[name], "scopes", scopes)
    assert bool(scopes.declared) is ('tool("s:one")' in text)


def test_process_ends_with_the_sentence(written: Callable[[str], str], tmp_path: Path) -> None:
    """The deployed entry point itself, in a process of its own."""
    text, told = ASTRAY["another name"]
    name = written(text)
    run = subprocess.run(
        [sys.executable, "-m", "alibaba_fc"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, (FUNCTIONS, FUNCTIONS / "mcp_server", tmp_path))),
            "MCP_DOOR": "platform",
            "MCP_SERVER": f"{name}:server",
            "FC_SERVER_PORT": "9000",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert told.replace("NAME", name) in run.stderr
    assert "Traceback" not in run.stderr


# Declarations for something that is not there


def declared(use: str) -> tuple[MCPServer[None], Scopes]:
    server, scopes = MCPServer[None]("s"), Scopes()

    @server.tool(name="deploy-it")
    @server.prompt(name="deploy-text")
    def deploy() -> str:
        return "done"

    @server.resource("notes://index")
    def notes() -> str:
        return "none"

    guards = {
        "tool": scopes.tool("s"),
        "prompt": scopes.prompt("s"),
        "far": scopes.tool("s", name="zzz"),
        "resource": scopes.resource("notes://indx", "s"),
        "right": scopes.tool("s", name="deploy-it"),
    }
    guards[use](deploy)
    return server, scopes


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (
            "tool",
            'There is no tool "deploy" for the scopes declared for it; there are: deploy-it. '
            'Where a tool is not called like its function, write @scopes.tool("SCOPE", name="deploy-it").',
        ),
        (
            "prompt",
            'There is no prompt "deploy" for the scopes declared for it; there are: deploy-text. '
            'Where a prompt is not called like its function, write @scopes.prompt("SCOPE", name="deploy-text").',
        ),
        (
            "far",
            'There is no tool "zzz" for the scopes declared for it; there are: deploy-it. '
            'Where a tool is not called like its function, write @scopes.tool("SCOPE", name="NAME").',
        ),
        (
            "resource",
            'There is no resource "notes://indx" for the scopes declared for it; there are: notes://index. '
            'Write @scopes.resource("notes://index", "SCOPE").',
        ),
    ],
)
def test_declaration_for_nothing_is_told_with_what_to_write(use: str, told: str) -> None:
    server, scopes = declared(use)
    with pytest.raises(SettingsError) as refused:
        check_declarations(server, scopes)
    assert str(refused.value) == told


def test_declaration_by_the_registered_name_is_right() -> None:
    check_declarations(*declared("right"))


def test_no_declaration_is_right() -> None:
    assert scopes_of(types.ModuleType("plain")).declared == {}
