"""Plan what to do next with a token document, from (intent, document, now, policy, progress). No I/O and no clock.

The document is all the memory there is: age, order and state of our tokens are in their names and `enable`. A plan is
the list of steps that one run would take; whoever runs it takes the first, reads the document again, and plans anew.
Tokens that this tool did not make are counted and otherwise left alone. The rooms behind this door are in `planning`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mcp_faas.generations import Generations, find
from mcp_faas.planning.changes import apply, new_token_time
from mcp_faas.planning.last_look import check_step, continues
from mcp_faas.planning.renewal import due_later, plan_renewal
from mcp_faas.planning.vocabulary import (
    WRITES,
    Action,
    Due,
    Intent,
    Mint,
    Plan,
    PlanRefused,
    Policy,
    Progress,
    Revoke,
    Rollback,
    Rotate,
    Step,
)
from mcp_faas.planning.withdrawal import plan_revoke, plan_rollback
from mcp_faas.tokens import Token, TokenDocument, check_writable

__all__ = [
    "WRITES",
    "Action",
    "Due",
    "Intent",
    "Mint",
    "Plan",
    "PlanRefused",
    "Policy",
    "Progress",
    "Revoke",
    "Rollback",
    "Rotate",
    "Step",
    "apply",
    "check_step",
    "continues",
    "deliverable",
    "find",
    "new_token_time",
    "plan",
]

AHEAD_MOST = timedelta(days=1)  # of the clock that made a token before ours


def plan(intent: Intent, document: TokenDocument, now: datetime, policy: Policy, progress: Progress) -> Plan:
    """What this run would do with this document. Raises DocumentError where nothing may be written."""
    check_writable(document)
    _refuse_the_future(document, now)
    lost = _lost(document, progress) if policy.settling else None
    if lost:
        return Plan((Step("add", lost),))
    if isinstance(intent, Revoke):
        found = plan_revoke(intent, document, now, policy, progress)
        return _telling_what_is_due(found, document, now, policy, progress) if intent.at_once else found
    if isinstance(intent, Rollback):
        return _telling_what_is_due(plan_rollback(document, policy, progress), document, now, policy, progress)
    return plan_renewal(intent, document, now, policy, progress)


def _telling_what_is_due(
    found: Plan, document: TokenDocument, now: datetime, policy: Policy, progress: Progress
) -> Plan:
    """At the end of a withdrawal; before it, what is due is about to change."""
    if found.steps:
        return found
    return replace(found, due=tuple(dict.fromkeys((*found.due, *due_later(document, now, policy, progress)))))


def deliverable(intent: Intent, document: TokenDocument) -> Token | None:
    """The token that every place where this run delivers should hold now."""
    leaving = find(document, intent.name) if isinstance(intent, Revoke) and intent.at_once else None
    current = Generations(document, without=leaving.data if leaving else "").current
    return current.token if current else None


def _refuse_the_future(document: TokenDocument, now: datetime) -> None:
    """A name that is ahead of every clock would be the newest for ever: no age and no overlap would ever be over."""
    for entry in Generations(document).all:
        if max(filter(None, (entry.marks.created, *entry.marks.times()))) > now + AHEAD_MOST:
            raise PlanRefused(
                f"{entry.token.name} says a time that is more than a day ahead of now, {now:%Y-%m-%dT%H:%M:%SZ}. See "
                "that the clock is right; if it is, take that token out of the document by hand, where it is kept"
            )


def _lost(document: TokenDocument, progress: Progress) -> Token | None:
    """A token that this run has handed out and that somebody's write has lost: its clients must be let in again.

    Only a store without a compare-and-swap can lose one. Whoever takes a token away on purpose lets that be seen first.
    """
    gone = (token for token in progress.delivered if document.holding(token.data) is None)
    return next((token for token in gone if token.data not in progress.withdrawn), None)
