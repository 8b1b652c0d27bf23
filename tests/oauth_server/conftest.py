"""What the tests of the authorization server share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authorization_server.storage.sqlite import SqliteStorage
from authorizing.world import World


@pytest.fixture(autouse=True)
def _servers_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A function's process has one server, open until it ends. Here are many: each ends with the test that made it."""
    storages: list[SqliteStorage] = []
    loops: list[asyncio.AbstractEventLoop] = []
    open_storage, new_loop = SqliteStorage.__init__, asyncio.new_event_loop

    def noted_storage(self: SqliteStorage, *given: Any, **named: Any) -> None:
        open_storage(self, *given, **named)
        storages.append(self)

    def noted_loop() -> asyncio.AbstractEventLoop:
        loops.append(new_loop())
        return loops[-1]

    monkeypatch.setattr(SqliteStorage, "__init__", noted_storage)
    monkeypatch.setattr(asyncio, "new_event_loop", noted_loop)
    yield
    for storage in storages:
        storage.close()
    for loop in loops:
        end(loop)


def end(loop: asyncio.AbstractEventLoop) -> None:
    """A loop that runs in a thread of its own, with what it still waits for."""

    async def cancel() -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    if loop.is_running():
        asyncio.run_coroutine_threadsafe(cancel(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        while loop.is_running():
            time.sleep(0.001)
    loop.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
