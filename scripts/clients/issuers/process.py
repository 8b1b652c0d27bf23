"""Run an issuer's process until its block ends. Knows nothing of what it issues."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from clients.processes import environment, running

START_SECONDS = 90.0


class NoIssuer(RuntimeError):
    """An issuer did not start, or did not issue; the message quotes it."""


@contextlib.asynccontextmanager
async def ready(name: str, command: Sequence[str], home: Path) -> AsyncIterator[str]:
    """The command, once it has printed `ready WORD`: the word. Its output is kept in `home`."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with (home / f"{name}.log").open("a") as log:

        def heard(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()
            word, _, rest = line.partition(" ")
            if word == "ready" and not told.done():
                told.set_result(rest)

        async with running(command, environment(home), heard) as child:
            ended = asyncio.create_task(child.wait())
            either: set[asyncio.Future[Any]] = {ended, told}
            await asyncio.wait(either, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if not told.done():
                raise NoIssuer(f"{name} did not start: {child.last_line}")
            yield told.result()
