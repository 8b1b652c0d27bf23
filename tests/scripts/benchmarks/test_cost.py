"""What is billed: whole milliseconds of each call, and cold starts as long as they took."""

from __future__ import annotations

import pytest

from benchmarks import cost


@pytest.mark.parametrize(
    ("call", "tool", "cold", "share", "seconds"),
    [
        (0.5, 0, 800, 0, 1000),  # half a millisecond is billed as one
        (1.0, 0, 800, 0, 1000),
        (1.1, 0, 800, 0, 2000),
        (0.5, 100, 800, 0, 101_000),
        (0.5, 0, 800, 1, 800_000),
        (0.5, 0, 799.2, 0.01, 990 + 8000),
    ],
)
def test_billed_seconds(call: float, tool: float, cold: float, share: float, seconds: float) -> None:
    assert cost.billed_seconds(call, tool, cold, share) == pytest.approx(seconds)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError):
        cost.billed_seconds(1, 1, 1, share)
