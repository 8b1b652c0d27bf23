"""What calls cost on a platform that bills by the millisecond. Pure; no prices: they differ by region and by month.

Billed is the whole duration of a call, rounded up to a millisecond, times the memory that the function is given. A cold
start is billed too, by both clouds.
"""

from __future__ import annotations

import math

CALLS = 1_000_000
TOOL_MILLISECONDS = (0, 10, 100, 1000)  # what the tool itself waits or computes
COLD_SHARES = (0.0, 0.01)  # of the calls that meet a new instance


def billed_seconds(call_ms: float, tool_ms: float, cold_ms: float, cold_share: float, calls: int = CALLS) -> float:
    """Seconds that are billed for so many calls; times the memory setting in GB they are GB-seconds."""
    if not 0 <= cold_share <= 1:
        raise ValueError(f"{cold_share} is no share")
    warm = math.ceil(call_ms + tool_ms) * (1 - cold_share)
    cold = math.ceil(cold_ms + tool_ms) * cold_share
    return (warm + cold) * calls / 1000
