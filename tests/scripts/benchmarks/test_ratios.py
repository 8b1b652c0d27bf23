"""Pair ratios, medians and percentiles against values known by hand and against the standard library."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import ratios
from benchmarks.ratios import Spread

NUMBERS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 0, 7),
        ([7.0], 50, 7),
        ([7.0], 99.9, 7),
        ([1.0, 2.0], 50, 1.5),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.5),
        ([10.0, 20.0, 30.0, 40.0, 50.0], 10, 14),
        ([10.0, 20.0, 30.0, 40.0, 50.0], 90, 46),
        ([float(n) for n in range(101)], 99, 99),
        ([float(n) for n in range(1001)], 99.9, 999),
        ([5.0, 1.0, 9.0], 0, 1),
        ([5.0, 1.0, 9.0], 100, 9),
    ],
)
def test_a_percentile_by_hand(values: list[float], percent: float, expected: float) -> None:
    assert ratios.percentile(values, percent) == pytest.approx(expected)


@given(NUMBERS)
def test_the_median_is_that_of_the_standard_library(values: list[float]) -> None:
    assert ratios.median(values) == pytest.approx(statistics.median(values))


@given(st.lists(st.floats(0.001, 1e6), min_size=2, max_size=60))
def test_tenths_are_those_of_the_standard_library(values: list[float]) -> None:
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    assert [ratios.percentile(values, percent) for percent in range(10, 100, 10)] == pytest.approx(tenths)


@given(NUMBERS, st.floats(0, 100), st.floats(0, 100))
def test_a_higher_percentile_is_no_smaller_and_none_leaves_the_values(
    values: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    at = [ratios.percentile(values, percent) for percent in (0, low, high, 100)]
    assert at == sorted(at)
    assert (at[0], at[-1]) == (min(values), max(values))


def test_ratios_are_of_the_same_round() -> None:
    """The machine became twice as slow in the second round: the pairs do not see it, two medians would."""
    assert ratios.pair_ratios([1.0, 4.0, 1.5], [2.0, 8.0, 3.0]) == [0.5, 0.5, 0.5]
    assert ratios.compare([1.0, 4.0, 1.5], [2.0, 8.0, 3.0]) == Spread(0.5, 0.5, 0.5, 3)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.5, 2)), min_size=1, max_size=40), st.floats(0.1, 10))
def test_a_machine_that_changes_its_speed_changes_no_ratio(rounds: list[tuple[float, float]], factor: float) -> None:
    baseline = [taken * pace for taken, pace in rounds]
    found = ratios.compare([value * factor for value in baseline], baseline)
    assert (found.median, found.p10, found.p90) == pytest.approx((factor, factor, factor))


def test_the_spread_holds_most_of_the_pairs() -> None:
    found = ratios.compare([1.0, 2.0, 3.0, 4.0, 50.0], [1.0] * 5)
    assert (found.median, found.p10, found.p90, found.n) == pytest.approx((3.0, 1.4, 31.6, 5))


@pytest.mark.parametrize(
    ("subject", "baseline"), [([1.0], [1.0, 2.0]), ([1.0], [0.0]), ([], [])], ids=["rounds missing", "no time", "none"]
)
def test_what_has_no_ratio_is_refused(subject: list[float], baseline: list[float]) -> None:
    with pytest.raises(ValueError):
        ratios.compare(subject, baseline)


@pytest.mark.parametrize("percent", [-1, 100.1])
def test_a_percentage_out_of_range_is_refused(percent: float) -> None:
    with pytest.raises(ValueError):
        ratios.percentile([1.0], percent)
