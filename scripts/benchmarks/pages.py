"""The pages that show figures: writes their tables, or says which of them differ from results.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import results, table
from benchmarks.aims import AIMS
from benchmarks.results import Results, ResultsUnusable

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs/bench/results.json"
PAGES: dict[Path, Callable[[Results], str]] = {
    ROOT / "README.md": table.comparison,
    ROOT / "docs/bench/README.md": table.aims,
}
AGAIN = "run: .venv/bin/python scripts/bench.py --table"


def write(found: Results) -> None:
    """Raises `MarksMissing`."""
    for page, made in PAGES.items():
        page.write_text(table.spliced(page.read_text(encoding="utf-8"), made(found)), encoding="utf-8")


def complaints() -> Iterator[str]:
    """One sentence for each thing that is not as results.json says, or for what is wrong with that file itself."""
    try:
        found = results.read(RESULTS)
    except ResultsUnusable as error:
        yield f"{RESULTS.relative_to(ROOT)}: {error}"
        return
    if found.aims != AIMS:
        yield f"{RESULTS.relative_to(ROOT)} was measured for other aims than those in scripts/benchmarks/aims.py"
    for aim in AIMS:
        if found.figure(aim.figure) is None:
            yield f"{RESULTS.relative_to(ROOT)} has no {aim.figure}"
    for page, made in PAGES.items():
        text = page.read_text(encoding="utf-8")
        try:
            if table.spliced(text, made(found)) != text:
                yield f"{page.relative_to(ROOT)} does not show what results.json says; {AGAIN}"
        except table.MarksMissing as error:
            yield f"{page.relative_to(ROOT)}: {error}"
