"""Runs inside a stack's own process: calls its handler when asked to, and says how long each call took.

Standard library only, and nothing of ours: the folder that it is given is all that can be imported beside it.
Questions and answers are lines of JSON; what the handler prints goes nowhere.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import uuid
from typing import Any


class Context:
    """What Lambda tells a handler about a call."""

    function_name = "bench"
    function_version = "$LATEST"
    memory_limit_in_mb = "1024"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:bench"

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._until = time.time() + 29

    def get_remaining_time_in_millis(self) -> int:
        return int((self._until - time.time()) * 1000)


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - nothing is imported that the stack might not import
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(handler: Any, question: dict[str, Any]) -> dict[str, Any]:
    text, count, expected = question["event"], question["count"], question["expected"]
    wall, cpu = [], []
    result: Any = None
    for _ in range(count):
        event, context = json.loads(text), Context()  # fresh, as from the runtime client, and outside of the clock
        cpu_began, began = time.process_time_ns(), time.perf_counter_ns()
        result = handler(event, context)
        ended, cpu_ended = time.perf_counter_ns(), time.process_time_ns()
        wall.append(ended - began)
        cpu.append(cpu_ended - cpu_began)
    # The last one stands for all: looking at each would be work between the calls.
    body = str(result.get("body")) if isinstance(result, dict) and result.get("statusCode") == 200 else ""
    if expected not in body:
        return {"error": repr(result)[:1000]}
    return {"wall_ns": wall, "cpu_ns": cpu, "resident_bytes": resident_bytes()}


def main() -> None:
    folder, address = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.path[0] = folder
    module, _, name = address.rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    os.dup2(nowhere, 2)
    for line in sys.stdin:
        answers.write(json.dumps(measure(handler, json.loads(line))) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main()
