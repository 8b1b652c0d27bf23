"""What docs/artifacts.md says is left out is the list that the builder reads."""

from __future__ import annotations

import re

from artifacts.unused import EVERYTHING, ROWS
from support.projects import ROOT

PAGE = (ROOT / "docs/artifacts.md").read_text()


def test_the_table_is_the_list() -> None:
    table = PAGE.partition("| of | left out | why | artifacts |")[2].partition("\n\n")[0]
    told = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table.splitlines()[2:]]
    assert told == [
        (
            f"`{row.distribution}`",
            "everything" if row.files == EVERYTHING else " ".join(f"`{pattern}`" for pattern in row.files),
            row.why,
            ", ".join(row.artifacts),
        )
        for row in ROWS
    ]


def test_the_way_out_that_the_page_shows_is_one() -> None:
    """`tests/scripts/artifacts/test_stripping.py` has the string in a file of the user's; this is the page's own."""
    (shown,) = re.findall(r"^NEEDED = \"(\w+)\"", PAGE, re.MULTILINE)
    assert shown in {row.distribution for row in ROWS if row.takes_all}
