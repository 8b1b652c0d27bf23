"""Draw the plots of docs/bench from results.json: the same bytes for the same figures, with no date and no random id.

Runs in an environment of its own that holds matplotlib: python -m benchmarks.plots RESULTS FOLDER. The colours can be
read on a light page and on a dark one, so the background is left open.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from benchmarks import results
from benchmarks.results import Figure, Results

INK = "#7a7a7a"  # 4.2 to 1 on white, 4.9 to 1 on black
OURS, OTHERS, FLOOR = "#1f9e89", "#8c8c8c", "#b07d2b"
LINES = {"ours-fc": OURS, "sdk-uvicorn": "#c1666b", "ours-platform": OURS, "sdk-mangum": "#c1666b", "floor": FLOOR}
STYLE = {
    "svg.hashsalt": "mcp-faas",
    "svg.fonttype": "path",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "legend.frameon": False,
}


def colour(name: str) -> str:
    return OURS if name.startswith(("ours", "door")) else FLOOR if name == "floor" else OTHERS


def bars(axes: Any, figures: Sequence[Figure], title: str, *, log: bool = False) -> None:
    """One bar for each subject, the spread of its pair ratios as a line."""
    if not figures:  # a section that was not measured yet
        axes.set_axis_off()
        return
    rows = list(reversed(figures))
    names = [row.subject for row in rows]
    values = [row.ratio.median for row in rows]
    spread = [[row.ratio.median - row.ratio.p10 for row in rows], [row.ratio.p90 - row.ratio.median for row in rows]]
    axes.barh(names, values, color=[colour(name) for name in names], height=0.65)
    axes.errorbar(values, names, xerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axes.axvline(1, color=INK, linewidth=0.8, linestyle=":")
    for name, row in zip(names, rows, strict=True):
        axes.annotate(f" {row.ratio.median:.2f}", (max(row.ratio.p90, row.ratio.median), name), va="center", color=INK)
    if log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, max(row.ratio.p90 for row in rows) * 1.18)
    axes.set_title(title, loc="left", fontsize=9)


def of(found: Results, section: str, quantity: str, baseline: str) -> list[Figure]:
    chosen = [
        row for row in found.figures if (row.section, row.quantity, row.baseline) == (section, quantity, baseline)
    ]
    return sorted(chosen, key=lambda row: row.ratio.median)


def cold(found: Results) -> Any:
    drawing, axes = plt.subplots(1, 2, figsize=(9, 2.9), layout="constrained")
    bars(axes[0], of(found, "cold", "wall", "plain"), "cold start, plain `sam build` = 1")
    bars(axes[1], of(found, "memory", "first answer", "plain"), "memory at the first answer, plain = 1")
    return drawing


def warm(found: Results) -> Any:
    drawing, axes = plt.subplots(2, 2, figsize=(9, 4.8), layout="constrained")
    cases = ("modern async", "modern def", "legacy async", "legacy def")
    for place, case in zip(axes.flat, cases, strict=True):
        bars(place, of(found, "warm", f"p50 {case} 10 tools", "sdk-mangum"), f"{case}, SDK + Mangum = 1", log=True)
    return drawing


def token(found: Results) -> Any:
    drawing, axes = plt.subplots(1, 3, figsize=(9, 2.2), layout="constrained")
    for place, algorithm in zip(axes, ("RS256", "ES256", "EdDSA"), strict=True):
        bars(place, of(found, "token", f"{algorithm} accept", "raw"), f"{algorithm}, raw signature check = 1")
    return drawing


def concurrency(found: Results) -> Any:
    drawing, axes = plt.subplots(2, 2, figsize=(9, 4.8), layout="constrained")
    for column, era in enumerate(("modern", "legacy")):
        for row, (quantity, label) in enumerate((("calls per second", "calls per second"), ("p99", "p99, ms"))):
            place = axes[row][column]
            for name in ("ours-fc", "sdk-uvicorn"):
                points = [
                    (int(words[-2]), figure.absolute)
                    for figure in found.figures
                    if figure.section == "concurrency" and figure.subject == name
                    for words in [figure.quantity.split()]
                    if figure.quantity.startswith(f"{quantity} {era} ")
                ]
                lines(place, sorted(points), name, linear=row == 0)
            place.set_title(f"{label}, {era}", loc="left", fontsize=9)
            place.set_xlabel("callers at once")
    if axes[0][0].lines:
        axes[0][0].legend()
    return drawing


def lines(place: Any, points: Sequence[tuple[float, float]], name: str, *, linear: bool = False) -> None:
    if points:
        place.plot(
            [x for x, _ in points], [y for _, y in points], marker="o", markersize=3, label=name, color=LINES[name]
        )
        place.set_xscale("log")
        place.set_ylim(bottom=0) if linear else place.set_yscale("log")


def size(found: Results) -> Any:
    drawing, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    bars(axes[0], of(found, "size", "unzipped", "plain"), "unzipped, plain `sam build` = 1")
    bars(axes[1], of(found, "size", "zipped", "plain"), "zipped, plain `sam build` = 1")
    return drawing


def growth(found: Results) -> Any:
    drawing, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
    series: tuple[tuple[str, str, str, Callable[[Figure], float | None]], ...] = (
        ("tools/call against tools", "tools", "warm", lambda row: _number(row.quantity, "p50 modern async ", " tools")),
        ("tools/list against tools", "tools", "growth", lambda row: _number(row.quantity, "p50 tools/list ", " tools")),
        ("answer against its size", "bytes", "growth", lambda row: _number(row.quantity, "p50 answer of ", " bytes")),
    )
    for place, (title, unit, section, where) in zip(axes, series, strict=True):
        for name in ("ours-platform", "sdk-mangum", "floor"):
            points = [
                (at, row.absolute)
                for row in found.figures
                if row.section == section and row.subject == name and row.baseline == "sdk-mangum"
                for at in [where(row)]
                if at is not None
            ]
            lines(place, sorted(points), name)
        place.set_title(f"{title}, µs", loc="left", fontsize=9)
        place.set_xlabel(unit)
    if axes[0].lines:
        axes[0].legend()
    return drawing


def cost(found: Results) -> Any:
    drawing, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    for place, share in zip(axes, ("0%", "1%"), strict=True):
        quantity = f"billed for a million calls of 0 ms, {share} cold"
        bars(place, of(found, "cost", quantity, "sdk-mangum"), f"billed time, {share} cold starts, SDK + Mangum = 1")
    return drawing


def _number(text: str, before: str, after: str) -> float | None:
    middle = text.removeprefix(before).removesuffix(after)
    return float(middle) if text == f"{before}{middle}{after}" and middle.isdigit() else None


PLOTS: dict[str, Callable[[Results], Any]] = {
    "cold": cold,
    "warm": warm,
    "token": token,
    "concurrency": concurrency,
    "size": size,
    "growth": growth,
    "cost": cost,
}


def main() -> None:
    found, folder = results.read(Path(sys.argv[1])), Path(sys.argv[2])
    with mpl.rc_context(STYLE):
        for name, draw in PLOTS.items():
            drawing = draw(found)
            drawing.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None, "Creator": None})
            plt.close(drawing)


if __name__ == "__main__":
    main()
