"""Run the official conformance suite and compare with the recorded list: a failure more fails, and so does one less."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from clients.issuers.browser import LostOnTheWay, Person, walk
from clients.node import MODULES
from clients.processes import INTEROP, environment, finished, running
from edges.processes import free_port

RECORD = INTEROP / "conformance.yml"
SUITE_NAME = "conformance"
PACKAGE = "@modelcontextprotocol/conformance"
SUITE = MODULES / PACKAGE / "dist/index.js"
SUITE_SECONDS = 180.0
AUTHORIZATION = "authorization"  # the suite's command for authorization servers, and what its record is called
RESULT_FOLDER = re.compile(r"(?:authorization-)?server-(?P<scenario>.+)-\d{4}-\d{2}-\d{2}T")


@dataclass(frozen=True)
class Checks:
    """The suite's verdicts, as `scenario:check`."""

    passed: int
    failed: frozenset[str]


@dataclass(frozen=True)
class Expected:
    """What is recorded for one revision: whole scenarios, or single checks of one."""

    passed: int
    failing: frozenset[str]

    def covers(self, check: str) -> bool:
        return check in self.failing or check.split(":")[0] in self.failing


def recorded(revision: str) -> Expected:
    entry = yaml.safe_load(RECORD.read_text())[revision]
    return Expected(entry["passed"], frozenset(entry["failing"]))


def differences(expected: Expected, seen: Checks) -> list[str]:
    """What the recorded list does not say, or says in vain."""
    more = sorted(check for check in seen.failed if not expected.covers(check))
    fewer = sorted(entry for entry in expected.failing if not fails(entry, seen.failed))
    found = [f"{check} fails and is not in {RECORD.name}" for check in more]
    found += [f"{entry} passes now: shorten the list in {RECORD.name}" for entry in fewer]
    if not more and not fewer and seen.passed != expected.passed:
        found.append(f"{seen.passed} checks passed where {RECORD.name} says {expected.passed}")
    return found


def fails(entry: str, failed: Collection[str]) -> bool:
    return any(check == entry or check.split(":")[0] == entry for check in failed)


def read_checks(folder: Path) -> Checks:
    """The verdicts that the suite has left in its folders. A check that is repeated counts each time it passes."""
    passed, failed = 0, set()
    for path in sorted(folder.glob("*/checks.json")):
        named = RESULT_FOLDER.match(path.parent.name)
        if named is None:
            raise ValueError(f"{path.parent.name} is not named as the suite names its results")
        for check in json.loads(path.read_text()):
            passed += check["status"] == "SUCCESS"
            if check["status"] == "FAILURE":
                failed.add(f"{named['scenario']}:{check['id']}")
    return Checks(passed, frozenset(failed))


async def run_suite(node: str, url: str, revision: str, home: Path) -> list[str]:
    """Every scenario of one revision against the server at `url`; the differences from what is recorded."""
    folder = home / f"conformance-{revision}"
    folder.mkdir()
    command = [node, str(SUITE), "server", "--url", url, "--requirements", revision, "--output-dir", str(folder)]
    done = await finished(command, environment(home), SUITE_SECONDS, cwd=home)
    (folder / "output.txt").write_text("\n".join(done.lines))
    if done.code is None or not any(line.startswith("Total:") for line in done.lines):
        return [f"the suite did not come to its end: {done.last_words}"]
    return differences(recorded(revision), read_checks(folder))


async def registered(issuer: str, redirect: str) -> str:
    """The id of a new public client with this redirect."""
    metadata = {"redirect_uris": [redirect], "token_endpoint_auth_method": "none", "client_name": "conformance"}
    async with httpx2.AsyncClient(trust_env=False, timeout=SUITE_SECONDS) as client:
        answer = await client.post(f"{issuer}/register", json=metadata)
    return str(answer.raise_for_status().json()["client_id"])


async def run_authorization_suite(node: str, resource: str, person: Person, home: Path) -> list[str]:
    """Every scenario for authorization servers, against that of this resource's own host.

    The login that one of them waits for is done by `person`.
    """
    issuer = resource.removesuffix("/mcp")
    folder = home / f"conformance-{AUTHORIZATION}"
    folder.mkdir()
    port = free_port()
    command = [node, str(SUITE), AUTHORIZATION, "--url", issuer, "--resource", resource, "--output-dir", str(folder)]
    command += ["--client-id", await registered(issuer, f"http://127.0.0.1:{port}/callback"), "--port", str(port)]
    lines: list[str] = []
    invited: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def heard(line: str) -> None:
        lines.append(line)
        if line.startswith(f"{issuer}/authorize?") and not invited.done():
            invited.set_result(line)

    lost = []
    async with running(command, environment(home), heard, home) as child:
        ended = asyncio.create_task(child.wait())
        either: set[asyncio.Future[Any]] = {ended, invited}
        await asyncio.wait(either, timeout=SUITE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        try:
            if invited.done():
                await walk(invited.result(), person=person)
                await asyncio.wait({ended}, timeout=SUITE_SECONDS)
        except (LostOnTheWay, httpx2.HTTPError) as error:
            lost.append(f"the login did not come to its end: {error}")
        ended.cancel()
    if lost or not any(line.startswith("Total:") for line in lines):
        return lost or [f"the suite did not come to its end: {' '.join(lines[-4:])}"]
    return differences(recorded(AUTHORIZATION), read_checks(folder))
