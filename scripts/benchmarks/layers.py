"""Where a warm call goes: instructions of one call through each layer, counted by valgrind. No clock.

Counts are the same whatever else the machine does, and blind to memory and the kernel: they tell shares, not speed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks import environments, events
from benchmarks.child import CHILDREN, ChildFailed
from benchmarks.cold import surroundings
from benchmarks.peers import ERA_NAMES, ERAS, PLATFORM, Era
from benchmarks.progress import say

LAYERS = ("mangum", "sdk", "sdk here", "gate", "handler")
TOOLS = {"async def": "add", "def": "add_plain"}
FEWER_CALLS, MORE_CALLS = 50, 250
CORES = 2  # counting is ten times slower than running, and counts do not disturb each other
_COUNTED = re.compile(r"I +refs: +([0-9,]+)")


def rows() -> Iterator[str]:
    """A Markdown table, line by line as it is counted: each layer as ratio to the SDK behind Mangum.

    Raises `EnvironmentMissing` without valgrind, `ChildFailed` when a call fails.
    """
    if shutil.which("valgrind") is None:
        raise environments.EnvironmentMissing(
            "valgrind is missing, which counts instructions: apt-get install valgrind"
        )
    python, folder = environments.interpreter(), environments.naive(say)[0]
    yield f"| call | {' | '.join(LAYERS)} |"
    yield "| --- |" + " --: |" * len(LAYERS)
    for era in ERAS:
        for kind, tool in TOOLS.items():
            say(f"counting the instructions of a call, {ERA_NAMES[era]}, {kind}")
            with ThreadPoolExecutor(CORES) as pool:
                counts = [*pool.map(partial(per_call, python, folder, era, tool), LAYERS)]
            ratios = " | ".join(f"{count / counts[0]:.2f}" for count in counts)
            yield f"| `{kind}`, {ERA_NAMES[era]} | {ratios} |"


def per_call(python: Path, folder: Path, era: Era, tool: str, layer: str) -> float:
    """Instructions of one call: what many calls take more than few, so that no start is in it."""
    event = events.tool_call(PLATFORM, era, events.Issuer(), tool)
    few, many = (_counted(python, folder, layer, event, calls) for calls in (FEWER_CALLS, MORE_CALLS))
    return (many - few) / (MORE_CALLS - FEWER_CALLS)


def _counted(python: Path, folder: Path, layer: str, event: object, calls: int) -> int:
    counter = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as told:
        json.dump(event, told)
        told.flush()
        command = [*counter, str(python), str(CHILDREN / "layer_child.py"), str(folder), layer, str(calls), told.name]
        settings = {"MCP_DOOR": "platform", "PYTHONHASHSEED": "0"}
        environment = surroundings(folder, "", "127.0.0.1:9", settings)
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    found = _COUNTED.search(done.stderr)
    if done.returncode != 0 or found is None:
        raise ChildFailed(f"the call through {layer} failed:\n{done.stderr[-1000:]}")
    return int(found[1].replace(",", ""))
