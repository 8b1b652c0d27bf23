"""Everything hostile, through every way in: refused with the exact answer, noted once, and no tool is reached.

`corpus.tsv` is the list of all cases with the answer that each must get. It was written before the function was asked,
and changes only by hand or with `python -m hostile.listing`, whose difference is to be read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from hostile.canary import REACHED
from hostile.case import Case, EventCase, World
from hostile.checks import complaints, decisions_by_call, leaks
from hostile.corpus import FAMILIES, cases, event_cases
from hostile.listing import LISTING, listing
from hostile.ways_in import WAYS, Answer, WayIn, aws_context, fc_context, function, load, of_function
from support.jwts import RESOURCE

LEAST_CASES = 1000


@cache
def corpus(resource: str) -> dict[tuple[str, str], list[Case]]:
    """The requests by family and profile, made for one public URL."""
    sorted_out: dict[tuple[str, str], list[Case]] = {}
    for case in cases(World(resource)):
        sorted_out.setdefault((case.family, case.profile), []).append(case)
    return sorted_out


@pytest.fixture(autouse=True)
def nothing_was_reached_yet() -> None:
    REACHED.clear()


def test_the_list_is_what_is_tested() -> None:
    assert LISTING.read_text(encoding="utf-8") == listing()


def test_there_are_enough_cases_and_each_has_a_name_of_its_own() -> None:
    rows = [line.split("\t") for line in LISTING.read_text(encoding="utf-8").splitlines()[1:]]
    assert len(rows) >= LEAST_CASES
    assert not [name for name, number in Counter(row[0] for row in rows).items() if number > 1]
    assert all(row[1] for row in rows), "each says where it comes from"
    sources = {source for row in rows for source in row[1].split(" ")}
    # What a bare `jwt.decode` lets through, and the RFCs' rules for a resource server: none without a case.
    assert sources >= {f"P{number}" for number in range(1, 18)}
    assert sources >= {
        *(f"6750-{rule}" for rule in range(1, 6)),
        *(f"8725-3.{rule}" for rule in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12)),
    }
    assert sources >= {"9068-2.1", "9068-2.2", "9449", "9700-4.13"}
    assert not [row for row in rows if not 200 <= int(row[2].split(" ")[0]) < 500]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_case_gets_its_answer(way: WayIn, family: str) -> None:
    tried, wrong = 0, []
    for (of_family, profile), chosen in corpus(way.resource).items():
        if of_family != family:
            continue
        sent = [case for case in chosen if case.expected(way.transport) is not None]
        with function(way.environment(profile)) as output, way.open() as ask:
            answers = ask([(f"r-{number}", case.request) for number, case in enumerate(sent)])
        decisions = decisions_by_call(output.lines)
        for number, (case, answer) in enumerate(zip(sent, answers, strict=True)):
            wrong += _complaints(case, answer, decisions.get(f"r-{number}", []), way)
        wrong += leaks(output.lines, [value for case in sent for _, value in case.request.headers])
        unknown = set(decisions) - {f"r-{number}" for number in range(len(sent))}
        wrong += [f"an audit line of no call: {decisions[identity]}" for identity in unknown]
        tried += len(sent)
    assert not wrong, "\n".join(wrong)
    assert tried >= 100
    assert not REACHED


def _complaints(case: Case, answer: Answer, decisions: Sequence[Mapping[str, Any]], way: WayIn) -> list[str]:
    expect = case.expected(way.transport)
    assert expect is not None
    head = case.request.method == "HEAD" and way.transport == "http"
    return [f"{case.id}: {what}" for what in complaints(expect, answer, decisions, way.resource, head=head)]


@pytest.mark.parametrize("platform", ["aws", "fc"])
def test_every_event_gets_its_answer(platform: str) -> None:
    way = next(way for way in WAYS if way.name == {"aws": "aws-http-api", "fc": "fc-event"}[platform])
    chosen: list[EventCase] = [case for case in event_cases(World(RESOURCE)) if case.platform == platform]
    wrong = []
    with function(way.environment()) as output:
        handler = load("aws_lambda" if platform == "aws" else "alibaba_fc").handler
        for number, case in enumerate(chosen):
            context = (aws_context if platform == "aws" else fc_context)(f"r-{number}")
            answer = of_function(json.loads(json.dumps(handler(case.event, context))))
            decisions = decisions_by_call(output.lines).get(f"r-{number}", [])
            wrong += [f"{case.id}: {what}" for what in complaints(case.expect, answer, decisions, way.resource)]
            output.stdout.truncate(0)
            output.stdout.seek(0)
        lines = output.lines
    assert not wrong, "\n".join(wrong)
    assert len(chosen) >= 100
    assert leaks(lines, [World(RESOURCE).token()]) == []
    assert not REACHED
