"""Plan a rotation or a minting: is a new token due, and which old ones have had their overlap? No I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mcp_faas.generations import Entry, Generations
from mcp_faas.planning.sequences import hold, introduce, is_held, is_kept, refresh, remove
from mcp_faas.planning.vocabulary import KEPT, Due, Intent, Mint, Plan, Policy, Progress, Rotate, Step, full
from mcp_faas.tokens import MAX_TOKENS, TokenDocument, marks


def plan_renewal(
    intent: Rotate | Mint, document: TokenDocument, now: datetime, policy: Policy, progress: Progress
) -> Plan:
    sorted_ = Generations(document)
    overdue = _overdue(sorted_, now, policy)
    leftover = _leftover(sorted_, now, policy, progress)
    # one new token a run: what was handed out a moment ago is not replaced, however small the age
    introduced = any(said.delivered is None for token in progress.delivered if (said := marks(token.name)))
    begin = not sorted_.pending and not introduced and _must_begin(intent, sorted_, now, policy)
    steps = hold(sorted_, now, policy, progress)
    retiring = isinstance(intent, Rotate)
    if sorted_.pending and policy.delivering:
        steps += introduce(sorted_.pending.token, policy, progress)
    at_limit = len(document.tokens) >= MAX_TOKENS
    room = [*(overdue if sorted_.current else []), *leftover]
    begin = begin and not (at_limit and retiring and room)  # room is made first
    if begin:
        if at_limit:
            raise full(len(document.tokens))
        steps += [Step("add"), *(introduce(None, policy, progress) if policy.delivering else [])]
    elif sorted_.current and not sorted_.pending:
        steps += refresh(sorted_.current.token, policy, progress)
    if retiring:
        on_its_way = policy.delivering and (begin or sorted_.pending)
        in_use = None if on_its_way else sorted_.current
        newer = begin or sorted_.pending or sorted_.current
        ending = [entry for entry in overdue if newer and not is_held(sorted_, entry, now, policy, progress)]
        steps += _retire(in_use, ending, leftover, now, policy, progress)
    return Plan(tuple(steps), tuple(_upcoming(sorted_, now, policy, progress, begin or bool(sorted_.pending))))


def due_later(document: TokenDocument, now: datetime, policy: Policy, progress: Progress) -> tuple[Due, ...]:
    """What the rotations after this moment find to do."""
    sorted_ = Generations(document)
    return tuple(_upcoming(sorted_, now, policy, progress, bool(sorted_.pending)))


def _must_begin(intent: Intent, sorted_: Generations, now: datetime, policy: Policy) -> bool:
    if sorted_.current is None or isinstance(intent, Mint):
        return True
    said = sorted_.current.marks
    return said.revoked is not None or now - said.created >= policy.max_age


def _retire(
    in_use: Entry | None,
    overdue: list[Entry],
    leftover: list[Entry],
    now: datetime,
    policy: Policy,
    progress: Progress,
) -> list[Step]:
    """`in_use` is the token that must be seen to work before another one goes; None: it is proven on its way in."""
    steps = []
    if overdue and policy.probing and in_use and in_use.token.data not in progress.proven:
        steps.append(Step("prove", in_use.token))
    for entry in overdue:
        steps += [Step("disable", entry.token), *remove(entry, now, policy, progress)]
    for entry in leftover:
        steps += remove(entry, now, policy, progress)
    return steps


def _overdue(sorted_: Generations, now: datetime, policy: Policy) -> list[Entry]:
    """Enabled tokens whose overlap is over."""
    return [entry for entry in sorted_.superseded if _overlap_is_over(sorted_, entry, now, policy)]


def _leftover(sorted_: Generations, now: datetime, policy: Policy, progress: Progress) -> list[Entry]:
    """Disabled tokens to delete: those that this tool disabled, and others once their overlap would be over."""
    return [
        entry
        for entry in sorted_.disabled
        if entry.token.data not in progress.unrefused
        and (entry.marks.disabled or _overlap_is_over(sorted_, entry, now, policy))
    ]


def _overlap_is_over(sorted_: Generations, entry: Entry, now: datetime, policy: Policy) -> bool:
    since = sorted_.superseded_at(entry)
    return since is not None and now - since >= policy.overlap


def _upcoming(
    sorted_: Generations, now: datetime, policy: Policy, progress: Progress, replacing: bool
) -> Iterable[Due]:
    for entry in sorted_.superseded:
        since = sorted_.superseded_at(entry)
        if since and now - since < policy.overlap:
            yield Due("disable", entry.token.name, since + policy.overlap)
    for entry in sorted_.disabled:
        if entry.token.data in progress.unrefused:
            yield Due("delete", entry.token.name, None)
        elif is_kept(entry, now, policy) and entry.marks.disabled:
            yield Due("delete", entry.token.name, entry.marks.disabled + KEPT)
    if sorted_.pending and not policy.delivering:
        yield Due("deliver", sorted_.pending.token.name, None)
    if sorted_.current and not replacing:
        yield Due("add", sorted_.current.token.name, sorted_.current.marks.created + policy.max_age)
