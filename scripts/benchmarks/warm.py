"""Warm calls: the handler called in its own process, stacks in turn, batch by batch, several processes of each.

The collector stays as the stack leaves it. A batch's median against the other's of the same round is one pair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import events, ratios
from benchmarks.child import Child
from benchmarks.peers import ERA_NAMES, Era, Peer

WARM_UP_CALLS = 60


@dataclass(frozen=True)
class Case:
    """What is called, and what must stand in the answer."""

    name: str
    era: Era
    method: str
    params: dict[str, Any]
    expected: str

    @classmethod
    def of_tool(cls, era: Era, kind: str, tools: int) -> Case:
        """`add` as an async or a plain function, in a server with that many tools."""
        params = {"name": {"async": "add", "def": "add_plain"}[kind], "arguments": {"a": 2, "b": 3}}
        return cls(f"{ERA_NAMES[era]} {kind} {tools} tools", era, "tools/call", params, '"5"')


@dataclass
class Times:
    """What one stack took for one case."""

    medians: list[float] = field(default_factory=list)  # of each batch, in µs
    cpu_medians: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)  # every call, in µs
    cpu_all: list[float] = field(default_factory=list)  # a pause of the collector is in here, another process is not
    resident_bytes: list[int] = field(default_factory=list)  # after each batch

    def add(self, answer: dict[str, Any]) -> None:
        wall = [value / 1000 for value in answer["wall_ns"]]
        self.medians.append(ratios.median(wall))
        cpu = [value / 1000 for value in answer["cpu_ns"]]
        self.cpu_medians.append(ratios.median(cpu))
        self.all += wall
        self.cpu_all += cpu
        self.resident_bytes.append(answer["resident_bytes"])


@dataclass(frozen=True)
class Stack:
    """A peer with its folder, and how many calls a batch of it has."""

    peer: Peer
    folder: Path
    calls: int


def measure(
    stacks: Sequence[Stack],
    cases: Sequence[Case],
    python: Path,
    issuer: events.Issuer,
    *,
    tools: int = 10,
    processes: int = 3,
    rounds: int = 10,
    step: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Times]]:
    """For each case, what each stack took. Only one process has work at a time."""
    found: dict[str, dict[str, Times]] = {case.name: {} for case in cases}
    for _ in range(processes):
        with ExitStack() as running:
            children = [(stack, running.enter_context(_child(stack, python, issuer, tools))) for stack in stacks]
            for number in range(rounds):
                step()
                for case in cases:
                    for stack, child in _in_turn(children, number):
                        if case.era in stack.peer.eras:
                            question = _question(stack, case, issuer)
                            if number == 0:
                                child.ask({**question, "count": min(WARM_UP_CALLS, stack.calls)})
                            times = found[case.name].setdefault(stack.peer.name, Times())
                            times.add(child.ask(question))
    return found


def memory(
    peer: Peer, folder: Path, case: Case, python: Path, issuer: events.Issuer, calls: int
) -> tuple[float, float]:
    """Resident bytes after a hundred calls, and after so many more."""
    stack = Stack(peer, folder, calls)
    with _child(stack, python, issuer, 10) as child:
        question = _question(stack, case, issuer)
        early = child.ask({**question, "count": 100})["resident_bytes"]
        # In parts: a list of all times would be memory of the measuring.
        for _ in range(10):
            late = child.ask({**question, "count": max(1, calls // 10)})["resident_bytes"]
    return early, late


def _question(stack: Stack, case: Case, issuer: events.Issuer) -> dict[str, Any]:
    event = events.call(stack.peer, case.era, issuer, case.method, case.params)
    # The answer is JSON inside of JSON in no stack, but the texts of some are escaped.
    return {"event": json.dumps(event), "count": stack.calls, "expected": case.expected}


def _child(stack: Stack, python: Path, issuer: events.Issuer, tools: int) -> Child:
    environment = {**events.settings(stack.peer, issuer), "BENCH_TOOLS": str(tools)}
    return Child("warm_child.py", python, stack.folder, stack.peer.handler, environment=environment)


def _in_turn(children: list[tuple[Stack, Child]], number: int) -> Iterator[tuple[Stack, Child]]:
    turn = number % len(children)
    yield from children[turn:]
    yield from children[:turn]
