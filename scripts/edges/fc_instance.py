"""One instance of an FC web function: the real entry point in a process of its own. HTTP and doors do not enter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from edges.processes import Child, ChildFailed, Log, free_port

START_SECONDS = 120.0  # FC's own limit for a custom runtime
SETTLE_SECONDS = 0.5  # a process that dies breaks its connections before the system reports its end
LOOPBACK_ONLY = Path(__file__).with_name("loopback")


class Instance:
    """Starts the function when it is first needed, and again after it ended, as the platform does."""

    def __init__(
        self,
        *,
        code: Path,
        python: str,
        environment: Mapping[str, str],
        platform: Mapping[str, str],
        log: Log,
        room: str = "mcp_server",  # the deployable, where `code` is the source tree
    ) -> None:
        self._code = code.resolve()
        self._room = room
        self._python = python
        self._environment = environment
        self._platform = platform
        self._log = log
        self._child: Child | None = None
        self._port = 0
        self._startup: asyncio.Task[int] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    async def ready(self) -> int:
        """The port it listens on, after starting it where needed. Raises `ChildFailed` with its last words."""
        if self._startup is None or (self._startup.done() and not self.running):
            self._port = free_port()
            self._child = Child(
                self._command(),
                environment=self._whole_environment(self._port),
                cwd=self._code if self._flat else self._code / self._room,
                log=self._log,
            )
            self._startup = asyncio.create_task(self._start(self._child, self._port))
        return await asyncio.shield(self._startup)  # shared: one caller who hangs up does not stop it for the others

    async def replace(self, port: int) -> int:
        """The port of another one, for a caller whom this one turned away: it has ended, whoever noticed first."""
        if port == self._port:
            await self.stop()
        return await self.ready()

    async def settle(self) -> None:
        """Wait a moment for an end that is under way, so that the next caller does not meet it."""
        if self._child is not None and self.running:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._child.wait(), SETTLE_SECONDS)

    async def stop(self) -> None:
        """End it; the next `ready` starts another. When this returns, none that ever started is left."""
        if self._child is not None:
            ending = asyncio.create_task(self._end(self._child, self._startup))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            self._child = self._startup = None
        await asyncio.shield(asyncio.gather(*self._endings))  # a caller who goes away does not leave it half done

    @staticmethod
    async def _end(child: Child, startup: asyncio.Task[int] | None) -> None:
        await child.stop()
        if startup is not None:
            with suppress(ChildFailed):  # a start that was under way ends with its child
                await startup

    @staticmethod
    async def _start(child: Child, port: int) -> int:
        await child.start()
        await child.listens(port, seconds=START_SECONDS)
        return port

    @property
    def _flat(self) -> bool:
        """An unpacked artifact has everything at its root; the source tree has not."""
        return (self._code / "alibaba_fc.py").exists() or (self._code / "bootstrap").exists()

    def _command(self) -> list[str]:
        bootstrap = self._code / "bootstrap"
        return [str(bootstrap)] if bootstrap.exists() else [self._python, "-m", "alibaba_fc"]

    def _whole_environment(self, port: int) -> dict[str, str]:
        """What the function was configured with, and what FC adds."""
        code = [self._code] if self._flat else [self._code / self._room, self._code]
        path = os.pathsep.join([str(Path(self._python).parent), self._environment.get("PATH", os.defpath)])
        return {
            "PYTHONDONTWRITEBYTECODE": "1",  # code is read-only there, and an artifact here is not ours to change
            "PYTHONUNBUFFERED": "1",
            **self._environment,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(str(folder) for folder in [LOOPBACK_ONLY, *code]),
            **self._platform,
            "FC_CUSTOM_LISTEN_PORT": str(port),
        }
