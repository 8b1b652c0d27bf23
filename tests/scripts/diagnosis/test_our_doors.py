"""The resource-server conformance suite: each door of this project, behind the stand-ins for both clouds' front doors.

A report in which everything is skipped would have no failure either, so what is skipped is written down, too.
"""

from __future__ import annotations

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

from edges.aws import AwsEdge
from edges.fc import FcEdge
from edges.issuer import Issuer
from edges.processes import free_ports
from edges.serving import running
from local.authorization import Local
from local.doors import Place, add_authorization_server, function_environment, make_edge
from mcp_faas.tokens import Token, TokenDocument, mint

ROOT = Path(__file__).resolve().parents[3]
DOCTOR = ROOT / "scripts/doctor.py"
ORIGIN = "https://app.example.com"
SCOPE = "mcp:notes"  # which does not cover what `countdown` needs
FORBIDDEN_TOOL = "countdown"
# (cloud, door, front, where the token is compared)
DOORS = [
    ("fc", "bearer", "http-api", "gateway"),
    ("fc", "bearer", "http-api", "function"),
    ("fc", "jwt", "http-api", "function"),
    ("aws", "bearer", "http-api", "gateway"),
    ("aws", "jwt", "function-url", "function"),
    ("aws", "jwt", "http-api", "function"),
    ("fc", "oauth", "http-api", "function"),
    ("aws", "oauth", "http-api", "function"),
]
KINDS = {
    "gateway": "checked by",
    "bearer": "a static token: nothing",
    "jwt": "an OAuth resource server",
    "oauth": "an OAuth resource server",
}
NO_TLS = {"http.plain"}
# The stand-in for an issuer has no login, and says so.
NO_LOGIN = {"issuer.endpoints", "issuer.pkce", "issuer.registration", "issuer.scopes", "issuer.older", "issuer.iss"}
# Of doors with static tokens; the first word is all.
OAUTH_ALONE = {"door.get", "metadata", "issuer", "cors.metadata"}
STATIC_SKIPS = {"challenge.body", "challenge.metadata", "challenge.scope"}
GATEWAY_SKIPS = {"challenge", "hostile.status", "cors.exposed", "origin.foreign"}


class BothServers:
    """Door oauth as `make run` has it: the MCP server, and beside it the authorization server."""

    def __init__(self, edge: FcEdge | AwsEdge, files: Local) -> None:
        self.edge, self.files = edge, files

    async def start(self) -> None:
        await self.edge.start()
        own = {"PATH": os.environ["PATH"], "MCP_SCOPES": SCOPE}
        await add_authorization_server(self.edge, self.files.environment(own, [SCOPE, "mcp:tools:countdown"]))

    async def stop(self) -> None:
        await self.edge.stop()


@contextmanager
def serving(place: Place, where: str, folder: Path) -> Iterator[str]:
    """The deployed entry point behind its front door; yields a token that is let in."""
    state_key = folder / "request-state-key"
    state_key.write_text("k" * 64)
    minted = mint(datetime.now(timezone.utc))
    document = TokenDocument((Token(minted.name, True, minted.data),))
    environment = function_environment(os.environ, place, state_key) | {"MCP_ALLOWED_ORIGINS": ORIGIN}
    before: TokenDocument | None = document if place.door == "bearer" else None
    if place.door in ("jwt", "oauth"):
        environment["MCP_SCOPES"] = SCOPE
    elif where == "function":
        kept = folder / "tokens.json"
        kept.write_text(document.dump())
        kept.chmod(0o600)
        environment |= {"MCP_DOOR": "bearer", "MCP_TOKENS": f"file:{kept}"}
        before = None
    if place.door == "oauth":
        files = Local(folder, place)
        files.prepare()
        with running(BothServers(make_edge(place, None, environment, lambda line: None), files)):
            yield files.token([SCOPE])
        return
    with ExitStack() as stack:
        issuer = stack.enter_context(running(Issuer(port=place.issuer_port)))
        stack.enter_context(running(make_edge(place, before, environment, lambda line: None)))
        yield issuer.token(audience=place.url, scopes=[SCOPE]) if place.door == "jwt" else minted.data


@pytest.mark.parametrize("door", DOORS, ids="-".join)
def test_every_must_and_should_holds(door: tuple[Any, Any, Any, str], tmp_path: Path) -> None:
    cloud, kind, front, where = door
    port, api_port, issuer_port = free_ports(3)
    place = Place(cloud, kind, front, port, api_port, issuer_port, lasting=False)
    command = [sys.executable, str(DOCTOR), place.url, "--json", "--strict", "--token-stdin", "--timeout", "60"]
    command += ["--origin", ORIGIN, "--forbidden-tool", FORBIDDEN_TOOL]
    with serving(place, where, tmp_path) as token:
        done = subprocess.run(command, input=token + "\n", capture_output=True, text=True, timeout=110)
    assert done.stdout, done.stderr
    checks = json.loads(done.stdout)["checks"]
    failed = [
        (check["id"], check["sent"], check["got"])
        for check in checks
        if check["result"] == "fail" and check["level"] != "INFO"
    ]
    assert (failed, done.returncode) == ([], 0)
    # door oauth grants mcp:tools, and a tool declares one below it
    assert all(check["result"] != "fail" for check in checks if check["id"] == "issuer.scopes")
    assert token[:12] not in done.stdout + done.stderr
    (said,) = [check["got"] for check in checks if check["id"] == "door.kind"]
    assert KINDS["gateway" if where == "gateway" else kind] in said
    assert {check["id"] for check in checks if check["result"] == "skip"} == skipped(checks, cloud, kind, where)


def skipped(checks: list[dict[str, str]], cloud: str, kind: str, where: str) -> set[str]:
    """What does not apply to this door, or cannot be told from outside."""
    skips = NO_TLS | ({"cors.foreign"} if (cloud, kind) in (("fc", "bearer"), ("fc", "jwt")) else set())
    if kind in ("jwt", "oauth"):
        skips |= (
            (NO_LOGIN if kind == "jwt" else set())
            | {"static.quiet"}
            | ({"challenge.name"} if cloud == "aws" else {"challenge.body"})
        )
    else:
        skips |= OAUTH_ALONE | (GATEWAY_SKIPS if where == "gateway" else STATIC_SKIPS)
    if where == "gateway" and cloud == "fc":
        skips |= {"holder.scheme", "door.status"}
    ids = [check["id"] for check in checks]
    return {id_ for id_ in ids if id_ in skips or id_.partition(".")[0] in skips}
