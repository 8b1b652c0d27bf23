"""FC's web function under many callers at once, beside the official SDK's app under uvicorn as its users start it.

Both servers run all the time and are called in turn, by a process of its own that is shown not to be the bottleneck.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import events, ratios
from benchmarks.child import Child
from benchmarks.peers import ERA_NAMES, ERAS, Era
from edges.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = ROOT / "scripts/edges/loopback"
CALLERS = (1, 10, 50, 100, 200)
START_SECONDS = 60
PATIENCE_SECONDS = 30  # with a round that has too few answers yet
OURS_WEB, SDK_WEB = "ours-fc", "sdk-uvicorn"


@dataclass
class Taken:
    """What one server made of one number of callers, a value for each round."""

    per_second: list[float] = field(default_factory=list)
    median_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    errors: int = 0
    callers_busy: list[float] = field(default_factory=list)  # share of one core that the load itself took

    def add(self, answer: dict[str, Any]) -> None:
        milliseconds = [value * 1000 for value in answer["seconds"]]
        self.per_second.append(len(answer["seconds"]) / answer["took"])
        self.median_ms.append(ratios.median(milliseconds))
        self.p99_ms.append(ratios.percentile(milliseconds, 99))
        self.errors += answer["wrong"] + answer["lost"]
        self.callers_busy.append(answer["cpu"] / answer["took"])


@dataclass(frozen=True)
class Server:
    """A command that serves HTTP on a port."""

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: dict[str, str]


def ours(folder: Path, python: Path, port: int) -> Server:
    environment = {"FC_SERVER_PORT": str(port), "MCP_DOOR": "platform", "PYTHONPATH": str(LOOPBACK)}
    return Server(OURS_WEB, (str(python), "-m", "alibaba_fc"), folder, environment)


def sdk(folder: Path, python: Path, port: int) -> Server:
    command = (str(python), "-m", "uvicorn", "sdk_web:app", "--port", str(port))
    return Server(SDK_WEB, command, folder, {})


@contextmanager
def serving(server: Server, port: int) -> Iterator[int]:
    """The server, once it takes calls; yields its process id."""
    environment = {"PATH": os.defpath, "LANG": "en_US.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **server.environment}
    process = subprocess.Popen(
        server.command, cwd=server.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + START_SECONDS
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            if process.poll() is not None or time.monotonic() > until:
                raise ServerMissing(f"{server.name} does not take calls")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait()


class ServerMissing(Exception):
    """A server did not start, or answered no call."""


def request(era: Era, port: int) -> str:
    body, headers = events.message("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}}, era)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(
        ["POST /mcp HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}", *lines, "", body]
    )


def measure(
    folders: Mapping[str, Path],
    python: Path,
    load_python: Path,
    *,
    rounds: int,
    seconds: float,
    at_least: int,
    step: Callable[[str], None],
) -> dict[tuple[Era, int], dict[str, Taken]]:
    """By era and number of callers, what each server did."""
    found: dict[tuple[Era, int], dict[str, Taken]] = {(era, count): {} for era in ERAS for count in CALLERS}
    with ExitStack() as running:
        ports = {}
        for make, name in ((ours, OURS_WEB), (sdk, SDK_WEB)):
            port = free_port()
            server = make(folders[name], python, port)
            running.enter_context(serving(server, port))
            ports[server.name] = port
        load = running.enter_context(Child("load_child.py", load_python, folders[OURS_WEB]))
        for era in ERAS:
            for port in ports.values():  # the first calls of all
                load.ask(_question(era, port, 2, min(seconds, 0.5), 1))
        for number in range(rounds):
            for (era, count), taken in found.items():
                step(f"{count} callers, {ERA_NAMES[era]}")
                names = [*ports] if number % 2 == 0 else [*reversed(ports)]
                for name in names:
                    answer = load.ask(_question(era, ports[name], count, seconds, at_least))
                    if not answer["seconds"]:
                        unmet = f"{answer['wrong']} wrong answers, {answer['lost']} connections lost"
                        raise ServerMissing(f"{name} gave {count} callers no answer in {answer['took']:.0f} s: {unmet}")
                    taken.setdefault(name, Taken()).add(answer)
    return found


def _question(era: Era, port: int, callers: int, seconds: float, at_least: int) -> dict[str, Any]:
    asked = {"request": request(era, port), "expected": '"5"', "port": port, "callers": callers}
    return {**asked, "for": seconds, "at_least": at_least, "at_most_for": seconds + PATIENCE_SECONDS}
