"""What calls cost, from the figures of other sections. Pure; nothing is measured for it."""

from __future__ import annotations

from benchmarks import cost
from benchmarks.peers import AWSLABS, FASTMCP, FLOOR, JWT, PLATFORM, SDK
from benchmarks.results import Figure, Results, single


def of(results: Results) -> list[Figure]:
    """What a million calls cost, from the cold and the warm figures of a run; nothing is measured for it."""
    figures = []
    names = (JWT.name, PLATFORM.name, SDK.name, FASTMCP.name, AWSLABS.name, FLOOR.name)
    for tool_ms in cost.TOOL_MILLISECONDS:
        for share in cost.COLD_SHARES:
            billed = {}
            for name in names:
                call = results.figure(f"warm/p50 modern async 10 tools/{name}/{SDK.name}")
                start = results.figure(f"cold/wall/{name}/{SDK.name}")
                if call is None or start is None:
                    return []
                billed[name] = cost.billed_seconds(call.absolute / 1000, tool_ms, start.absolute, share)
            quantity = f"billed for a million calls of {tool_ms} ms, {share:.0%} cold"
            figures += [single("cost", quantity, name, SDK.name, "s", billed[name], billed[SDK.name]) for name in names]
    return figures
