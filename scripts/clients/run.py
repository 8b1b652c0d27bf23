"""One `make interop`: servers come up, clients visit, the suite has its say, each with a line. Parses no arguments."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from clients import conformance, login_pages, own_logins, verdict
from clients.dev_server import DevServer, NotReady, copied_sources, log_of, read_token, running_server
from clients.header_proxy import Exchange, HeaderProxy, running_proxy
from clients.issuers.browser import Person
from clients.issuers.claims import visit_of_cognito, visit_of_oauth2_mock
from clients.issuers.lane import Lane
from clients.issuers.logins import visit_of_oidc_provider
from clients.node import package_version
from clients.row import Row
from clients.visits import Job, Outcome, Visit, visits
from local.doors import Cloud

REVISIONS = ("2026-07-28", "2025-11-25")
# Door jwt's local token has every scope that is supported; the 403 that the clients are to meet takes one less.
WITHOUT_SCOPES = {"MCP_SCOPES_SUPPORTED": "mcp:nothing"}
ISSUERS = {
    "oidc-provider": visit_of_oidc_provider,
    "oauth2-mock-server": visit_of_oauth2_mock,
    "cognito": visit_of_cognito,
}


class Run:
    """One `make interop`: what it was asked to do, and what it has found so far."""

    def __init__(self, node: str, only: str, home: Path, *, pictures: bool = False) -> None:
        self.node = node
        self.only = only
        self.pictures = pictures
        self.home = home
        self.sources = copied_sources(home / "sources")
        self.rows: list[Row] = []

    def report(self, row: Row, token: str) -> None:
        """Print one line; a client's own words are quoted, so the token is taken out of them first."""
        told = json.loads(json.dumps(asdict(row)).replace(token, "[token]")) if token else asdict(row)
        row = Row(**told)
        self.rows.append(row)
        print(row.line(), flush=True)

    async def cloud(self, cloud: Cloud, doors: tuple[str, ...]) -> None:
        """Every door of one cloud, one after the other."""
        for door in doors:
            wanted = [visit for visit in visits(cloud) if self.only in f"{visit.client} {visit.era} {visit.transport}"]
            if wanted:
                await self.door(cloud, door, wanted)
            if self.only in conformance.SUITE_NAME:
                await self.conformance(cloud, door)
        if "jwt" in doors:
            await self.issuers(cloud)
        if self.only in conformance.SUITE_NAME:
            await self.authorization(cloud)
        if self.only in own_logins.SUITE:
            home = self.folder(cloud, "own-login")
            await own_logins.visits_of_clients(cloud, self.node, self.sources, home, lambda row: self.report(row, ""))
        if cloud == "fc" and self.only in login_pages.SUITE:
            home = self.folder(cloud, "oauth")
            await login_pages.visit_of_chromium(
                self.node, home, lambda row: self.report(row, ""), pictures=self.pictures
            )

    async def door(self, cloud: str, door: str, wanted: list[Visit]) -> None:
        """Every client through one door, and then a look at what the server has printed."""
        home = self.folder(cloud, door)
        settings = WITHOUT_SCOPES | ({"MCP_SSE": "on"} if cloud == "fc" else {})
        began = time.monotonic()
        row = Row(cloud, door, "server", "", "", "")
        try:
            async with (
                running_proxy() as proxy,
                running_server(cloud, door, self.sources, home, proxy, settings) as server,
            ):
                for visit in wanted:
                    await self.visit(cloud, door, visit, server, proxy, home)
            if server.token in log_of(home).read_text():
                row.problems.append("its output shows the token")
        except NotReady as error:
            row.problems.append(str(error))
        row.seconds = round(time.monotonic() - began, 1)
        self.report(row, "")

    async def visit(
        self, cloud: str, door: str, visit: Visit, server: DevServer, proxy: HeaderProxy, home: Path
    ) -> None:
        """One client, first with a token and then without."""
        began = time.monotonic()
        installed = version("mcp") if visit.package == "mcp" else package_version(visit.package)
        row = Row(cloud, door, visit.client, installed, visit.era, visit.transport)
        outcome, wire = await self.ask(visit, proxy, home, f"Bearer {server.token}")
        row.problems += dict.fromkeys(verdict.complaints_of_a_guest(visit, outcome, wire))
        refused, refused_wire = await self.ask(visit, proxy, home, None)
        row.problems += dict.fromkeys(verdict.complaints_of_a_stranger(refused, refused_wire))
        row.seconds = round(time.monotonic() - began, 1)
        row.seen = {
            "versions": verdict.versions(wire),
            "header always": verdict.always_with_token(wire),
            "token from": visit.takes,
            "wire": [brief(exchange) for exchange in wire],
            "scoped": outcome.scoped,
            "refused": refused.error,
            "refused wire": [brief(exchange) for exchange in refused_wire],
        }
        self.report(row, server.token)

    async def ask(
        self, visit: Visit, proxy: HeaderProxy, home: Path, authorization: str | None
    ) -> tuple[Outcome, list[Exchange]]:
        """Drive the client once, in an empty home; what it says, and what it did on the wire."""
        before = len(proxy.exchanges)
        url = proxy.origin + ("/sse" if visit.transport == "sse" else "/mcp")
        own = Path(tempfile.mkdtemp(dir=home))
        try:
            outcome = await visit.drive(visit, Job(url, authorization, self.node, own))
        except (LookupError, TypeError, ValueError) as error:
            outcome = Outcome(error=f"what it printed is not what it prints: {error!r}")
        shutil.rmtree(own)  # the files in it hold the token
        return outcome, proxy.exchanges[before:]

    async def conformance(self, cloud: str, door: str) -> None:
        """The official suite against its own fixtures, behind the same door; the proxy adds the token for it."""
        home = self.folder(cloud, door)
        settings = {"MCP_SERVER": "conformance_tools:server"}
        try:
            async with running_proxy() as proxy:
                # One scenario calls as a page of the server's own origin would, which has to be let in.
                settings["MCP_ALLOWED_ORIGINS"] = proxy.origin
                await self.suite(cloud, door, home, proxy, settings)
        except NotReady as error:
            self.report(Row(cloud, door, conformance.SUITE_NAME, "", "", "", problems=[str(error)]), "")

    async def authorization(self, cloud: Cloud) -> None:
        """The official suite's scenarios for authorization servers, against ours."""
        home = self.folder(cloud, "oauth")
        installed = package_version(conformance.PACKAGE)
        row = Row(cloud, "oauth", conformance.SUITE_NAME, installed, conformance.AUTHORIZATION, "http")
        try:
            async with own_logins.server(cloud, self.sources, home) as (url, passphrase):
                began = time.monotonic()
                person = Person("dev", read_token(passphrase))
                row.problems = await conformance.run_authorization_suite(self.node, url, person, home)
                row.seconds = round(time.monotonic() - began, 1)
        except NotReady as error:
            row.problems = [str(error)]
        self.report(row, "")

    async def issuers(self, cloud: Cloud) -> None:
        """Tokens and logins of issuers that are not ours, in door jwt."""
        for issuer, visit in ISSUERS.items():
            if self.only in issuer:
                await visit(Lane(cloud, self.node, self.folder(cloud, issuer), lambda row: self.report(row, "")))

    async def suite(self, cloud: str, door: str, home: Path, proxy: HeaderProxy, settings: dict[str, str]) -> None:
        """One server, every revision that is recorded."""
        installed = package_version(conformance.PACKAGE)
        async with running_server(cloud, door, self.sources, home, proxy, settings) as server:
            proxy.authorization = f"Bearer {server.token}"
            for revision in REVISIONS:
                began = time.monotonic()
                row = Row(cloud, door, conformance.SUITE_NAME, installed, revision, "http")
                row.problems = await conformance.run_suite(self.node, f"{server.origin}/mcp", revision, home)
                row.seconds = round(time.monotonic() - began, 1)
                self.report(row, server.token)

    def folder(self, cloud: str, door: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{cloud}-{door}-", dir=self.home))


def brief(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.path} {exchange.status}"
