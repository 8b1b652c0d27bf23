"""The artifact for FC's web function, built once for all tests that run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.web_function import unpacked


@pytest.fixture(scope="session")
def web_artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The unpacked zip, and a folder whose `python3` is the Python that it is built for."""
    return unpacked("fc/mcp_server", tmp_path_factory.mktemp("fc"))
