"""Judge a visit from what the client said and what the wire showed. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.header_proxy import Exchange
from clients.visits import ANSWERS, TOOL, Outcome, Visit

MODERN = "2026-07-28"
REFUSALS = (401, 403)


def guarded(exchange: Exchange) -> bool:
    """Is this a request to what the door guards? Clients also look for metadata and for a place to register."""
    return exchange.path in ("/mcp", "/sse") or exchange.path.startswith("/messages")


def complaints_of_a_guest(visit: Visit, outcome: Outcome, wire: Sequence[Exchange]) -> Iterator[str]:
    """What went wrong for a client with a good token."""
    if outcome.error is not None:
        yield outcome.error
        return
    if TOOL["name"] not in outcome.tools:
        yield f"listed {', '.join(outcome.tools) or 'nothing'}, and not {TOOL['name']}"
    if outcome.answer not in ANSWERS:
        yield f"{TOOL['name']} answered {outcome.answer}, and not {ANSWERS[0]}"
    if outcome.scoped is None or all(exchange.status != 403 for exchange in wire):
        yield "a tool beyond the token's scopes was not refused with 403"
    spoken = versions(wire)
    if (MODERN in spoken) != visit.modern and visit.transport == "http":
        yield f"spoke {', '.join(spoken) or 'no version'} where {visit.era} was asked for"


def complaints_of_a_stranger(outcome: Outcome, wire: Sequence[Exchange]) -> Iterator[str]:
    """What went wrong for a client without a token, which has to be refused, and to notice it."""
    calls = [exchange for exchange in wire if guarded(exchange)]
    if outcome.error is None:
        yield "was let in without a token"
    # Who asks for two things at once and is refused the first may hang up on the second; all of them it may not.
    answered = [exchange for exchange in calls if exchange.status]
    if not calls:
        yield "never asked without a token"
    elif not answered:
        yield "was never answered without a token"
    for exchange in calls:
        if exchange.authorized:
            yield "had a token where it should have none"
    for exchange in answered:
        if exchange.status not in REFUSALS:
            yield f"without a token {exchange.method} {exchange.path} was answered {exchange.status}"


def versions(wire: Sequence[Exchange]) -> tuple[str, ...]:
    """The protocol versions that the client named in headers to the server; some name one to the metadata as well."""
    return tuple(sorted({exchange.version for exchange in wire if exchange.version and guarded(exchange)}))


def always_with_token(wire: Sequence[Exchange]) -> bool:
    """Did every request to the server carry the header?"""
    return all(exchange.authorized for exchange in wire if guarded(exchange))
