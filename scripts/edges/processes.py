"""Child processes that never outlive their parent, and whose lines are passed on. Knows nothing of clouds or HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
LONGEST_LINE = 64 * 1024  # a line without an end is passed on in pieces of this size
POLL_SECONDS = 0.02

Log = Callable[[str], None]


class ChildFailed(RuntimeError):
    """A child ended before it did its work; the message quotes its last line."""


class Child:
    """One command under the guard: `stop`, the end of this process, and even SIGKILL end it and all it started."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], cwd: Path, log: Log) -> None:
        self.last_line = ""
        self._command = [*command]
        self._environment = dict(environment)
        self._cwd = cwd
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._relay: asyncio.Task[None] | None = None
        self._stopped = False
        self._spawning = asyncio.Lock()  # a stop that comes while the system makes the process must not miss it

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        async with self._spawning:
            if self._stopped:
                raise ChildFailed("was stopped before it started")
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(GUARD), *self._command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                cwd=self._cwd,
                start_new_session=True,
            )
        if self._process.stdout is not None:  # always: asked for above
            self._relay = asyncio.create_task(self._pass_on(self._process.stdout))

    async def listens(self, port: int, *, seconds: float) -> None:
        """Return once the child takes connections on this loopback port; raise `ChildFailed` if it never will."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.running:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    await self.stop()
                    raise ChildFailed(f"no answer on port {port} in {seconds:.0f} s: {self.last_line}") from None
                await asyncio.sleep(POLL_SECONDS)
            else:
                writer.close()
                with contextlib.suppress(OSError):  # it may have closed first
                    await writer.wait_closed()
                return
        await self.wait()
        raise ChildFailed(self.last_line or f"ended with exit code {self.returncode} without a word")

    async def wait(self) -> int:
        """The exit code, once the child has ended and its last line was passed on."""
        if self._process is None:
            raise RuntimeError("start() comes first")
        code = await self._process.wait()
        if self._relay is not None:
            await asyncio.shield(self._relay)
        return code

    async def stop(self) -> None:
        """End the child. When this returns, neither it nor anything it started is running."""
        async with self._spawning:
            self._stopped = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # the guard's signal
            await self.wait()

    async def _pass_on(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) >= LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line)
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self.last_line = text
        self._log(text)


def free_ports(count: int) -> list[int]:
    """So many loopback ports in a row that nobody listened on a moment ago.

    They are none that systems give to whoever asks for port 0 or calls somebody: such a one may be gone before the
    process that is meant to have it has started. Raises `OSError` after a hundred taken ones.
    """
    for _ in range(100):
        first = secrets.choice(range(20_000, 32_000))  # Linux gives from 32768, others from 49152
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return list(range(first, first + count))
    raise OSError("no free port was found between 20000 and 32000")


def free_port() -> int:
    return free_ports(1)[0]
