"""The sections `warm` and `memory-growth`: calls of a started function as figures of time, and of memory."""

from __future__ import annotations

from benchmarks import ratios, warm
from benchmarks.peers import AWSLABS, ERAS, FASTMCP, FLOOR, OURS, PLATFORM, SDK, STDIO
from benchmarks.results import Figure, paired, single
from benchmarks.sections.parts import REMARKS, Bench, Section, made


def _warm(bench: Bench) -> list[Figure]:
    effort = bench.effort
    fewer = max(10, effort.warm_calls // 4)  # of those whose tail is no aim of ours
    stacks = [warm.Stack(peer, bench.folder(peer), effort.warm_calls) for peer in (*OURS, SDK)]
    stacks += [warm.Stack(peer, bench.folder(peer), fewer) for peer in (FASTMCP, AWSLABS, FLOOR)]
    cases = [warm.Case.of_tool(era, kind, 10) for era in ERAS for kind in ("async", "def")]
    found = warm.measure(
        stacks,
        cases,
        bench.python,
        bench.issuer,
        processes=effort.warm_processes,
        rounds=effort.warm_rounds,
        step=lambda: bench.progress.step("10 tools"),
    )
    for tools in (100, 1000):
        found |= warm.measure(
            [stack for stack in stacks if stack.peer in (PLATFORM, SDK)],
            [warm.Case.of_tool(era, "async", tools) for era in ERAS],
            bench.python,
            bench.issuer,
            tools=tools,
            processes=1,
            rounds=effort.warm_rounds,
            step=lambda tools=tools: bench.progress.step(f"{tools} tools"),  # type: ignore[misc]
        )
    found |= warm.measure(
        [warm.Stack(SDK, bench.folder(SDK), 2), warm.Stack(STDIO, bench.folder(STDIO), 1)],
        [warm.Case("legacy async 10 tools, a process each call", ERAS[1], "tools/call", ADD, '"5"')],
        bench.python,
        bench.issuer,
        processes=1,
        rounds=min(12, effort.warm_rounds),
        step=lambda: bench.progress.step("a server for each call"),
    )
    return [figure for case, times in found.items() for figure in _of_times(case, times)]


ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}


def _of_times(case: str, times: dict[str, warm.Times]) -> list[Figure]:
    figures: list[Figure] = []
    medians = {name: taken.medians for name, taken in times.items()}
    cpu = {name: taken.cpu_medians for name, taken in times.items()}
    for baseline in (SDK.name, FLOOR.name):
        figures += paired("warm", f"p50 {case}", "µs", medians, baseline, REMARKS)
    figures += paired("warm", f"p50 cpu {case}", "µs", cpu, SDK.name, REMARKS)
    for name, taken in times.items():
        middle, count = ratios.median(taken.all), len(taken.all)
        for percent in (99, 99.9):
            value = ratios.percentile(taken.all, percent)
            figures.append(single("warm", f"p{percent} {case}", name, "its p50", "µs", value, middle, count))
        figures.append(single("warm", f"slowest {case}", name, "its p50", "µs", max(taken.all), middle, count))
        value, middle = ratios.percentile(taken.cpu_all, 99.9), ratios.median(taken.cpu_all)
        figures.append(single("warm", f"p99.9 cpu {case}", name, "its p50", "µs", value, middle, count))
    return figures


def _memory(bench: Bench) -> list[Figure]:
    figures = []
    case = warm.Case.of_tool(ERAS[0], "async", 10)
    for peer in (*OURS, SDK):
        bench.progress.step(peer.name)
        folder, calls = bench.folder(peer), bench.effort.memory_calls
        early, late = warm.memory(peer, folder, case, bench.python, bench.issuer, calls)
        quantity = f"after {calls} calls"
        figures.append(single("memory-growth", quantity, peer.name, "after 100", "MB", late / 1e6, early / 1e6))
    return figures


WARM = Section(
    "warm",
    "calls of a started function",
    150,
    lambda effort: effort.warm_rounds * (effort.warm_processes + 3),
    _warm,
    made(*OURS, SDK, FASTMCP, AWSLABS, FLOOR, STDIO),
)
MEMORY = Section(
    "memory-growth", "resident memory after many calls", 30, lambda effort: len(OURS) + 1, _memory, made(*OURS, SDK)
)
