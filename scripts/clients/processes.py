"""Run one command to its end, in a home of its own and for a bounded time. Knows nothing of clients or clouds."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edges.processes import Child

ROOT = Path(__file__).resolve().parent.parent.parent
INTEROP = (
    ROOT / "tests/interop"
)  # what belongs to the clients themselves: their lock, their drivers, the suite's server
# What a client must not find: another account's settings, this machine's proxies, the server's own configuration.
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True)
class Finished:
    """What a command printed, both streams in one, and how it ended (None: it was stopped)."""

    lines: tuple[str, ...]
    code: int | None

    @property
    def last_words(self) -> str:
        """The last lines, on one line: enough to say why."""
        return " ".join(line.strip() for line in self.lines[-4:]) or "without a word"


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment: a home of its own, and no browser to open on the desktop of whoever runs this."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "HOME": str(home), "BROWSER": "true", "NO_COLOR": "1", **(more or {})}


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str], environment: dict[str, str], log: Callable[[str], None], cwd: Path = ROOT
) -> AsyncIterator[Child]:
    """A command that runs while the block does, and leaves nothing behind."""
    child = Child(command, environment=environment, cwd=cwd, log=log)
    await child.start()
    try:
        yield child
    finally:
        await child.stop()


async def finished(command: Sequence[str], environment: dict[str, str], seconds: float, cwd: Path = ROOT) -> Finished:
    """Run a command to its end, or stop it after `seconds`."""
    lines: list[str] = []
    code: int | None = None
    async with running(command, environment, lines.append, cwd) as child:
        with contextlib.suppress(asyncio.TimeoutError):
            code = await asyncio.wait_for(child.wait(), seconds)
    return Finished(tuple(lines), code)
