"""What the small functions have imported when they have started, from the artifact and with Lambda's own Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rie

pytestmark = [pytest.mark.artifact, pytest.mark.timeout(600)]

# The MCP server's, which would make a start five times as long; and what only some other function needs.
FOREIGN = {"mcp", "mcp_types", "pydantic", "pydantic_core", "starlette", "anyio", "httpx2", "mangum", "uvicorn"}
FOREIGN |= {"cryptography", "jwt", "jsonschema", "opentelemetry", "alibabacloud_fc20230330", "asyncio", "difflib"}
LOOK = "import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"


def imported(python: Path, folder: Path, module: str, **environment: str) -> set[str]:
    done = subprocess.run(
        [str(python), "-c", LOOK.format(module=module)],
        cwd=folder,
        env={"PATH": os.defpath, "AWS_REGION": "eu-west-1", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module", name="guard")
def _guard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    version, interpreter = rie.lambda_python()
    place = tmp_path_factory.mktemp("guard") / "artifact"
    return rie.runtime(version, interpreter), rie.build("AwsAuthorizer", place, version)


@pytest.mark.parametrize("module", ["aws_authorizer", "aws_rotation"])
def test_the_token_guard_starts_without_the_sdk(guard: tuple[Path, Path], module: str) -> None:
    found = imported(*guard, module, MCP_TOKENS="aws://eu-west-1/stack/tokens")
    assert f"{module}" in found
    assert "boto3" in found, "the one thing that it is made of"
    assert not {name.split(".")[0] for name in found} & FOREIGN


def test_the_rotation_on_fc_starts_without_the_sdk() -> None:
    """Here in the development environment, where the SDK could be imported."""
    functions = rie.ROOT / "functions"
    path = f"{functions}{os.pathsep}{functions / 'token_guard'}"
    found = imported(Path(sys.executable), functions, "fc_rotation", PYTHONPATH=path)
    assert not {name.split(".")[0] for name in found} & (FOREIGN - {"asyncio"} | {"boto3"})
