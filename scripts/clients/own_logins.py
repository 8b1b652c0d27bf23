"""The whole way of `mcp-remote` through door oauth: it knows the URL alone, and a person consents and logs in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from clients.dev_server import START_SECONDS, NotReady, log_of, read_token
from clients.issuers.logins import LOGIN_SECONDS, browser_command
from clients.node import package_version
from clients.processes import environment, running
from clients.row import Row
from clients.visits import ANSWERS, Job, Visit, mcp_remote

SUITE = "own login"
ERAS = (("legacy", False), ("auto", True))
# What the authorization server must have decided for one whole login, in this order.
STEPS = (
    *("POST /register", "GET /authorize", "POST /authorize"),
    *("POST /authorize/login", "POST /token"),
)


async def visits_of_mcp_remote(cloud: str, node: str, sources: Path, home: Path, report: Callable[[Row], None]) -> None:
    """One login for each era, each in a home of its own, so that nobody is registered yet."""
    installed = package_version("mcp-remote")
    try:
        async with server(cloud, sources, home) as (url, passphrase):
            for era, modern in ERAS:
                row = Row(cloud, "oauth", "mcp-remote", installed, era, "http")
                began, before = time.monotonic(), len(decisions(home))
                own = Path(tempfile.mkdtemp(dir=home))
                browser = browser_command(own, "dev", passphrase)
                outcome = await mcp_remote(
                    Visit("mcp-remote", "mcp-remote", era, modern, mcp_remote),
                    Job(url, None, node, own, browser, LOGIN_SECONDS),
                )
                shutil.rmtree(own)  # the client keeps its tokens there
                steps = decisions(home)[before:]
                if outcome.answer not in ANSWERS:
                    row.problems.append(f"no answer: {outcome.error}")
                if [step for step in dict.fromkeys(steps) if step in STEPS] != [*STEPS]:
                    row.problems.append(f"the login was another one: {', '.join(steps)}")
                row.seen = {"steps": steps, "scoped": outcome.scoped}
                row.seconds = round(time.monotonic() - began, 1)
                report(row)
            if read_token(passphrase) in log_of(home).read_text():
                report(Row(cloud, "oauth", "server", "", "", "", problems=["its output shows the passphrase"]))
    except NotReady as error:
        report(Row(cloud, "oauth", "server", "", "", "", problems=[str(error)]))


def decisions(home: Path) -> list[str]:
    """The endpoints at which the authorization server has let somebody go on, as its audit lines have it."""
    lines = (line.partition("{")[2] for line in log_of(home).read_text().splitlines() if '"door":"oauth"' in line)
    found = [json.loads("{" + line) for line in lines]
    return [line["method"] for line in found if line["decision"] == "allow"]


@contextlib.asynccontextmanager
async def server(cloud: str, sources: Path, home: Path) -> AsyncIterator[tuple[str, str]]:
    """`make run DOOR=oauth`: its URL, and the file of the passphrase."""
    told: dict[str, str] = {}
    ready = asyncio.Event()
    command = [sys.executable, str(sources / "scripts/dev.py"), "--cloud", cloud, "--door", "oauth", "--port", "0"]
    with log_of(home).open("a") as log:

        def heard(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()
            word, _, rest = line.partition(" ")
            if word in ("ready", "login"):
                told[word] = rest
            if {"ready", "login"} <= told.keys():
                ready.set()

        async with running(command, environment(home), heard) as child:
            waits = {asyncio.create_task(child.wait()), asyncio.create_task(ready.wait())}
            await asyncio.wait(waits, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if not ready.is_set():
                raise NotReady(f"make run CLOUD={cloud} DOOR=oauth did not get ready: {child.last_line}")
            yield told["ready"], told["login"].removeprefix("dev ")
