"""The artifact for FC's web function, built once for all tests that run it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from artifacts import interpreters

ROOT = Path(__file__).resolve().parents[2]
FC_PYTHON = "3.12"


@pytest.fixture(scope="session")
def web_artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The unpacked zip, and a folder whose `python3` is the Python that it is built for."""
    place = tmp_path_factory.mktemp("fc")
    found = interpreters.find(FC_PYTHON)
    version = FC_PYTHON if found else f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [sys.executable, "scripts/package.py", "--only", "fc/mcp_server", "--python", version]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(ROOT / ".build/fc/mcp_server.zip") as archive:
        for entry in archive.infolist():
            where = Path(archive.extract(entry, place / "code"))
            where.chmod(entry.external_attr >> 16 & 0o777 or 0o755)
    (place / "bin").mkdir()
    (place / "bin/python3").symlink_to(found or sys.executable)
    return place / "code", place / "bin"
