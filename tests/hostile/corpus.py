"""The corpus: every family together. `corpus.tsv` beside it names each case with the answer that it must get."""

from __future__ import annotations

from collections.abc import Iterator

from hostile.case import Case, EventCase, World
from hostile.families import aws_events, claims, cross_type, fc_events, header, http, keys, messages, signature, text

FAMILIES = {
    "text": text,
    "header": header,
    "claims": claims,
    "cross-type": cross_type,
    "keys": keys,
    "signature": signature,
    "http": http,
    "messages": messages,
}


def cases(world: World) -> Iterator[Case]:
    """Requests, for every way in."""
    for family in FAMILIES.values():
        yield from family.cases(world)


def event_cases(world: World) -> Iterator[EventCase]:
    """Events, for the handler of their platform alone."""
    yield from aws_events.cases(world)
    yield from fc_events.cases(world)
