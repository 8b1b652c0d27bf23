"""One examination from beginning to end: the order in which the first failure explains the later ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from diagnosis import browsers, challenges, holder, hostile, issuers, metadata, presence, strangers, surroundings
from diagnosis.checks import Check, Redactor, could_not_tell
from diagnosis.endpoint import Endpoint
from diagnosis.rules import RULES

Progress = Callable[[str], None]


class NoAnswer(Exception):
    """Nothing at the URL answers; the text says what happened."""


def examine(endpoint: Endpoint, *, forbidden_tool: str = "", progress: Progress = lambda _: None) -> Iterator[Check]:
    """One check for each rule, without a secret in it. Raises `NoAnswer` before the first, `TimeIsUp` when late."""
    first = endpoint.post(note="initialize, no token")
    if first.status is None:
        first = endpoint.post(note="initialize, no token")  # a cold start may have taken the time
    if first.status is None:
        raise NoAnswer(first.why)
    redactor = Redactor()
    for check in _checks(endpoint, forbidden_tool):
        progress(check.id)
        redactor.learn([endpoint.token, *endpoint.canaries])
        yield redactor.clean(check)


def _checks(endpoint: Endpoint, forbidden_tool: str) -> Iterator[Check]:
    endpoint.stranger = endpoint.replies[-1]
    endpoint.challenges = challenges.read(endpoint.stranger)
    sources = metadata.look(endpoint)
    strangers.find_kind(endpoint)
    yield from presence.examine(endpoint)
    if endpoint.kind == "none":
        return
    yield from strangers.examine(endpoint)
    yield from challenges.examine(endpoint)
    yield from metadata.examine(endpoint, sources)
    yield from issuers.examine(endpoint)
    yield from hostile.examine(endpoint)
    yield from surroundings.examine(endpoint)
    yield from browsers.examine(endpoint)
    yield from holder.examine(endpoint, forbidden_tool)
    yield holder.static_beside_metadata(endpoint)
    yield from surroundings.examine_all(endpoint)


def in_order(checks: list[Check], *, late: str) -> list[Check]:
    """As the table has them; what a run that ended early did not come to is said."""
    found = {check.id: check for check in checks}
    if late:
        for id_ in RULES:
            found.setdefault(id_, could_not_tell(id_, f"the run did not come to it: {late}"))
    return [found[id_] for id_ in RULES if id_ in found]
