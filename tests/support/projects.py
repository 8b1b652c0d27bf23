"""Copies of this repository as a stranger gets it, to build in. Nothing here touches the repository's own .build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = ("functions", "scripts", "publish", "docs", "requirements", "tests", ".ci")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", ".*cache", "*.pyc")


def copy_project(into: Path) -> Path:
    """What git has of the repository, new files included; without git, as in a downloaded zip, what lies there."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, capture_output=True, text=True)
    if listed.returncode == 0:
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, into / name)
        return into
    into.mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, into)
        elif path.name in TOP_LEVEL:
            shutil.copytree(path, into / path.name, ignore=LEFT_OUT)
    return into


def package(
    project: Path, *arguments: str, environment: Mapping[str, str] | None = None, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    """Run the project's own builder with this environment's Python."""
    command = [sys.executable, str(project / "scripts/package.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=project, env={**os.environ, **(environment or {})}, umask=umask
    )
