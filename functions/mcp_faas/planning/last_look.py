"""The last look before a write: what must hold whatever was planned. It knows no planner, so that it can disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_faas.generations import Generations
from mcp_faas.planning.vocabulary import PlanRefused, full
from mcp_faas.tokens import MAX_TOKENS, DocumentError, TokenDocument, check_writable, is_ours, marks

_KNOWN = ("tokenName", "enable", "tokenData")


def check_step(before: TokenDocument, after: TokenDocument) -> None:
    """Raises PlanRefused, or DocumentError, where `after` must not be written over `before`."""
    ours_before = {token.data for token in before.tokens if is_ours(token)}
    if [t for t in before.tokens if t.data not in ours_before] != [t for t in after.tokens if not is_ours(t)]:
        raise PlanRefused("a token that this tool did not make would change")
    if _beside(before.rest, "tokens") != _beside(after.rest, "tokens"):
        raise PlanRefused("a setting beside the tokens would change")
    for token in before.tokens:
        then = after.holding(token.data)
        if then and _beside(token.entry, *_KNOWN) != _beside(then.entry, *_KNOWN):
            raise PlanRefused(f"a setting of {token.name} would change")
    if before.live() and not after.live():
        raise PlanRefused("no enabled token would be left")
    if len(after.tokens) > max(MAX_TOKENS, len(before.tokens)):  # one that is over-full may still change and shrink
        raise full(len(before.tokens))
    check_writable(after)


def continues(before: TokenDocument, after: TokenDocument) -> bool:
    """May `after` take the place of `before`, which may have changed since `after` was planned?

    It may if nothing of what `before` says is taken back: no foreign token, no mark, no state of ours.
    """
    try:
        check_step(before, after)
    except DocumentError:
        return False
    for token in before.tokens:
        said, then = marks(token.name), after.holding(token.data)
        if not is_ours(token) or said is None:
            continue
        if then is None:
            if token.enabled:
                return False
            continue
        later = marks(then.name)
        if later is None or (then.enabled and not token.enabled):
            return False
        if any(old and (new is None or new < old) for old, new in zip(said.times(), later.times(), strict=True)):
            return False
        if token.enabled and not then.enabled and (said.delivered, said.held) != (later.delivered, later.held):
            return False
    added = [entry for entry in Generations(after).all if before.holding(entry.token.data) is None]
    newest = Generations(before).newest_creation()
    return len(added) <= 1 and all(
        entry.marks.delivered is None and (newest is None or entry.marks.created > newest) for entry in added
    )


def _beside(read: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """What was read and is not understood."""
    return {key: value for key, value in read.items() if key not in known}
