"""The sequences of steps that plans are put together from: hand a token out, bring a place up to date, take one away.

Whether any of it is due is not decided here. No I/O and no clock.
"""

from __future__ import annotations

from datetime import datetime

from mcp_faas.generations import Entry, Generations
from mcp_faas.planning.vocabulary import KEPT, Policy, Progress, Step
from mcp_faas.tokens import Token


def introduce(token: Token | None, policy: Policy, progress: Progress) -> list[Step]:
    """From stored to delivered. The order is the promise: nothing is handed out that was not proven."""
    steps = []
    data = token.data if token else ""
    if policy.settling and data not in progress.settled:
        steps.append(Step("settle", token))
    if policy.probing and data not in progress.proven:
        steps.append(Step("prove", token))
    if data not in (given.data for given in progress.delivered):
        steps.append(Step("deliver", token))
    return [*steps, Step("mark", token)]


def refresh(current: Token, policy: Policy, progress: Progress) -> list[Step]:
    """Bring the places where this run delivers up to date with a token that was delivered before."""
    if not progress.behind:
        return []
    proof = [Step("prove", current)] if policy.probing and current.data not in progress.proven else []
    return [*proof, Step("deliver", current)]


def hold(sorted_: Generations, now: datetime, policy: Policy, progress: Progress) -> list[Step]:
    """A client that is found with an old token had no overlap yet: it begins when it gets the newer one."""
    held = [entry for entry in sorted_.superseded if is_held(sorted_, entry, now, policy, progress)]
    return [Step("hold", entry.token) for entry in held]


def is_held(sorted_: Generations, entry: Entry, now: datetime, policy: Policy, progress: Progress) -> bool:
    """Was a client found with it? Who comes back with a revoked one later than an overlap does not keep it alive."""
    if entry.token.data not in progress.held:
        return False
    replaced, revoked = sorted_.replaced_at(entry), entry.marks.revoked
    return replaced is None or revoked is None or now < max(replaced, revoked) + policy.overlap


def remove(entry: Entry, now: datetime, policy: Policy, progress: Progress) -> list[Step]:
    if is_kept(entry, now, policy):
        return []
    return [*refusal(entry, policy, progress), Step("delete", entry.token)]


def refusal(entry: Entry, policy: Policy, progress: Progress) -> list[Step]:
    return [Step("refuse", entry.token)] if policy.probing and entry.token.data not in progress.refused else []


def is_kept(entry: Entry, now: datetime, policy: Policy) -> bool:
    """Must it stay, disabled, because a run under way could take its absence for a write that was lost?"""
    if not policy.settling or entry.marks.revoked is None:
        return False
    return entry.token.enabled or (entry.marks.disabled is not None and now - entry.marks.disabled < KEPT)
