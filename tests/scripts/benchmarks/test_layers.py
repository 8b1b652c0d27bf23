"""The layers of a warm call: each answers by itself, and what cannot be counted is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import events, layers
from benchmarks.child import CHILDREN
from benchmarks.environments import HANDLERS, EnvironmentMissing
from benchmarks.peers import MODERN, PLATFORM

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the bench's folder, but for the packages."""
    place = tmp_path_factory.mktemp("layers")
    for path in (
        *(ROOT / "functions/mcp_server/aws_lambda.py", ROOT / "functions/mcp_faas"),
        *(HANDLERS / "sdk_mangum.py", HANDLERS / "sdk_tools.py"),
    ):
        (place / path.name).symlink_to(path)
    (place / "tools.py").symlink_to(HANDLERS / "sdk_tools.py")
    return place


def _run(folder: Path, layer: str, **settings: str) -> subprocess.CompletedProcess[str]:
    event = folder / "event.json"
    event.write_text(json.dumps(events.tool_call(PLATFORM, MODERN, events.Issuer())))
    command = [sys.executable, str(CHILDREN / "layer_child.py"), str(folder), layer, "2", str(event)]
    environment = {**os.environ, "MCP_DOOR": "platform", "PYTHONDONTWRITEBYTECODE": "1", **settings}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("layer", layers.LAYERS)
def test_each_layer_answers_a_call(folder: Path, layer: str) -> None:
    done = _run(folder, layer)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("layer", ["gate", "handler"])
def test_what_is_refused_is_not_counted(folder: Path, layer: str) -> None:
    done = _run(folder, layer, MCP_SCOPES="mcp:more")
    assert done.returncode == 1
    assert "403" in done.stderr


def test_no_valgrind_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentMissing, match="apt-get install valgrind"):
        next(layers.rows())
