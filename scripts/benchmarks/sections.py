"""The parts of a run, in order: what each measures, how long it takes, and the figures that it becomes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from artifacts.deployables import FC_PYTHON
from benchmarks import cold, concurrency, cost, environments, events, ratios, token_check, warm
from benchmarks.peers import (
    AWSLABS,
    ERA_NAMES,
    ERAS,
    FASTMCP,
    FLOOR,
    JWT,
    OURS,
    PEERS,
    PLAIN,
    PLATFORM,
    SDK,
    STDIO,
    Peer,
)
from benchmarks.progress import Progress
from benchmarks.results import Figure, Results, paired, single


@dataclass(frozen=True)
class Effort:
    """How often everything is repeated."""

    cold_rounds: int
    warm_processes: int
    warm_rounds: int
    warm_calls: int
    token_rounds: int
    token_calls: int
    load_rounds: int
    load_seconds: float
    memory_calls: int
    growth_rounds: int


FULL = Effort(15, 3, 12, 200, 25, 400, 3, 1.5, 10_000, 8)
SMOKE = Effort(1, 1, 1, 10, 1, 20, 1, 0.2, 20, 1)  # every stack answers once; the figures mean nothing


@dataclass(frozen=True)
class Bench:
    """What every section needs."""

    effort: Effort
    progress: Progress
    issuer: events.Issuer
    python: Path  # with Lambda's runtime client
    folders: Mapping[str, Path]

    def folder(self, peer: Peer) -> Path:
        return self.folders[peer.name]


@dataclass(frozen=True)
class Section:
    """One part of a run; `seconds` is what it takes on two idle cores, without the installing."""

    name: str
    what: str
    seconds: float
    steps: Callable[[Effort], int]
    measure: Callable[[Bench], list[Figure]]


AUTHORIZER = "ours-authorizer"
REMARKS = {AUTHORIZER: "the token document is a file here; Secrets Manager brings the import of boto3"}
REMARKS |= {peer.name: peer.remark for peer in PEERS}


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
    with tempfile.TemporaryDirectory() as scratch:
        instances.append(_authorizer(bench, Path(scratch)))
        return _cold_of(bench, instances)


def _authorizer(bench: Bench, scratch: Path) -> cold.Instance:
    """The function in front of door `bearer` on AWS. Its document is a file here, so the AWS SDK is not in it."""
    token = "mcp-" + "a" * 40
    document = scratch / "tokens.json"
    document.touch(0o600)
    document.write_text(json.dumps({"tokens": [{"tokenName": "alice", "enable": True, "tokenData": token}]}))
    header = f"Bearer {token}"
    event = {"version": "2.0", "type": "REQUEST", "headers": {"authorization": header}, "identitySource": [header]}
    return cold.Instance(
        AUTHORIZER,
        environments.ours("aws", bench.progress.say, "token_guard"),
        "aws_authorizer.handler",
        bench.python,
        {**event, "requestContext": {"requestId": "id="}},
        {"MCP_TOKENS": f"file:{document}"},
        lambda result: result["isAuthorized"] is True,
    )


def _cold_of(bench: Bench, instances: list[cold.Instance]) -> list[Figure]:
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
        values = {name: [found[name].wall_seconds * 1000 for found in starts] for name in starts[0]}
        figures += paired("cold", "wall", "ms", values, baseline, REMARKS)
        values = {name: [found[name].cpu_seconds * 1000 for found in starts] for name in starts[0]}
        figures += paired("cold", "cpu", "ms", values, baseline, REMARKS)
        values = {name: [found[name].resident_bytes / 1e6 for found in starts] for name in starts[0]}
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
            pair = {subject: taken[name], "raw": taken["raw"]}
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


def _concurrency(bench: Bench) -> list[Figure]:
    say = bench.progress.say
    folders = {"ours": environments.ours("fc", say), "sdk": environments.sdk_for_fc(say)}
    found = concurrency.measure(
        folders,
        environments.interpreter(FC_PYTHON),
        bench.python,
        rounds=bench.effort.load_rounds,
        seconds=bench.effort.load_seconds,
        step=bench.progress.step,
    )
    figures: list[Figure] = []
    for (era, count), taken in found.items():
        case = f"{ERA_NAMES[era]} {count} callers"
        remarks = {
            name: f"{row.errors} errors; the callers kept {ratios.median(row.callers_busy):.0%} of a core busy"
            for name, row in taken.items()
        }
        rates = {name: row.per_second for name, row in taken.items()}
        slowest = {name: row.p99_ms for name, row in taken.items()}
        figures += paired("concurrency", f"calls per second {case}", "1/s", rates, "sdk-uvicorn", remarks)
        figures += paired("concurrency", f"p99 {case}", "ms", slowest, "sdk-uvicorn", remarks)
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


def _size(bench: Bench) -> list[Figure]:
    figures = []
    unzipped, zipped = {}, {}
    for peer in PEERS:
        name = "ours" if peer in OURS else peer.name
        if name not in unzipped:
            bench.progress.step(name)
            unzipped[name], zipped[name] = environments.sizes(bench.folder(peer))
    for name in unzipped:
        for quantity, sizes in (("unzipped", unzipped), ("zipped", zipped)):
            figures.append(single("size", quantity, name, PLAIN.name, "MB", sizes[name] / 1e6, sizes[PLAIN.name] / 1e6))
    return figures


def _growth(bench: Bench) -> list[Figure]:
    """Time against the number of tools and the size of the answer; and from it and the cold start, what calls cost."""
    figures: list[Figure] = []
    rounds, stacks = bench.effort.growth_rounds, (PLATFORM, SDK, FLOOR)
    batches = [warm.Stack(peer, bench.folder(peer), 20) for peer in stacks]
    for tools in (10, 100, 1000):
        cases = [warm.Case(f"tools/list {tools} tools", ERAS[0], "tools/list", {}, "inputSchema")]
        found = warm.measure(
            [row for row in batches if row.peer is not FLOOR],
            cases,
            bench.python,
            bench.issuer,
            tools=tools,
            processes=1,
            rounds=rounds,
            step=lambda tools=tools: bench.progress.step(f"tools/list of {tools} tools"),  # type: ignore[misc]
        )
        figures += _medians("growth", found, SDK.name)
    cases = [
        warm.Case(
            f"answer of {size} bytes", ERAS[0], "tools/call", {"name": "repeat", "arguments": {"size": size}}, "x"
        )
        for size in (10, 1_000, 10_000, 100_000, 1_000_000)
    ]
    found = warm.measure(
        batches,
        cases,
        bench.python,
        bench.issuer,
        processes=1,
        rounds=rounds,
        step=lambda: bench.progress.step("size of the answer"),
    )
    return figures + _medians("growth", found, SDK.name)


def _medians(section: str, found: dict[str, dict[str, warm.Times]], baseline: str) -> list[Figure]:
    figures: list[Figure] = []
    for case, times in found.items():
        medians = {name: taken.medians for name, taken in times.items()}
        figures += paired(section, f"p50 {case}", "µs", medians, baseline, REMARKS)
    return figures


def costs(results: Results) -> list[Figure]:
    """What a million calls cost, from the cold and the warm figures of a run; nothing is measured for it."""
    figures = []
    names = (JWT.name, PLATFORM.name, SDK.name, FASTMCP.name, AWSLABS.name, FLOOR.name)
    for tool_ms in cost.TOOL_MILLISECONDS:
        for share in cost.COLD_SHARES:
            billed = {}
            for name in names:
                call = results.figure(f"warm/p50 modern async 10 tools/{name}/{SDK.name}")
                start = results.figure(f"cold/wall/{name}/{SDK.name}")
                if call is None or start is None:
                    return []
                billed[name] = cost.billed_seconds(call.absolute / 1000, tool_ms, start.absolute, share)
            quantity = f"billed for a million calls of {tool_ms} ms, {share:.0%} cold"
            figures += [single("cost", quantity, name, SDK.name, "s", billed[name], billed[SDK.name]) for name in names]
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
    Section(
        "concurrency",
        "FC's web function under many callers",
        105,
        lambda effort: effort.load_rounds * len(concurrency.CALLERS) * len(ERAS),
        _concurrency,
    ),
    Section("memory-growth", "resident memory after many calls", 30, lambda effort: len(OURS) + 1, _memory),
    Section("size", "artifacts and installed folders", 40, lambda effort: len(PEERS) - 1, _size),
    Section("growth", "time against tools and answers", 40, lambda effort: 4 * effort.growth_rounds, _growth),
)
