"""The section `growth`: time against the number of tools and the size of the answer."""

from __future__ import annotations

from benchmarks import warm
from benchmarks.peers import ERAS, FLOOR, PLATFORM, SDK
from benchmarks.results import Figure, paired
from benchmarks.sections.parts import REMARKS, Bench, Section, made


def _growth(bench: Bench) -> list[Figure]:
    """Time against the number of tools and the size of the answer."""
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


GROWTH = Section(
    "growth",
    "time against tools and answers",
    40,
    lambda effort: 4 * effort.growth_rounds,
    _growth,
    made(PLATFORM, SDK, FLOOR),
)
