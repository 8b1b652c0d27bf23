"""Figures as lines of text for a terminal: the aims with ok or missed, and every ratio. Pure."""

from __future__ import annotations

from benchmarks.results import Figure, Results


def report(results: Results) -> str:
    lines = []
    section = ""
    for figure in results.figures:
        if figure.section != section:
            section = figure.section
            lines.append(f"\n{section}")
        if figure.subject != figure.baseline:
            lines.append(f"  {line_of(figure)}")
    lines.append("\naims")
    for aim in results.aims:
        found = results.figure(aim.figure)
        if found is not None:
            verdict = "ok    " if found.ratio.median <= aim.at_most else "missed"
            lines.append(f"  {verdict} {found.ratio.median:6.2f}x, at most {aim.at_most:.2f}x: {aim.words}")
    return "\n".join(lines).strip("\n")


def line_of(figure: Figure) -> str:
    spread = f"[{figure.ratio.p10:.2f}-{figure.ratio.p90:.2f}]" if figure.ratio.p10 != figure.ratio.p90 else ""
    words = f"{figure.ratio.median:8.2f}x {spread:16} {figure.subject} to {figure.baseline}, {figure.quantity}"
    absolute = f" ({figure.absolute:.4g} to {figure.beside:.4g} {figure.unit}, n = {figure.ratio.n})"
    return words + absolute + (f" - {figure.remark}" if figure.remark else "")
