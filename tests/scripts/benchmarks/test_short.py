"""How the short form judges: against what was recorded, with its noise, and not at the first suspicion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import cold, machine, pages, results, short, token_check
from benchmarks.aims import AIMS
from benchmarks.peers import JWT, PLAIN, SDK
from benchmarks.short import Bound, Ratios

SHORT_FORM = pages.ROOT / "docs/bench/README.md"
BOUNDS = {"cold": Bound(0.5, 0.1, 12)}


@pytest.mark.parametrize(
    ("values", "asked", "red"),
    [
        ((0.5,), 1, False),
        ((0.549,), 1, False),
        ((0.6, 0.54), 2, False),
        ((0.6, 0.9, 0.55), 3, False),
        ((0.6, 0.9, 0.7, 0.7, 0.55), 5, False),
        ((0.6, 0.56, 0.9, 0.9, 0.9), 5, True),
        ((9.0, 9.0, 9.0, 9.0, 9.0), 5, True),
    ],
)
def test_a_ratio_is_red_only_when_every_attempt_is_above(values: tuple[float, ...], asked: int, red: bool) -> None:
    left = list(values)

    def measure() -> Ratios:
        return {"cold": left.pop(0)}

    found = short.complaints(measure, BOUNDS)
    assert (bool(found), len(left)) == (red, len(values) - asked)
    if red:
        assert f"cold is {min(values):.3f}x; 0.500x was recorded with a noise of 10%" in found[0]


def test_each_ratio_has_its_own_best_attempt() -> None:
    rounds = [{"a": 9.0, "b": 1.0}, {"a": 1.0, "b": 9.0}]
    bounds = {"a": Bound(1.0, 0.1, 12), "b": Bound(1.0, 0.1, 12)}
    assert short.complaints(lambda: rounds.pop(0), bounds) == []


def test_what_was_never_recorded_is_red_at_once() -> None:
    assert "never recorded" in short.complaints(lambda: {"new": 1.0}, BOUNDS)[0]


def test_noise_is_how_far_the_worst_run_lay_above_the_median() -> None:
    runs = [{"cold": value, "warm": 1.0} for value in (0.4, 0.5, 0.5, 0.5, 0.6)]
    assert short.bounds_of(runs) == {"cold": Bound(0.5, 0.2, 5), "warm": Bound(1.0, short.LEAST_NOISE, 5)}


def test_wall_time_has_more_noise_than_what_was_seen(tmp_path: Path) -> None:
    """A host that takes the processor away is in wall time alone."""
    runs = [{"warm, cpu": value, "warm, wall": value} for value in (0.5, 0.5, 0.6)]
    assert {name: bound.noise for name, bound in short.bounds_of(runs).items()} == {
        "warm, cpu": 0.2,
        "warm, wall": 0.25,
    }
    bound = {"recorded": 0.5, "noise": 0.2, "runs": 12}
    path = tmp_path / "short.json"
    path.write_text(json.dumps({"processor": "this", "bounds": {"warm, cpu": bound, "warm, wall": bound}}))
    most = {name: bound.most for name, bound in short.recorded("this", path).items()}
    assert most == pytest.approx({"warm, cpu": 0.6, "warm, wall": 0.625})


def test_memory_has_little_noise_and_is_measured_with_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {JWT.name: 110, SDK.name: 100, PLAIN.name: 125}
    starts = {name: cold.Start(1.0, 1.0, resident) for name, resident in used.items()}
    monkeypatch.setattr(cold, "rounds", lambda instances, count, warm_up: iter([starts] * count))
    found = short.Short(Path(), Path(), Path(), Path()).cold()
    names = [f"cold memory, to {name}" for name in (SDK.name, PLAIN.name)]
    assert [found[name] for name in names] == pytest.approx([1.1, 0.88])
    bounds = short.recorded(machine.processor())
    assert set(found) <= set(bounds)
    assert {short.bounds_of([found])[name].noise for name in names} == {short.LEAST_NOISE_OF_MEMORY}


def test_the_page_says_of_how_many_runs_the_bounds_are() -> None:
    entries = json.loads(short.RECORDED.read_text(encoding="utf-8"))["bounds"].values()
    page = SHORT_FORM.read_text(encoding="utf-8").partition("## The short form")[2]
    said = [int(number) for number in re.findall(r"\d+(?= runs)|(?<=--record )\d+", page + short.AGAIN)]
    assert len(said) >= 4
    assert {entry["runs"] for entry in entries} == set(said)
    assert f"best of {short.ATTEMPTS} attempts" in page


def test_no_recorded_token_check_is_above_an_aim_that_is_said_to_be_met() -> None:
    recorded = {name: bound.recorded for name, bound in short.recorded(machine.processor()).items()}
    measured = results.read(pages.RESULTS)
    aims = {aim.figure: aim.at_most for aim in AIMS}
    compared = 0
    for algorithm in token_check.ALGORITHMS:
        for kind, key in (("accept", "accept/door jwt/raw"), ("dearest refusal", "dearest refusal/door jwt/accept")):
            figure = f"token/{algorithm} {key}"
            found = measured.figure(figure)
            if found is not None and found.ratio.median <= aims[figure]:
                compared += 1
                assert recorded[f"token {algorithm}, {kind}"] <= aims[figure], figure
    assert compared or "token" not in measured.runs, "no aim of the token check is met, or its figures have other names"


def test_on_another_processor_the_bounds_are_wide(tmp_path: Path) -> None:
    bound = {"recorded": 0.5, "noise": 0.2, "runs": 12}
    path = tmp_path / "short.json"
    path.write_text(json.dumps({"processor": "this one", "bounds": {"cold": bound}}))
    assert short.recorded("this one", path)["cold"].most == pytest.approx(0.6)
    assert short.recorded("another", path)["cold"].most == pytest.approx(0.75)
