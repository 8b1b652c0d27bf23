"""A run's figures as JSON and back, each a ratio with its spread; absolute values stand beside and are never compared.

docs/bench/README.md says what each field means. Reads and writes the one file, and measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import ratios
from benchmarks.aims import AIMS, Aim
from benchmarks.ratios import Spread

SCHEMA = 1


class ResultsUnusable(Exception):
    """The file is not what this version writes; the message says what is wrong."""


@dataclass(frozen=True)
class Figure:
    """How many times as much `subject` took as `baseline`."""

    section: str
    quantity: str
    subject: str
    baseline: str
    ratio: Spread
    unit: str
    absolute: float  # of the subject
    beside: float  # of the baseline
    remark: str = ""

    @property
    def key(self) -> str:
        return f"{self.section}/{self.quantity}/{self.subject}/{self.baseline}"


@dataclass(frozen=True)
class Results:
    """One run, or several whose sections were put together, each with where and when it was measured."""

    figures: tuple[Figure, ...]
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)  # by section: machine, date, command, versions
    aims: tuple[Aim, ...] = AIMS

    def figure(self, key: str) -> Figure | None:
        return next((figure for figure in self.figures if figure.key == key), None)

    def merged(self, newer: Results) -> Results:
        """With the sections of `newer` in place of the same ones here."""
        kept = [figure for figure in self.figures if figure.section not in newer.runs]
        return Results((*kept, *newer.figures), {**self.runs, **newer.runs}, newer.aims)


def paired(
    section: str,
    quantity: str,
    unit: str,
    values: Mapping[str, Sequence[float]],
    baseline: str,
    remarks: Mapping[str, str] | None = None,
) -> Iterable[Figure]:
    """A figure for every stack, the rounds of each set against those of the baseline."""
    if baseline not in values:
        return
    beside = ratios.median(values[baseline])
    for subject, taken in values.items():
        ratio, remark = ratios.compare(taken, values[baseline]), (remarks or {}).get(subject, "")
        yield Figure(section, quantity, subject, baseline, ratio, unit, ratios.median(taken), beside, remark)


def single(
    section: str, quantity: str, subject: str, baseline: str, unit: str, absolute: float, beside: float, n: int = 1
) -> Figure:
    """A figure that has no rounds: a size, or a percentile of all calls."""
    ratio = absolute / beside
    return Figure(section, quantity, subject, baseline, Spread(ratio, ratio, ratio, n), unit, absolute, beside)


def dumps(results: Results) -> str:
    document = {
        "schema": SCHEMA,
        "aims": [asdict(aim) for aim in results.aims],
        "runs": results.runs,
        "figures": [{"key": figure.key, **_rounded(asdict(figure))} for figure in results.figures],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def loads(text: str) -> Results:
    """Raises `ResultsUnusable`."""
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise ResultsUnusable(f"schema is {document['schema']!r}, and this version reads {SCHEMA}")
        figures = tuple(_figure(entry) for entry in document["figures"])
        aims = tuple(Aim(**aim) for aim in document["aims"])
        runs = dict(document["runs"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsUnusable(f"not a file of results: {type(error).__name__}: {error}") from None
    for entry, figure in zip(document["figures"], figures, strict=True):
        if entry["key"] != figure.key:
            raise ResultsUnusable(f"{entry['key']} names a figure that is {figure.key}")
        if figure.section not in runs:
            raise ResultsUnusable(f"{figure.key} belongs to a section of which nothing is said")
        if not figure.ratio.p10 <= figure.ratio.median <= figure.ratio.p90:
            raise ResultsUnusable(f"{figure.key}: its median lies outside of its spread")
    if len({figure.key for figure in figures}) != len(figures):
        raise ResultsUnusable("a figure is there twice")
    return Results(figures, runs, aims)


def read(path: Path) -> Results:
    """Raises `ResultsUnusable`, also where there is no file."""
    try:
        return loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsUnusable(f"there is no {path.name}; make one: make bench") from None


def _figure(entry: dict[str, Any]) -> Figure:
    fields = {name: value for name, value in entry.items() if name != "key"}
    ratio = Spread(**fields.pop("ratio"))
    if not all(isinstance(value, int | float) for value in (ratio.median, ratio.p10, ratio.p90, ratio.n)):
        raise TypeError("a ratio is not a number")
    return Figure(**fields, ratio=ratio)


def _rounded(value: Any) -> Any:
    """Four digits that count: more would claim a precision that no run has."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items() if not (name == "remark" and not entry)}
    return value
