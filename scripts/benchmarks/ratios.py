"""Pair ratios, medians and percentiles. Pure: numbers in, numbers out; no clock, no file, no process.

Two stacks are compared within a round, because this minute's machine is not that of the next: the ratio of a pair
drifts far less than either time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The middle of some numbers and where most of them lie."""

    median: float
    p10: float
    p90: float
    n: int


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the others lie, between two neighbours by straight line."""
    if not values:
        raise ValueError("no values")
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} is no percentage")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    # From below, so that the result never leaves the two neighbours by rounding.
    return min(ordered[low] + (ordered[high] - ordered[low]) * (place - low), ordered[high])


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), percentile(values, 10), percentile(values, 90), len(values))


def pair_ratios(subject: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """One ratio for each round. Both lists are of the same rounds, in the same order."""
    if len(subject) != len(baseline):
        raise ValueError(f"{len(subject)} rounds of one and {len(baseline)} of the other are no pairs")
    if any(value <= 0 for value in baseline):
        raise ValueError("a baseline that took no time has no ratio")
    return [one / other for one, other in zip(subject, baseline, strict=True)]


def compare(subject: Sequence[float], baseline: Sequence[float]) -> Spread:
    """How many times as much the subject took."""
    return spread(pair_ratios(subject, baseline))
