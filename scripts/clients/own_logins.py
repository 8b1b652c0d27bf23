"""Real clients through door oauth: they know the URL alone, a person consents and logs in, and later they refresh.

What the authorization server decided, and what the MCP server behind it, is read from their audit lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clients import inspector_page
from clients.dev_server import NotReady, log_of, make_run, read_token
from clients.issuers.logins import LOGIN_SECONDS, browser_command
from clients.metadata_document import served_document
from clients.node import package_version
from clients.own_clients import ENTERED, LOGINS, Given, Login
from clients.row import Row
from clients.visits import ANSWERS, Job, Outcome

SUITE = "own login"
LINE_POLLS, POLL_SECONDS = 200, 0.05


@dataclass(frozen=True)
class Lines:
    """What the two functions have said of their callers, so far."""

    home: Path

    def of(self, door: str) -> list[dict[str, Any]]:
        """Those of the authorization server (`oauth`), or of the MCP server (`jwt`)."""
        lines = [line for line in log_of(self.home).read_text().splitlines() if f'"door":"{door}"' in line]
        return [json.loads(line[line.index("{") :]) for line in lines]

    async def after(self, before: int, number: int) -> list[dict[str, Any]]:
        """The authorization server's after the first, once there are so many: a line may come after its answer.

        In the order of their times: on Lambda each instance has a pipe of its own, and one may be read late.
        """
        found: list[dict[str, Any]] = []
        for _ in range(LINE_POLLS):
            found = self.of("oauth")[before:]
            if len(found) >= number:
                break
            await asyncio.sleep(POLL_SECONDS)
        return sorted(found, key=lambda line: str(line["time"]))


async def visits_of_clients(cloud: str, node: str, sources: Path, home: Path, report: Callable[[Row], None]) -> None:
    """Every client once, in a home of its own, so that it is not registered yet."""
    try:
        async with contextlib.AsyncExitStack() as stack:
            document = await stack.enter_async_context(served_document(home))
            entered = {name: secrets.token_urlsafe(32) for name in ENTERED}
            clients = home / "clients.json"
            clients.touch(0o600)
            clients.write_text(
                json.dumps([{"client_id": name, "client_secret": entered[name], **ENTERED[name]} for name in ENTERED])
            )
            settings = {"OAUTH_CLIENTS": f"file:{clients}", "SSL_CERT_FILE": str(document.trusted)}
            url, passphrase = await stack.enter_async_context(server(cloud, sources, home, settings))
            given = Given(Path(passphrase.replace(".passphrase", "-keys.json")), Path(passphrase), entered)
            for login in (*LOGINS, *inspector_page.LOGINS):
                own = Path(tempfile.mkdtemp(dir=home))
                browser = browser_command(own, "dev", passphrase)
                asked = document.url if login.by_document else None
                job = Job(url, None, node, own, browser, LOGIN_SECONDS, document=asked)
                report(await visit(cloud, login, job, given, Lines(home)))
                shutil.rmtree(own)  # the client keeps its tokens there
            if not document.fetched:
                problem = "nobody fetched the client's metadata document"
                report(Row(cloud, "oauth", "server", "", "", "", problems=[problem]))
            output = log_of(home).read_text()
            shown = [name for name, secret in entered.items() if secret in output]
            shown += ["passphrase"] if read_token(passphrase) in output else []
            if shown:
                report(Row(cloud, "oauth", "server", "", "", "", problems=[f"its output shows: {', '.join(shown)}"]))
    except NotReady as error:
        report(Row(cloud, "oauth", "server", "", "", "", problems=[str(error)]))


async def visit(cloud: str, login: Login, job: Job, given: Given, lines: Lines) -> Row:
    """One client on one way in."""
    installed = version("mcp") if login.package == "mcp" else package_version(login.package)
    row = Row(cloud, "oauth", login.client, installed, login.era, "http")
    began, before, called = time.monotonic(), len(lines.of("oauth")), len(lines.of("jwt"))
    try:
        outcome = await login.drive(login, job, given)
    except (LookupError, OSError, TypeError, ValueError) as error:
        outcome = Outcome(error=f"what it left is not what it leaves: {error!r}")
    decided = await lines.after(before, len(login.steps))
    reasons = {line["reason"] for line in lines.of("jwt")[called:]}
    row.problems += complaints(login, job.document, outcome, decided, reasons)
    row.seconds = round(time.monotonic() - began, 1)
    row.seen = {"steps": [step(line) for line in decided], "scoped": outcome.scoped, "discovered": outcome.discovered}
    return row


def complaints(
    login: Login, document: str | None, outcome: Outcome, decided: Sequence[Mapping[str, Any]], reasons: set[str]
) -> Iterator[str]:
    """What went another way than it has to."""
    if outcome.answer not in ANSWERS:
        yield f"no answer: {outcome.error or outcome.answer}"
    if [step(line) for line in decided] != [*login.steps]:
        yield f"the way was another one: {', '.join(map(step, decided))}"
    clients = {line["client"] for line in decided} - {None}
    if (clients == {document}) != login.by_document:
        yield f"the client was {', '.join(clients)}"
    if login.discovered and [*outcome.discovered] != [*login.discovered]:
        yield f"it looked for {', '.join(outcome.discovered) or 'nothing'}"
    if login.expires and "token_expired" not in reasons:
        yield "no token was refused for its age"


def step(line: Mapping[str, Any]) -> str:
    """One decision: where, and whether it was a no."""
    return str(line["method"]) + ("" if line["decision"] == "allow" else " refused")


@contextlib.asynccontextmanager
async def server(
    cloud: str, sources: Path, home: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, str]]:
    """`make run DOOR=oauth`: its URL, and the file of the passphrase."""
    async with make_run(cloud, "oauth", sources, home, settings or {}, ("ready", "login")) as told:
        yield told["ready"], told["login"].removeprefix("dev ")
