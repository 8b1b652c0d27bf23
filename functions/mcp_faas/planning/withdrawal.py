"""Plan to take a token out of service, or to go back to the one before it. No I/O and no clock."""

from __future__ import annotations

from datetime import datetime

from mcp_faas.generations import Entry, Generations, find
from mcp_faas.planning.sequences import introduce, refresh, remove
from mcp_faas.planning.vocabulary import Plan, PlanRefused, Policy, Progress, Revoke, Step, full
from mcp_faas.tokens import MAX_TOKENS, Marks, TokenDocument, has_our_shape, is_ours, marks


def plan_revoke(intent: Revoke, document: TokenDocument, now: datetime, policy: Policy, progress: Progress) -> Plan:
    token = find(document, intent.name)
    if token is None:
        if has_our_shape(intent.name) or document.holding(intent.name):
            raise PlanRefused("that is a token's value, and this takes a name; `tokens.py list` shows the names")
        if marks(intent.name) is None:
            names = ", ".join(entry.name for entry in document.tokens) or "none"
            raise PlanRefused(f"there is no token {intent.name}; the document has: {names}")
        sorted_ = Generations(document)
        # an earlier run may have been stopped between adding the replacement and delivering it
        unfinished = sorted_.pending if intent.at_once and sorted_.current is None else None
        steps = introduce(unfinished.token, policy, progress) if unfinished else []
        return Plan(tuple(steps), note=f"{intent.name} is not in the document: nothing accepts it any more")
    if not is_ours(token):
        raise PlanRefused(f"{token.name} was not made by this tool; remove it where it was made")
    sorted_ = Generations(document)
    said = marks(token.name)
    if not intent.at_once:
        in_use = {entry.token.data for entry in (sorted_.current, sorted_.pending) if entry}
        if token.data not in in_use or (said and said.revoked):
            return Plan(note=f"{token.name} is on its way out already; --now ends it without waiting for the overlap")
        return Plan(
            (Step("revoke", token),), note="the next rotate replaces it and then retires it; --now ends it at once"
        )
    rest = Generations(document, without=token.data)
    steps = []
    if rest.current:
        steps += refresh(rest.current.token, policy, progress)
    elif rest.pending:
        steps += introduce(rest.pending.token, policy, progress)
    elif len(document.tokens) >= MAX_TOKENS:
        raise full(len(document.tokens))
    else:
        steps += [Step("add"), *introduce(None, policy, progress)]
    if token.enabled:
        steps.append(Step("disable", token))
    if token.data not in progress.unrefused:
        steps += remove(Entry(token, said or Marks(now, "")), policy, progress)
    return Plan(tuple(steps))


def plan_rollback(document: TokenDocument, policy: Policy, progress: Progress) -> Plan:
    sorted_ = Generations(document)
    current = sorted_.current
    if current is None:
        raise PlanRefused("no token of this tool was delivered yet, so there is nothing to go back to")
    newer = [entry for entry in sorted_.delivered if entry.marks.created > current.marks.created]
    if newer and not sorted_.pending:
        steps = refresh(current.token, policy, progress)
        if steps or progress.unmarked:
            steps.append(Step("mark", current.token))  # the overlap counts from the delivery
        return Plan(tuple(steps), note=f"{current.token.name} is the current token again since the last rollback")
    earlier = [entry for entry in sorted_.delivered if entry != current]
    target = current if sorted_.pending else max(earlier, key=lambda entry: entry.order, default=None)
    if target is None:
        raise PlanRefused(
            f"the overlap is over: {current.token.name} is the only delivered token that is still enabled. "
            "To replace it, run: tokens.py rotate --max-age 1s"
        )
    steps = [Step("prove", target.token)] if policy.probing and target.token.data not in progress.proven else []
    steps += [Step("return", target.token), Step("deliver", target.token), Step("mark", target.token)]
    return Plan(tuple(steps))
