"""Plan to take a token out of service, or to go back to the one before it. No I/O and no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mcp_faas.generations import Entry, Generations, find
from mcp_faas.planning.sequences import introduce, refresh, refusal, remove
from mcp_faas.planning.vocabulary import KEPT, Due, Plan, PlanRefused, Policy, Progress, Revoke, Step
from mcp_faas.tokens import MAX_TOKENS, Token, TokenDocument, has_our_shape, is_ours, marks

_NO_SUCCESSOR = "Its clients have no other token of this tool: tokens.py rotate makes one when there is room"


def plan_revoke(intent: Revoke, document: TokenDocument, now: datetime, policy: Policy, progress: Progress) -> Plan:
    token = find(document, intent.name)
    if token is None:
        if has_our_shape(intent.name) or document.holding(intent.name):
            raise PlanRefused("that is a token's value, and this takes a name; `tokens.py list` shows the names")
        if marks(intent.name) is None:
            names = ", ".join(entry.name for entry in document.tokens) or "none"
            raise PlanRefused(f"there is no token {intent.name}; the document has: {names}")
        return _plan_finish(intent, document, policy, progress)
    said = marks(token.name)
    if not is_ours(token) or said is None:
        raise PlanRefused(f"{token.name} was not made by this tool; remove it where it was made")
    entry = Entry(token, said)
    if not intent.at_once:
        return _plan_mark(entry, Generations(document), progress)
    rest = Generations(document, without=token.data)
    steps = []
    if successor := _unrevoked(rest.current):
        steps += refresh(successor.token, policy, progress)
    elif rest.pending:
        steps += introduce(rest.pending.token, policy, progress)
    elif len(document.tokens) < MAX_TOKENS:
        steps += [Step("add"), *introduce(None, policy, progress)]
    elif document.without(token.data).live():  # to end it does not wait for room, and other clients are still let in
        found = _plan_end(entry, steps, now, policy, progress)
        return replace(found, note=f"{found.note or f'{token.name} goes'}. {_NO_SUCCESSOR}")
    else:
        raise _no_room(token, document)
    return _plan_end(entry, steps, now, policy, progress)


def plan_rollback(document: TokenDocument, policy: Policy, progress: Progress) -> Plan:
    sorted_ = Generations(document)
    current = sorted_.current
    if current is None:
        raise PlanRefused("no token of this tool was delivered yet, so there is nothing to go back to")
    newer = [entry for entry in sorted_.delivered if entry.marks.created > current.marks.created]
    if newer and not sorted_.pending:
        if current.marks.revoked:
            raise PlanRefused(
                f"{current.token.name}, the current token since the last rollback, is revoked and stays so",
                f"To replace {current.token.name}",
            )
        steps = refresh(current.token, policy, progress)
        if steps or progress.unmarked:
            steps.append(Step("mark", current.token))  # the overlap counts from the delivery
        return Plan(tuple(steps), note=f"{current.token.name} is the current token again")
    target = _rollback_target(sorted_, current)
    steps = [Step("prove", target.token)] if policy.probing and target.token.data not in progress.proven else []
    steps += [Step("return", target.token), Step("deliver", target.token), Step("mark", target.token)]
    return Plan(tuple(steps))


def _plan_end(entry: Entry, before: list[Step], now: datetime, policy: Policy, progress: Progress) -> Plan:
    """Disable it and delete it; without a compare-and-swap the deletion is left to a later run."""
    token, said = entry.token, entry.marks
    steps = [*before]
    if policy.settling and said.revoked is None:
        steps.append(Step("revoke", token))
    if token.enabled or (policy.settling and said.disabled is None):
        steps.append(Step("disable", token))
    if token.data in progress.unrefused:
        return Plan(tuple(steps))
    since = None if token.enabled else said.disabled
    if not policy.settling or (since and now - since >= KEPT):
        return Plan((*steps, *remove(entry, now, policy, progress)))
    steps += refusal(entry, policy, progress)
    due = (Due("delete", token.name, since + KEPT),) if since else ()
    note = "is disabled, and stays so for runs that are under way to see it. The next rotate after that deletes it"
    return Plan(tuple(steps), due, f"{token.name} {note}")


def _plan_finish(intent: Revoke, document: TokenDocument, policy: Policy, progress: Progress) -> Plan:
    """The token is gone; an earlier run may have been stopped between adding the replacement and delivering it."""
    sorted_ = Generations(document)
    unfinished = sorted_.pending if intent.at_once and _unrevoked(sorted_.current) is None else None
    steps = introduce(unfinished.token, policy, progress) if unfinished else []
    note = f"{intent.name} is not in the document: nothing accepts it any more"
    if intent.at_once and not steps and _unrevoked(sorted_.current) is None:
        note += f". {_NO_SUCCESSOR}"
    return Plan(tuple(steps), note=note)


def _plan_mark(entry: Entry, sorted_: Generations, progress: Progress) -> Plan:
    """Without haste: a mark now, the rest with the next rotations. The mark also keeps a rollback from returning."""
    name, said = entry.token.name, entry.marks
    if not entry.token.enabled:
        return Plan(note=f"{name} is disabled already; nothing is changed. The next rotate deletes it")
    follows = f"still opens the door: {_what_follows(entry, sorted_)}. To end it at once: revoke it with --now"
    if said.revoked is None and (said.delivered or entry == sorted_.pending):
        return Plan((Step("revoke", entry.token),), note=f"{name} {follows}")
    if said.revoked and not progress.revoked:
        return Plan(note=f"{name} was revoked before, at {_utc(said.revoked)}; nothing is changed. It {follows}")
    return Plan(note=f"{name} {follows}")


def _what_follows(entry: Entry, sorted_: Generations) -> str:
    since = sorted_.superseded_at(entry)
    if entry.marks.delivered is None:
        return "no place is given it any more, and rotate disables it when the overlap is over"
    if since is None:
        return "the next rotate replaces it, whatever its age, and disables it when the overlap after that is over"
    newer = f"its clients have a newer token since {_utc(since)}"
    return f"{newer}, and rotate disables it when the overlap after that is over"


def _rollback_target(sorted_: Generations, current: Entry) -> Entry:
    """The last delivered token that may become the current one again; a rotation under way is ended by the current."""
    enabled = [entry for entry in sorted_.delivered if sorted_.pending or entry != current]
    target = max(filter(_unrevoked, enabled), key=lambda entry: entry.order, default=None)
    if target is not None:
        return target
    if sorted_.pending:
        raise PlanRefused(
            f"{current.token.name} is revoked, so its replacement goes on",
            f"To finish the replacement of {current.token.name}",
        )
    if enabled:
        why = f"{max(enabled, key=lambda entry: entry.order).token.name} is revoked and stays so"
    elif len(sorted_.all) == 1:
        only = f"{current.token.name} is the only one of this tool in the document"
        why = f"there is no earlier token: {only}, and one whose overlap is over is deleted"
    else:
        why = f"the overlap is over: {current.token.name} is the only delivered token that is still enabled"
    raise PlanRefused(why, f"To replace {current.token.name}", ("--max-age", "1s"))


def _no_room(token: Token, document: TokenDocument) -> PlanRefused:
    """What somebody can do whose token has leaked, and who needs its replacement now."""
    foreign = any(not is_ours(other) for other in document.tokens)
    how = (
        "Remove a foreign token where it was made"
        if foreign
        else "Let rotate, with a shorter --overlap, delete old ones"
    )
    meanwhile = f"; meanwhile {token.name} is still good" if token.enabled else ""
    return PlanRefused(
        f"{token.name} needs a replacement first, and the document holds {len(document.tokens)} tokens, as many as a "
        f"trigger takes. {how}, then run this again{meanwhile}"
    )


def _unrevoked(entry: Entry | None) -> Entry | None:
    """A revoked token never becomes the current one again, however it came to be the newest that is left."""
    return entry if entry and not entry.marks.revoked else None


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
