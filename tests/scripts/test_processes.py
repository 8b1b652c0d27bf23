"""Child processes under the guard: nothing outlives its parent, however that ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edges.processes import Child, ChildFailed, free_port

AllEnd = Callable[[Iterable[int], float], bool]

# A child that ignores every polite signal and has a child of its own.
STUBBORN = """
import os, signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), below.pid, flush=True)
time.sleep(600)
"""
PARENT = f"""
import asyncio, functools, sys
from pathlib import Path
from edges.processes import Child

async def main():
    command = [sys.executable, "-c", {STUBBORN!r}]
    child = Child(command, environment={{}}, cwd=Path.cwd(), log=functools.partial(print, flush=True))
    await child.start()
    await child.wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_go_when_their_parent_is_killed(
    number: signal.Signals, alive: Callable[[int], bool], all_end: AllEnd
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "scripts")}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        parent.send_signal(number)
        parent.wait(30)
        assert all_end(pids, 3)


def test_stop_ends_a_child_that_ignores_signals_and_what_it_started(all_end: AllEnd) -> None:
    lines: list[str] = []

    async def run() -> None:
        spoke = asyncio.Event()

        def log(line: str) -> None:
            lines.append(line)
            spoke.set()

        child = Child([sys.executable, "-c", STUBBORN], environment={}, cwd=Path.cwd(), log=log)
        await child.start()
        await spoke.wait()
        began = time.monotonic()
        await child.stop()
        assert time.monotonic() - began < 3
        assert not child.running

    asyncio.run(run())
    assert all_end([int(word) for word in lines[0].split()], 1)


def test_what_a_child_leaves_behind_goes_with_it(all_end: AllEnd) -> None:
    orphan = f"""
import subprocess, sys
print(subprocess.Popen([{sys.executable!r}, "-c", "import time; time.sleep(600)"]).pid)
sys.exit(7)
"""
    lines: list[str] = []

    async def run() -> int:
        child = Child([sys.executable, "-c", orphan], environment={}, cwd=Path.cwd(), log=lines.append)
        await child.start()
        return await child.wait()

    assert asyncio.run(run()) == 7
    assert all_end([int(lines[0])], 3)


def said_by(program: str) -> tuple[list[str], str]:
    lines: list[str] = []

    async def run() -> str:
        child = Child([sys.executable, "-c", program], environment={}, cwd=Path.cwd(), log=lines.append)
        await child.start()
        with pytest.raises(ChildFailed) as caught:
            await child.listens(free_port(), seconds=30)
        return str(caught.value)

    return lines, asyncio.run(run())


def test_the_last_line_says_why_a_child_did_not_start() -> None:
    lines, reason = said_by("import sys; print('first', flush=True); sys.exit('the reason\\n')")
    assert (lines, reason) == (["first", "the reason", ""], "the reason")


def test_a_silent_end_is_reported_with_its_code() -> None:
    assert said_by("import os; os.kill(os.getpid(), 9)") == ([], "ended with exit code 137 without a word")


def test_a_command_that_does_not_exist_is_named() -> None:
    async def run() -> None:
        child = Child(["/nonexistent/python"], environment={}, cwd=Path.cwd(), log=lambda line: None)
        await child.start()
        await child.listens(free_port(), seconds=30)

    with pytest.raises(ChildFailed, match="cannot start /nonexistent/python: No such file"):
        asyncio.run(run())


def test_a_line_without_an_end_is_passed_on_in_pieces() -> None:
    lines, _ = said_by("import sys; sys.stdout.write('x' * 200_000 + '\\xe9')")
    assert "".join(lines) == "x" * 200_000 + "é"
    assert max(map(len, lines)) <= 2 * 64 * 1024


def test_a_child_that_is_stopped_before_it_starts_never_runs() -> None:
    async def run() -> None:
        child = Child([sys.executable, "-c", "print('ran')"], environment={}, cwd=Path.cwd(), log=pytest.fail)
        await child.stop()
        with pytest.raises(ChildFailed):
            await child.start()

    asyncio.run(run())
