"""The template as AWS transforms it, for all tests beside this file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAM_PYTHON = ROOT / ".venv/tools/sam/bin/python"

Transform = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def transform() -> Transform:
    """Run scripts/transform.py with SAM's own interpreter."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(SAM_PYTHON), "scripts/transform.py", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)

    return run


@pytest.fixture(scope="session")
def template(transform: Transform) -> dict[str, Any]:
    done = transform()
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made
