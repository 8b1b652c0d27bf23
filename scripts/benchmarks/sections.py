"""The parts of a run, in order: what each measures, how long it takes, and the figures that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cold, environments, events, ratios, token_check, warm
from benchmarks.peers import AWSLABS, ERAS, FASTMCP, FLOOR, JWT, OURS, PEERS, PLAIN, PLATFORM, SDK, STDIO, Peer
from benchmarks.progress import Progress
from benchmarks.results import Figure, paired, single


@dataclass(frozen=True)
class Effort:
    """How often everything is repeated."""

    cold_rounds: int
    warm_processes: int
    warm_rounds: int
    warm_calls: int
    token_rounds: int
    token_calls: int


FULL = Effort(15, 3, 12, 200, 25, 400)
SMOKE = Effort(1, 1, 1, 10, 1, 20)  # every stack answers once; the figures mean nothing


@dataclass(frozen=True)
class Bench:
    """What every section needs."""

    effort: Effort
    progress: Progress
    issuer: events.Issuer
    python: Path  # with Lambda's runtime client

    def folder(self, peer: Peer) -> Path:
        return environments.folder_of(peer, self.progress.say)


@dataclass(frozen=True)
class Section:
    """One part of a run; `seconds` is what it takes on two idle cores, without the installing."""

    name: str
    what: str
    seconds: float
    steps: Callable[[Effort], int]
    measure: Callable[[Bench], list[Figure]]


REMARKS = {peer.name: peer.remark for peer in PEERS}


def _cold(bench: Bench) -> list[Figure]:
    instances = [
        cold.Instance(
            peer.name,
            bench.folder(peer),
            peer.handler,
            bench.python,
            events.tool_call(peer, events.newest_era(peer), bench.issuer),
            events.settings(peer, bench.issuer),
        )
        for peer in PEERS
    ]
    starts: list[dict[str, cold.Start]] = []
    warm_up = 2 if bench.effort is FULL else 0
    for number in range(warm_up):
        bench.progress.step(f"round {number + 1} of {warm_up} that are thrown away")
        next(iter(cold.rounds(instances, 1, 0)))
    for found in cold.rounds(instances, bench.effort.cold_rounds, 0):
        starts.append(found)
        bench.progress.step(f"round {len(starts)} of {bench.effort.cold_rounds}")
    figures: list[Figure] = []
    for baseline in (PLAIN.name, SDK.name):
        values: dict[str, Sequence[float]]
        values = {peer.name: [found[peer.name].wall_seconds * 1000 for found in starts] for peer in PEERS}
        figures += paired("cold", "wall", "ms", values, baseline, REMARKS)
        values = {peer.name: [found[peer.name].cpu_seconds * 1000 for found in starts] for peer in PEERS}
        figures += paired("cold", "cpu", "ms", values, baseline, REMARKS)
        values = {peer.name: [found[peer.name].resident_bytes / 1e6 for found in starts] for peer in PEERS}
        for figure in paired("memory", "first answer", "MB", values, baseline, REMARKS):
            figures.append(figure)
    return figures


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
    medians: dict[str, Sequence[float]] = {name: taken.medians for name, taken in times.items()}
    cpu: dict[str, Sequence[float]] = {name: taken.cpu_medians for name, taken in times.items()}
    for baseline in (SDK.name, FLOOR.name):
        figures += paired("warm", f"p50 {case}", "µs", medians, baseline, REMARKS)
    figures += paired("warm", f"p50 cpu {case}", "µs", cpu, SDK.name, REMARKS)
    for name, taken in times.items():
        middle, count = ratios.median(taken.all), len(taken.all)
        for percent in (99, 99.9):
            value = ratios.percentile(taken.all, percent)
            figures.append(single("warm", f"p{percent} {case}", name, "its p50", "µs", value, middle, count))
        figures.append(single("warm", f"slowest {case}", name, "its p50", "µs", max(taken.all), middle, count))
    return figures


def _token(bench: Bench) -> list[Figure]:
    found = token_check.measure(
        bench.python,
        bench.folder(JWT),
        rounds=bench.effort.token_rounds,
        count=bench.effort.token_calls,
        step=lambda: bench.progress.step(),
    )
    figures: list[Figure] = []
    for algorithm, rounds in found.items():
        # CPU time: nothing here waits, and it is the steadier of the two.
        taken = {name: [row[name][1] / 1000 for row in rounds] for name in rounds[0]}
        for name, subject in (("accept", "door jwt"), ("pyjwt", "PyJWT"), ("pyjwkclient", "PyJWKClient")):
            pair: dict[str, Sequence[float]] = {subject: taken[name], "raw": taken["raw"]}
            figures += [
                row for row in paired("token", f"{algorithm} accept", "µs", pair, "raw") if row.subject != "raw"
            ]
        refusals = []
        for name in taken:
            if name.startswith("refuse "):
                pair = {"door jwt": taken[name], "accept": taken["accept"]}
                rows = paired("token", f"{algorithm} {name}", "µs", pair, "accept")
                refusals += [row for row in rows if row.subject == "door jwt"]
        figures += refusals
        dearest = max(refusals, key=lambda row: row.ratio.median)
        kind = dearest.quantity.partition("refuse ")[2]
        figures.append(
            Figure(
                "token",
                f"{algorithm} dearest refusal",
                "door jwt",
                "accept",
                dearest.ratio,
                "µs",
                dearest.absolute,
                dearest.beside,
                kind,
            )
        )
    return figures


SECTIONS = (
    Section("cold", "process start to the first answer", 125, lambda effort: effort.cold_rounds + 2, _cold),
    Section(
        "warm",
        "calls of a started function",
        150,
        lambda effort: effort.warm_rounds * (effort.warm_processes + 3),
        _warm,
    ),
    Section("token", "the check of a token", 40, lambda effort: effort.token_rounds * 3, _token),
)
