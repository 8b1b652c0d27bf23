"""The resource-server conformance suite: every door of this project, behind the stand-ins for both clouds' front doors."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edges.issuer import Issuer
from edges.processes import free_ports
from edges.serving import running
from local.doors import Place, function_environment, make_edge
from mcp_faas.tokens import Token, TokenDocument, mint

ROOT = Path(__file__).resolve().parents[3]
DOCTOR = ROOT / "scripts/doctor.py"
ORIGIN = "https://app.example.com"
SCOPE = "mcp:tools"
PLACES = [
    ("fc", "bearer", "http-api"),
    ("fc", "jwt", "http-api"),
    ("aws", "bearer", "http-api"),
    ("aws", "jwt", "function-url"),
    ("aws", "jwt", "http-api"),
]


@contextmanager
def serving(place: Place, folder: Path) -> Iterator[str]:
    """The deployed entry point behind its front door; yields a token that is let in."""
    state_key = folder / "request-state-key"
    state_key.write_text("k" * 64)
    minted = mint(datetime.now(timezone.utc))
    document = TokenDocument((Token(minted.name, True, minted.data),)) if place.door == "bearer" else None
    environment = function_environment(os.environ, place, state_key) | {"MCP_ALLOWED_ORIGINS": ORIGIN}
    if place.door == "jwt":
        environment["MCP_SCOPES"] = SCOPE
    with ExitStack() as stack:
        issuer = stack.enter_context(running(Issuer(port=place.issuer_port)))
        stack.enter_context(running(make_edge(place, document, environment, lambda line: None)))
        yield minted.data if document else issuer.token(audience=place.url, scopes=[SCOPE])


@pytest.mark.parametrize("kind", PLACES, ids="-".join)
def test_every_must_and_should_holds(kind: tuple[Any, Any, Any], tmp_path: Path) -> None:
    place = Place(*kind, *free_ports(3), lasting=False)
    with serving(place, tmp_path) as token:
        command = [sys.executable, str(DOCTOR), place.url, "--json", "--origin", ORIGIN]
        done = subprocess.run(command, input=token + "\n", capture_output=True, text=True, timeout=110)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    for c in report["checks"]:
        print(c["verdict"], c["id"], "|", c["sent"], "|", c["got"])
    failed = [check for check in report["checks"] if check["result"] == "fail"]
    assert failed == []
    assert done.returncode == 0
