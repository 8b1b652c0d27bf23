"""Start `make run` for one cloud and door behind the proxy, from a copy of the sources. Knows nothing of clients."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from clients.header_proxy import HeaderProxy
from clients.processes import INTEROP, ROOT, environment, running

FIXTURES = INTEROP / "conformance_tools.py"
START_SECONDS = 90.0


class NotReady(RuntimeError):
    """The server ended, or said nothing for too long; the message quotes it."""


@dataclass(frozen=True)
class DevServer:
    """A running server as a client sees it: where, and what opens its door."""

    origin: str
    token: str = field(repr=False)


@contextlib.asynccontextmanager
async def running_server(
    cloud: str, door: str, sources: Path, home: Path, proxy: HeaderProxy, settings: Mapping[str, str]
) -> AsyncIterator[DevServer]:
    """The server behind its real door, ready to be called through the proxy; its output is kept in `home`."""
    async with make_run(cloud, door, sources, home, settings, ("ready", "token")) as told:
        proxy.target_port = urlsplit(told["ready"]).port or 0
        yield DevServer(proxy.origin, read_token(told["token"]))


@contextlib.asynccontextmanager
async def make_run(
    cloud: str, door: str, sources: Path, home: Path, settings: Mapping[str, str], words: Collection[str]
) -> AsyncIterator[Mapping[str, str]]:
    """`make run`, once it has printed a line that begins with each of the words: what follows them."""
    told: dict[str, str] = {}
    ready = asyncio.Event()
    command = [sys.executable, str(sources / "scripts/dev.py"), "--cloud", cloud, "--door", door, "--port", "0"]
    with log_of(home).open("a") as log:

        def heard(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()
            word, _, rest = line.partition(" ")
            if word in words:
                told[word] = rest
            if len(told) == len(words):
                ready.set()

        async with running(command, environment(home, settings), heard) as child:
            waits = {asyncio.create_task(child.wait()), asyncio.create_task(ready.wait())}
            await asyncio.wait(waits, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if not ready.is_set():
                raise NotReady(f"make run CLOUD={cloud} DOOR={door} did not get ready: {child.last_line}")
            yield told


def copied_sources(folder: Path) -> Path:
    """What `make run` runs, out of reach of an editor: a change in the checkout would restart a server under test.

    The conformance suite's server lies beside the user's own, where MCP_SERVER finds it on every cloud.
    """
    for name in ("functions", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(FIXTURES, folder / "functions/mcp_server")
    return folder


def log_of(home: Path) -> Path:
    """What the server has printed, all of it."""
    return home / "server.log"


def read_token(path: str) -> str:
    return Path(path).read_text().strip()
