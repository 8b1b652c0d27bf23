"""The list of the corpus, one row for each case. `python -m hostile.listing` in tests/ writes it anew."""

from __future__ import annotations

from pathlib import Path

from hostile.case import Case, EventCase, World
from hostile.corpus import cases, event_cases
from support.jwts import RESOURCE

LISTING = Path(__file__).with_name("corpus.tsv")
HEAD = "case\tsource\tstatus, error, reason\telsewhere"


def listing() -> str:
    """All rows: the case, where it comes from, its answer, and on which transport the answer is another."""
    world = World(RESOURCE)
    rows = [HEAD]
    every: list[Case | EventCase] = [*cases(world), *event_cases(world)]
    for case in every:
        exceptions = case.exceptions if isinstance(case, Case) else {}
        elsewhere = "; ".join(f"{where}: {other or 'not expressible'}" for where, other in exceptions.items())
        rows.append(
            "\t".join((case.id.encode("unicode_escape").decode(), case.source, str(case.expect), elsewhere)).rstrip(
                "\t"
            )
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    LISTING.write_text(listing(), encoding="utf-8")
