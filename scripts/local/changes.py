"""Notice that source files changed. Looks at times of modification; needs nothing from the system, runs anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

POLL_SECONDS = 0.5


def _modified(folder: Path) -> dict[Path, int]:
    found = {}
    for path in folder.rglob("*.py"):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # an editor replaces a file by renaming another over it
            continue
    return found


async def changes(folder: Path) -> AsyncIterator[Path]:
    """Each time that Python files below the folder changed and have come to rest: one of those that did."""
    known = _modified(folder)
    while True:
        await asyncio.sleep(POLL_SECONDS)
        now = _modified(folder)
        while now != known:
            changed = {path for path, _ in now.items() ^ known.items()}
            known = now
            await asyncio.sleep(POLL_SECONDS)
            now = _modified(folder)
            if now == known:
                yield min(changed)
