"""How the short form judges: against what was recorded, with its noise, and not at the first suspicion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import short
from benchmarks.short import Bound, Ratios

BOUNDS = {"cold": Bound(0.5, 0.1, 12)}


@pytest.mark.parametrize(
    ("values", "asked", "red"),
    [
        ((0.5,), 1, False),
        ((0.549,), 1, False),
        ((0.6, 0.54), 2, False),
        ((0.6, 0.9, 0.55), 3, False),
        ((0.6, 0.56, 0.9), 3, True),
        ((9.0, 9.0, 9.0), 3, True),
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


def test_on_another_processor_the_bounds_are_wide(tmp_path: Path) -> None:
    bound = {"recorded": 0.5, "noise": 0.1, "runs": 12}
    path = tmp_path / "short.json"
    path.write_text(json.dumps({"processor": "this one", "bounds": {"cold": bound}}))
    assert short.recorded("this one", path)["cold"].most == pytest.approx(0.55)
    assert short.recorded("another", path)["cold"].most == pytest.approx(0.75)
