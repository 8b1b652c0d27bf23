"""Write the measured part of docs/clients.md from a report. Judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs/clients.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"
PLACES = (("fc", "bearer"), ("fc", "jwt"), ("aws", "bearer"), ("aws", "jwt"))
WORDS_LIMIT = 110

Row = dict[str, Any]


def write(rows: Sequence[Row]) -> None:
    """Replace what stands between the two marks; the rest of the page is written by hand."""
    PAGE.write_text(replaced(PAGE.read_text(), rows))


def replaced(page: str, rows: Sequence[Row]) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", *measured(rows), END + after])


def measured(rows: Sequence[Row]) -> Iterator[str]:
    """The tables, line by line."""
    guests = by_client([row for row in rows if "refused" in row["seen"]])
    suites = [row for row in rows if row["client"] == "conformance"]
    places = [f"`{cloud}` `{door}`" for cloud, door in PLACES]
    yield "Let in, and the revision that its requests name (`yes`: none of them names one):\n"
    yield from table(["client", "mode", *places], ([*who, *let_in(found)] for who, found in guests))
    yield "What it does on the wire:\n"
    yield from table(
        ["client", "mode", "takes the token from", "sends it with", "asks for a stream", "looks for OAuth metadata"],
        ([*who, *habits(found)] for who, found in guests),
    )
    yield "What its user reads:\n"
    yield from table(
        ["client", "mode", "without a token", "403: a tool that needs a scope the token lacks"],
        ([*who, *words(found)] for who, found in guests),
    )
    yield "The conformance suite, against the recorded list of what cannot pass:\n"
    yield from table(
        ["suite", "revision", "cloud", "door", ""],
        ([row["version"], row["era"], row["cloud"], f"`{row['door']}`", mark(row)] for row in suites),
    )
    yield "What issuers of others bring to door `jwt`, and what the caller and the audit line hear:\n"
    yield from table(
        ["issuer", "what it brings", "`fc`", "`aws`"], issuers([row for row in rows if "cases" in row["seen"]])
    )


def by_client(rows: Sequence[Row]) -> list[tuple[list[str], dict[tuple[str, str], Row]]]:
    """Each client and mode once, with its row for each place."""
    found: dict[tuple[str, str], dict[tuple[str, str], Row]] = {}
    for row in rows:
        mode = row["era"] if row["transport"] == "http" else f"{row['era']}, SSE"
        places = found.setdefault((f"{row['client']} {row['version']}", mode), {})
        places[(row["cloud"], row["door"])] = row
    return [([*who], places) for who, places in sorted(found.items())]


def let_in(places: dict[tuple[str, str], Row]) -> Iterator[str]:
    for place in PLACES:
        row = places.get(place)
        yield "" if row is None else mark(row, ", ".join(row["seen"]["versions"]))


def mark(row: Row, good: str = "as recorded") -> str:
    return "**failed**" if row["problems"] else good or "yes"


def habits(places: dict[tuple[str, str], Row]) -> Iterator[str]:
    row = next(iter(places.values()))
    yield row["seen"]["token from"]
    always = all(place["seen"]["header always"] for place in places.values())
    yield "every request" if always else "not every request"
    wire = [line for place in places.values() for line in place["seen"]["wire"]]
    yield "yes, and goes on after the 405" if "GET /mcp 405" in wire else "no"
    yield ", ".join(dict.fromkeys(metadata_habit(place["seen"]["wire"]) for place in places.values()))


def metadata_habit(wire: Sequence[str]) -> str:
    first = next((number for number, line in enumerate(wire) if "/.well-known/" in line), None)
    if first is None:
        return "no"
    return "after a 403" if any(line.endswith(" 403") for line in wire[:first]) else "before it calls"


def words(places: dict[tuple[str, str], Row]) -> Iterator[str]:
    for what in ("refused", "scoped"):
        told: dict[str, list[str]] = {}
        for (cloud, door), row in sorted(places.items()):
            told.setdefault(plain(row["seen"][what] or ""), []).append(f"{cloud} {door}")
        if len(told) == 1:
            yield next(iter(told))
        else:
            yield "<br>".join(f"*{', '.join(where)}:* {said}" for said, where in told.items())


def plain(said: str) -> str:
    """A client's words in a table's cell: without addresses and paths, which differ from run to run."""
    said = re.sub(r"http://127\.0\.0\.1:\d+", "URL", " ".join(said.split()))
    said = re.sub(r"\S*/node_modules/\S* ?|\[\d+\] ", "", said)
    said = said if len(said) <= WORDS_LIMIT else said[: WORDS_LIMIT - 1] + "…"
    return said.replace("|", "\\|").replace("<", "&lt;").strip()


def issuers(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Each token, login and check once, with what came of it on each cloud."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        for case, heard in row["seen"]["cases"].items():
            clouds = found.setdefault((f"{row['client']} {row['version']}", case), {})
            clouds[row["cloud"]] = mark(row, heard)
    for who, clouds in found.items():
        yield [*who, *(clouds.get(cloud, "") for cloud in ("fc", "aws"))]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
