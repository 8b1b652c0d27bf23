"""What a step that writes makes of a document. Whether it should be taken is not asked here. No I/O and no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mcp_faas.generations import Generations
from mcp_faas.planning.vocabulary import WRITES, Step
from mcp_faas.tokens import TokenDocument, marks, whole_second

SECOND = timedelta(seconds=1)


def apply(step: Step, document: TokenDocument, now: datetime) -> TokenDocument:
    """The document after a step that writes."""
    token = step.token
    if token is None or step.action not in WRITES:
        raise ValueError(f"the step {step.action} writes nothing")
    if step.action == "add":
        return document.adding(token)
    if step.action == "delete":
        return document.without(token.data)
    said = marks(token.name)
    if said is None:
        raise ValueError(f"{token.name} is not a token of ours")
    if step.action == "disable":
        name = replace(said, disabled=whole_second(now)).name()
        return document.changing(token.data, name=name, enabled=False)
    # A server's Date is cut to the second, and so is a name: the next one is never too early, and no overlap too short.
    moment = whole_second(now) + SECOND
    if step.action == "hold":
        said = replace(said, held=moment)
    elif step.action == "revoke":
        said = replace(said, revoked=moment)
    else:
        said = replace(said, delivered=_after_all_deliveries(document, token.data, moment))
    document = document.changing(token.data, name=said.name(), enabled=token.enabled)
    return _without_pending(document, token.data) if step.action == "return" else document


def new_token_time(document: TokenDocument, now: datetime) -> datetime:
    """When a token that is minted now was made: always after the others, whatever the clocks of their makers said."""
    newest = Generations(document).newest_creation()
    return max(whole_second(now), newest + SECOND) if newest else whole_second(now)


def _after_all_deliveries(document: TokenDocument, data: str, moment: datetime) -> datetime:
    others = [entry.marks.delivered for entry in Generations(document, without=data).all if entry.marks.delivered]
    return max([moment, *(other + SECOND for other in others)])


def _without_pending(document: TokenDocument, target: str) -> TokenDocument:
    """A rollback ends a rotation that is under way: what it added counts as delivered long ago, and is retired."""
    while (pending := Generations(document).pending) and pending.token.data != target:
        name = replace(pending.marks, delivered=pending.marks.created).name()
        document = document.changing(pending.token.data, name=name, enabled=True)
    return document
