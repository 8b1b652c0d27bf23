"""The section `concurrency`: FC's web function under many callers as figures of calls per second and p99."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from artifacts.deployables import FC_PYTHON
from benchmarks import concurrency, environments, ratios
from benchmarks.concurrency import OURS_WEB, SDK_WEB
from benchmarks.peers import ERA_NAMES, ERAS
from benchmarks.results import Figure, paired
from benchmarks.sections.parts import Bench, Section

WITHIN_NOISE = "within the noise of its rounds"


def _concurrency(bench: Bench) -> list[Figure]:
    found = concurrency.measure(
        bench.folders,
        environments.interpreter(FC_PYTHON),
        bench.python,
        rounds=bench.effort.load_rounds,
        seconds=bench.effort.load_seconds,
        at_least=bench.effort.load_answers,
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
        figures += paired("concurrency", f"calls per second {case}", "1/s", rates, SDK_WEB, remarks)
        figures += paired("concurrency", f"p99 {case}", "ms", slowest, SDK_WEB, remarks)
    return [_with_doubt(figure) for figure in figures]


def _with_doubt(figure: Figure) -> Figure:
    """A ratio whose spread holds 1 tells no difference, and its remark says so."""
    if figure.subject == figure.baseline or not figure.ratio.p10 <= 1 <= figure.ratio.p90:
        return figure
    return replace(figure, remark=f"{figure.remark}; {WITHIN_NOISE}")


def _fc_artifact(say: environments.Say) -> Path:
    return environments.ours("fc", say)


CONCURRENCY = Section(
    "concurrency",
    "FC's web function under many callers",
    315,
    lambda effort: effort.load_rounds * len(concurrency.CALLERS) * len(ERAS),
    _concurrency,
    MappingProxyType({OURS_WEB: _fc_artifact, SDK_WEB: environments.sdk_for_fc}),
)
