"""results.json: what is written is read back, and what is not of this form is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.aims import AIMS
from benchmarks.ratios import Spread
from benchmarks.results import Figure, Results, ResultsUnusable

FIGURE = Figure("cold", "wall", "ours-jwt", "plain", Spread(0.4, 0.35, 0.5, 15), "ms", 400.0, 1000.0, "a remark")
RUN = {"date": "2026-11-22 10:00 UTC", "processor": "a processor", "cores": 2, "pythons": {"lambda": "3.13.0"}}
GOOD = Results((FIGURE,), {"cold": RUN})


def changed(**members: Any) -> str:
    document = json.loads(results.dumps(GOOD))
    document |= {name: value for name, value in members.items() if name in document}
    document["figures"][0] |= members.get("figure", {})
    return json.dumps(document)


def test_what_is_written_is_read_back() -> None:
    assert results.loads(results.dumps(GOOD)) == GOOD


def test_a_remark_that_is_empty_is_not_written() -> None:
    plain = Figure("cold", "wall", "floor", "plain", Spread(0.1, 0.1, 0.1, 1), "ms", 1.0, 10.0)
    assert "remark" not in json.loads(results.dumps(Results((plain,), {"cold": RUN})))["figures"][0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a file of results"),
        ("[]", "not a file of results"),
        ("{}", "schema"),
        (changed(schema=99), "schema is 99"),
        (changed(runs={}), "of which nothing is said"),
        (changed(figure={"key": "cold/cpu/ours-jwt/plain"}), "names a figure"),
        (changed(figure={"subject": "plain"}), "names a figure"),
        (changed(figure={"ratio": {"median": 0.4, "p10": 0.45, "p90": 0.5, "n": 15}}), "outside of its spread"),
        (changed(figure={"ratio": {"median": "0.4", "p10": 0.3, "p90": 0.5, "n": 15}}), "not a number"),
        (changed(figure={"ratio": {"median": 0.4}}), "not a file of results"),
        (changed(figure={"unknown": 1}), "not a file of results"),
    ],
)
def test_another_form_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ResultsUnusable, match=reason):
        results.loads(text)


def test_a_figure_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ResultsUnusable, match="twice"):
        results.loads(results.dumps(Results((FIGURE, FIGURE), {"cold": RUN})))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="make bench"):
        results.read(tmp_path / "results.json")


def test_a_later_run_replaces_its_own_sections_alone() -> None:
    size = Figure("size", "unzipped", "ours", "plain", Spread(0.9, 0.9, 0.9, 1), "MB", 36.0, 40.0)
    newer = Figure("cold", "wall", "ours-jwt", "plain", Spread(0.3, 0.3, 0.3, 1), "ms", 300.0, 1000.0)
    merged = Results((FIGURE, size), {"cold": RUN, "size": RUN}).merged(Results((newer,), {"cold": {"date": "later"}}))
    assert {figure.key: figure.ratio.median for figure in merged.figures} == {size.key: 0.9, newer.key: 0.3}
    assert merged.runs == {"cold": {"date": "later"}, "size": RUN}


def test_each_stack_is_set_against_the_baseline_of_its_round() -> None:
    values = {"ours": [1.0, 4.0], "plain": [2.0, 8.0]}
    ours, plain = results.paired("cold", "wall", "ms", values, "plain", {"plain": "slow"})
    assert (ours.ratio, ours.absolute, ours.beside) == (Spread(0.5, 0.5, 0.5, 2), 2.5, 5.0)
    assert (plain.ratio.median, plain.remark) == (1.0, "slow")
    assert list(results.paired("cold", "wall", "ms", values, "nobody")) == []


def test_each_aim_is_of_a_figure_by_itself() -> None:
    keys = [aim.figure for aim in AIMS]
    assert len(set(keys)) == len(keys)
    assert all(0 < aim.at_most <= 3 and aim.words for aim in AIMS)
