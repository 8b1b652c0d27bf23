"""What oidc-provider's tokens, logins and new keys have to meet, the whole way of `mcp-remote` among them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from clients.header_proxy import running_proxy
from clients.issuers import browser
from clients.issuers.cases import LET_IN, TOKEN_STEP, TOO_LITTLE, Expected, complaints_of_a_login, seen
from clients.issuers.lane import Lane, show
from clients.issuers.oidc_provider import PACKAGE, OidcProvider, running_oidc_provider
from clients.issuers.server import TrustingServer, public_url, trusting_server
from clients.node import package_version
from clients.processes import ROOT, environment, finished
from clients.row import Row
from clients.visits import SCOPED_TOOL, Job, Visit, mcp_remote

NEEDED, EXTRA = "mcp:use", "mcp:tools:countdown"  # every request; what one tool of the demo declares
ELSEWHERE = "https://elsewhere.example/mcp"
LOGIN_SECONDS = 120.0
STEP_UP_SECONDS = 40.0
DOCTOR_SECONDS = 320.0  # its own limit is 300
REMOTES = (
    Visit("mcp-remote", "mcp-remote", "legacy", False, mcp_remote),
    Visit("mcp-remote", "mcp-remote", "auto", True, mcp_remote),
)


async def visit_of_oidc_provider(lane: Lane) -> None:
    """Its tokens, its new key, the logins of a real client, and what the doctor says of the two together."""
    installed = package_version(PACKAGE)
    with lane.setting(PACKAGE, installed):
        async with contextlib.AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(running_proxy())
            resources, scopes = (public_url(proxy), ELSEWHERE), (NEEDED, EXTRA)
            issuer = await stack.enter_async_context(running_oidc_provider(lane.node, lane.home, resources, scopes))
            settings = {"MCP_JWT_ISSUER": issuer.url, "MCP_SCOPES": NEEDED}
            server = await stack.enter_async_context(trusting_server(lane.cloud, proxy, lane.home, settings))
            with lane.row(PACKAGE, installed, "tokens") as row:
                await tokens(server, issuer, row)
            with lane.row(PACKAGE, installed, "new key") as row:
                await new_key(server, issuer, row)
            for visit in REMOTES:
                with lane.row(PACKAGE, installed, f"login, {visit.era}") as row:
                    await login(lane, visit, server, issuer, row)
            with lane.row(PACKAGE, installed, "doctor") as row:
                await doctor(lane, server, issuer, row)


async def tokens(server: TrustingServer, issuer: OidcProvider, row: Row) -> None:
    person = await issuer.login(resource=server.url, scope=f"openid {NEEDED}")
    for name, token, expected in (
        ("token of a machine", await issuer.machine_token(resource=server.url, scope=NEEDED), LET_IN),
        ("token of a person", person["access_token"], LET_IN),
        ("ID token of the same login", person["id_token"], Expected("type_mismatch")),
        (
            "token for another resource",
            await issuer.machine_token(resource=ELSEWHERE, scope=NEEDED),
            Expected("audience_mismatch"),
        ),
        ("token for no resource, so opaque", await issuer.machine_token(), Expected("token_malformed")),
        ("token without a scope", await issuer.machine_token(resource=server.url), TOO_LITTLE),
        ("token with another scope alone", await issuer.machine_token(resource=server.url, scope=EXTRA), TOO_LITTLE),
    ):
        await show(server, row, name, token, expected)


async def new_key(server: TrustingServer, issuer: OidcProvider, row: Row) -> None:
    """A key that nobody has seen yet is good at its first use, and the one before it stays good."""
    before = await issuer.machine_token(resource=server.url, scope=NEEDED)
    await issuer.rotate()
    after = await issuer.machine_token(resource=server.url, scope=NEEDED)
    await show(server, row, "token signed by the new key", after, LET_IN)
    await show(server, row, "token signed by the old key", before, LET_IN)


async def login(lane: Lane, visit: Visit, server: TrustingServer, issuer: OidcProvider, row: Row) -> None:
    """A real client that knows nothing but the URL, and a person who logs in and agrees."""
    before, before_at_issuer = len(server.proxy.exchanges), len(issuer.wire)
    home = Path(tempfile.mkdtemp(dir=lane.home))
    job = Job(server.url, None, lane.node, home, browser_command(home), LOGIN_SECONDS, STEP_UP_SECONDS)
    outcome = await visit.drive(visit, job)
    shutil.rmtree(home)  # the client keeps its tokens there
    wire, issuer_wire = server.proxy.exchanges[before:], issuer.wire[before_at_issuer:]
    # AWS renames the challenge, so there the client asks for all that the metadata names, and needs no second token.
    row.problems += complaints_of_a_login(outcome, wire, issuer_wire, step_up=lane.cloud == "fc")
    logins = "one login" if seen(issuer_wire, *TOKEN_STEP) == 1 else "a second login for more scope"
    row.seen["cases"][f"{visit.client} {package_version(visit.package)}, {visit.era}"] = f"let in, {logins}"
    row.seen["scoped"] = outcome.scoped
    row.seen["wire"] = [f"{each.method} {each.path} {each.status}" for each in wire]
    row.seen["issuer wire"] = [f"{each.method} {each.path} {each.status}" for each in issuer_wire]


def browser_command(home: Path, *person: str) -> str:
    """A program that opens a URL as a desktop's browser would, under the name by which macOS opens one."""
    folder = home / "desktop"
    folder.mkdir()
    program = folder / "open"
    words = shlex.join([sys.executable, browser.__file__, *person])
    path = os.pathsep.join(str(ROOT / folder) for folder in ("scripts", "functions"))
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(path)} exec {words} "$@"\n')
    program.chmod(0o700)
    return str(program)


async def doctor(lane: Lane, server: TrustingServer, issuer: OidcProvider, row: Row) -> None:
    """`scripts/doctor.py` with a token that lacks one tool's scope: it may find nothing broken."""
    token = lane.home / "doctor-token"
    token.touch(0o600)
    token.write_text(await issuer.machine_token(resource=server.url, scope=NEEDED))
    examine = [sys.executable, str(ROOT / "scripts/doctor.py"), server.url, "--json", "--strict", "--timeout", "30"]
    examine += ["--token-stdin", "--forbidden-tool", SCOPED_TOOL["name"]]
    done = await finished(
        ["sh", "-c", 'exec "$@" < "$0"', str(token), *examine], environment(lane.home), DOCTOR_SECONDS
    )
    token.unlink()
    report = "\n".join(done.lines)
    checks = json.loads(report[report.index("{") : report.rindex("}") + 1])["checks"] if "{" in report else []
    broken = [f"{check['id']} ({check['level']}): {check['got']}" for check in checks if check["result"] == "fail"]
    row.seen["broken"] = broken
    row.seen["cases"]["the doctor"] = f"{sum(check['result'] == 'pass' for check in checks)} checks hold"
    if done.code != 0 or not checks:
        row.problems += broken or [f"exit {done.code}: {done.last_words}"]
