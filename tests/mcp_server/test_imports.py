"""What the MCP server has imported when it has started: each door pays for itself, nobody for the text of an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.jwts import ISSUER, RESOURCE, jwk, key_set, rsa_key

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
LOOK = "import sys, {module}; print(' '.join(sys.modules))"

NOBODY = {"difflib", "boto3", "botocore", "mcp_faas.tracing", "opentelemetry.sdk"}
VERIFIER = {"jwt", "cryptography.x509", "mcp_faas.auth.jwt", "mcp_faas.jwks"}  # a twentieth of a start


def imported(module: str, **settings: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(module=module)],
        cwd=FUNCTIONS / "mcp_server",
        env={"PATH": os.defpath, "PYTHONPATH": str(FUNCTIONS), **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["aws_lambda", "alibaba_fc"])
def test_door_platform_starts_without_what_verifies_signatures(module: str) -> None:
    found = imported(module, MCP_DOOR="platform", MCP_TOKEN_SCOPES="a")
    assert not found & (NOBODY | VERIFIER)


@pytest.mark.parametrize("module", ["aws_lambda", "alibaba_fc"])
def test_door_jwt_has_imported_the_verifier_before_the_first_call(module: str) -> None:
    given = {"MCP_JWT_ISSUER": ISSUER, "MCP_JWT_JWKS": key_set(jwk(rsa_key())).decode(), "MCP_PUBLIC_URL": RESOURCE}
    found = imported(module, MCP_DOOR="jwt", **given)
    assert found >= VERIFIER
    assert not found & NOBODY


def test_the_key_of_requests_state_costs_a_start_no_client(tmp_path: Path) -> None:
    address = "aws://eu-west-1/stack/request-state-key"
    assert not imported("aws_lambda", MCP_DOOR="platform", MCP_REQUEST_STATE_KEY=address) & NOBODY


def test_a_snapshot_holds_the_verifier_of_door_jwt() -> None:
    told = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": ISSUER, "MCP_REQUEST_STATE_KEY": "aws://eu-west-1/stack/key"}
    assert imported("aws_lambda", **told, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start") >= VERIFIER
