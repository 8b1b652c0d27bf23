"""Let the real clients in: `make interop`. Every client lists the tools and calls one through each cloud and door, and
is refused without a token; then the official conformance suite has its say. Servers listen on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.interop import clients_page, conformance, verdict  # noqa: E402 # the folder has to be on the path first
from tests.interop.clients import Job, Outcome, Visit, visits  # noqa: E402
from tests.interop.dev_server import DevServer, NotReady, log_of, running_server  # noqa: E402
from tests.interop.header_proxy import Exchange, HeaderProxy, running_proxy  # noqa: E402
from tests.interop.node import NodeMissing, clients_node, install, package_version, system_node  # noqa: E402

CLOUDS = ("fc", "aws")
DOORS = ("bearer", "jwt")
REVISIONS = ("2026-07-28", "2025-11-25")
REPORT = ROOT / ".build/interop.json"
FIXTURES = ROOT / "tests/interop"


@dataclass
class Row:
    """One line of the report."""

    cloud: str
    door: str
    client: str
    version: str
    era: str
    transport: str
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        name = f"{self.client} {self.version}"
        head = f"{'failed' if self.problems else 'ok':<7}{self.cloud:<4} {self.door:<7}{name:<27} {self.transport:<5}"
        return f"{head}{self.era:<11}{self.seconds:6.1f} s  {'; '.join(self.problems)}".rstrip()


class Run:
    """One `make interop`: what it was asked to do, and what it has found so far."""

    def __init__(self, node: str, only: str, home: Path) -> None:
        self.node = node
        self.only = only
        self.home = home
        self.rows: list[Row] = []

    def report(self, row: Row, token: str) -> None:
        """Print one line; a client's own words are quoted, so the token is taken out of them first."""
        told = json.loads(json.dumps(asdict(row)).replace(token, "[token]")) if token else asdict(row)
        row = Row(**told)
        self.rows.append(row)
        print(row.line(), flush=True)

    async def cloud(self, cloud: str, doors: tuple[str, ...]) -> None:
        """Every door of one cloud, one after the other."""
        for door in doors:
            wanted = [visit for visit in visits(cloud) if self.only in f"{visit.client} {visit.era} {visit.transport}"]
            if wanted:
                await self.door(cloud, door, wanted)
            if self.only in "conformance":
                await self.conformance(cloud, door)

    async def door(self, cloud: str, door: str, wanted: list[Visit]) -> None:
        """Every client through one door, and then a look at what the server has printed."""
        home = self.folder(cloud, door)
        settings = {"MCP_SSE": "on"} if cloud == "fc" else {}
        began = time.monotonic()
        row = Row(cloud, door, "server", "", "", "")
        try:
            async with running_proxy() as proxy, running_server(cloud, door, home, proxy, settings) as server:
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
            "token from": visit.token,
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
        outcome = await visit.drive(visit, Job(url, authorization, self.node, own))
        shutil.rmtree(own)  # the files in it hold the token
        return outcome, proxy.exchanges[before:]

    async def conformance(self, cloud: str, door: str) -> None:
        """The official suite against its own fixtures, behind the same door; the proxy adds the token for it."""
        home = self.folder(cloud, door)
        settings = {"MCP_SERVER": "conformance_tools:server", "PYTHONPATH": str(FIXTURES)}
        try:
            async with running_proxy() as proxy:
                # One scenario calls as a page of the server's own origin would, which has to be let in.
                settings["MCP_ALLOWED_ORIGINS"] = proxy.origin
                await self.suite(cloud, door, home, proxy, settings)
        except NotReady as error:
            self.report(Row(cloud, door, "conformance", "", "", "", problems=[str(error)]), "")

    async def suite(self, cloud: str, door: str, home: Path, proxy: HeaderProxy, settings: dict[str, str]) -> None:
        """One server, every revision that is recorded."""
        installed = package_version("@modelcontextprotocol/conformance")
        async with running_server(cloud, door, home, proxy, settings) as server:
            proxy.authorization = f"Bearer {server.token}"
            for revision in REVISIONS:
                began = time.monotonic()
                row = Row(cloud, door, "conformance", installed, revision, "http")
                row.problems = await conformance.run_suite(self.node, f"{server.origin}/mcp", revision, home)
                row.seconds = round(time.monotonic() - began, 1)
                self.report(row, server.token)

    def folder(self, cloud: str, door: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{cloud}-{door}-", dir=self.home))


def brief(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.path} {exchange.status}"


async def run_all(run: Run, clouds: tuple[str, ...], doors: tuple[str, ...]) -> None:
    """The clouds side by side: two lanes keep two cores busy, and no lane waits for the other."""
    await asyncio.gather(*(run.cloud(cloud, doors) for cloud in clouds))


@contextlib.contextmanager
def own_folder(keep: bool) -> Iterator[Path]:
    """A folder for homes and logs that is gone afterwards, unless it is wanted."""
    folder = Path(tempfile.mkdtemp(prefix="interop-"))
    folder.chmod(0o700)
    try:
        yield folder
    finally:
        if keep:
            print(f"interop: logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", choices=CLOUDS, help="one cloud only")
    parser.add_argument("--door", choices=DOORS, help="one door only")
    parser.add_argument("--only", default="", metavar="TEXT", help="clients whose name, era or transport holds TEXT")
    parser.add_argument("--keep", action="store_true", help="keep the logs of servers and suite")
    parser.add_argument("--write-docs", action="store_true", help="write what was seen into docs/clients.md")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    try:
        system = system_node()
        install("interop: installing the clients into tests/interop/node_modules")
        node = clients_node(system)
    except NodeMissing as error:
        print(f"interop: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"interop: npm could not install the clients (exit {error.returncode}); see above.", file=sys.stderr)
        return 1
    clouds = (chosen.cloud,) if chosen.cloud else CLOUDS
    doors = (chosen.door,) if chosen.door else DOORS
    began = time.monotonic()
    with own_folder(chosen.keep) as home:
        run = Run(node, chosen.only, home)
        asyncio.run(run_all(run, clouds, doors))
    rows = [asdict(row) for row in run.rows]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(rows, indent=1) + os.linesep)
    if chosen.write_docs:
        clients_page.write(rows)
    failed = sum(bool(row.problems) for row in run.rows)
    told = f"{len(rows) - failed} ok, {failed} failed, {time.monotonic() - began:.0f} s"
    print(f"interop: {told}; all that was seen is in {REPORT.relative_to(ROOT)}")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interop: interrupted; nothing is left running", file=sys.stderr)
        sys.exit(130)
