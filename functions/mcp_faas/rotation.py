"""Plan what to do next with a token document, from (intent, document, now, policy, progress). No I/O and no clock.

The document is all the memory there is: age, order and state of our tokens are in their names and `enable`. A plan is
the list of steps that one run would take; whoever runs it takes the first, reads the document again, and plans anew.
Tokens that this tool did not make are counted and otherwise left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from mcp_faas.generations import Entry, Generations
from mcp_faas.tokens import (
    MAX_TOKENS,
    DocumentError,
    Marks,
    Token,
    TokenDocument,
    check_writable,
    has_our_shape,
    is_ours,
    marks,
    whole_second,
)

SECOND = timedelta(seconds=1)

Action = Literal["add", "settle", "prove", "deliver", "mark", "hold", "disable", "refuse", "delete", "revoke", "return"]

WRITES = ("add", "mark", "hold", "disable", "delete", "revoke", "return")

_WORDS: dict[str, str] = {
    "add": "add {}",
    "settle": "see that {} is still there when no older write can arrive any more",
    "prove": "prove that the door accepts {}",
    "deliver": "deliver {}",
    "mark": "note in the document that {} is delivered",
    "hold": "note in the document that a client still has {}, which restarts its overlap",
    "disable": "disable {}",
    "refuse": "prove that the door refuses {}",
    "delete": "delete {}",
    "revoke": "note in the document that {} is to be replaced",
    "return": "make {} the current token again",
}


class PlanRefused(DocumentError):
    """Nothing may be done here, and why; nothing was changed."""


@dataclass(frozen=True)
class Policy:
    """When a token is replaced, and how long the old one lives on."""

    max_age: timedelta = timedelta(days=30)
    overlap: timedelta = timedelta(hours=24)
    probing: bool = False  # is there a door to ask?
    settling: bool = False  # has the store no compare-and-swap?
    delivering: bool = True  # is there a place to deliver to? Else a new token waits for a run that has one


@dataclass(frozen=True)
class Rotate:
    """Replace the current token when it is old, and retire those before it."""


@dataclass(frozen=True)
class Mint:
    """Add a token now, whatever the age of the current one."""


@dataclass(frozen=True)
class Revoke:
    """Take one token out of service: with the next rotation, or at once."""

    name: str
    at_once: bool = False


@dataclass(frozen=True)
class Rollback:
    """Go back to the token before the current one."""


Intent = Rotate | Mint | Revoke | Rollback


@dataclass(frozen=True)
class Progress:
    """What this run has seen so far and the document cannot tell. Holds values, so it is never printed."""

    settled: frozenset[str] = field(default=frozenset(), repr=False)  # there for longer than a stale write may take
    proven: frozenset[str] = field(default=frozenset(), repr=False)  # accepted by the door
    refused: frozenset[str] = field(default=frozenset(), repr=False)  # refused by the door
    unrefused: frozenset[str] = field(default=frozenset(), repr=False)  # disabled, and the door has not noticed yet
    delivered: tuple[Token, ...] = field(default=(), repr=False)  # in every place where this run delivers
    held: frozenset[str] = field(default=frozenset(), repr=False)  # found where this run delivers, before it did
    unmarked: bool = False  # it delivered, and has not written that into the document since
    behind: bool = False  # a place where this run delivers does not hold the current token


@dataclass(frozen=True)
class Step:
    """One small thing to do to one token; `str` says it without a secret."""

    action: Action
    token: Token | None = None  # None: one that is still to be minted

    def __str__(self) -> str:
        return _WORDS[self.action].format(self.token.name if self.token else "a new token")


@dataclass(frozen=True)
class Due:
    """Something that a later run will do, and when."""

    action: Action
    name: str
    at: datetime | None  # None: when the door has noticed


@dataclass(frozen=True)
class Plan:
    """The steps that a run would take now, and what is due after it."""

    steps: tuple[Step, ...] = ()
    due: tuple[Due, ...] = ()
    note: str = ""


def plan(intent: Intent, document: TokenDocument, now: datetime, policy: Policy, progress: Progress) -> Plan:
    """What this run would do with this document. Raises DocumentError where nothing may be written."""
    check_writable(document)
    lost = _lost(intent, document, progress)
    if lost:
        return Plan((Step("add", lost),))
    if isinstance(intent, Revoke):
        return _plan_revoke(intent, document, now, policy, progress)
    if isinstance(intent, Rollback):
        return _plan_rollback(document, policy, progress)
    return _plan_rotate(intent, document, now, policy, progress)


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


def find(document: TokenDocument, name: str) -> Token | None:
    """The token of this name, or the one of ours that had this name before its marks changed."""
    for token in document.tokens:
        if token.name == name:
            return token
    said = marks(name)
    for token in document.tokens:
        other = marks(token.name)
        if said and other and said.same_token(other):
            return token
    return None


def check_step(before: TokenDocument, after: TokenDocument) -> None:
    """The last look before a write, independent of the planner: what must hold whatever was planned."""
    ours_before = {token.data for token in before.tokens if is_ours(token)}
    if [t for t in before.tokens if t.data not in ours_before] != [t for t in after.tokens if not is_ours(t)]:
        raise PlanRefused("a token that this tool did not make would change")
    if before.live() and not after.live():
        raise PlanRefused("no enabled token would be left")
    if len(after.tokens) > MAX_TOKENS:
        raise PlanRefused(_full(len(before.tokens)))
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


def _plan_rotate(
    intent: Rotate | Mint, document: TokenDocument, now: datetime, policy: Policy, progress: Progress
) -> Plan:
    sorted_ = Generations(document)
    overdue = _overdue(sorted_, now, policy)
    leftover = _leftover(sorted_, now, policy, progress)
    # one new token a run: what was handed out a moment ago is not replaced, however small the age
    introduced = any(said.delivered is None for token in progress.delivered if (said := marks(token.name)))
    begin = not sorted_.pending and not introduced and _must_begin(intent, sorted_, now, policy)
    steps = _hold(sorted_, progress)
    retiring = isinstance(intent, Rotate)
    if sorted_.pending and policy.delivering:
        steps += _introduce(sorted_.pending.token, policy, progress)
    full = len(document.tokens) >= MAX_TOKENS
    begin = begin and not (full and retiring and (overdue or leftover))  # room is made first
    if begin:
        if full:
            raise PlanRefused(_full(len(document.tokens)))
        steps += [Step("add"), *(_introduce(None, policy, progress) if policy.delivering else [])]
    elif sorted_.current and not sorted_.pending:
        steps += _refresh(sorted_.current.token, policy, progress)
    if retiring:
        on_its_way = policy.delivering and (begin or sorted_.pending)
        in_use = None if on_its_way else sorted_.current
        if begin or sorted_.pending or sorted_.current:
            steps += _retire(in_use, overdue, leftover, policy, progress)
    return Plan(tuple(steps), tuple(_upcoming(sorted_, now, policy, progress, begin or bool(sorted_.pending))))


def deliverable(intent: Intent, document: TokenDocument) -> Token | None:
    """The token that every place where this run delivers should hold now."""
    leaving = find(document, intent.name) if isinstance(intent, Revoke) and intent.at_once else None
    current = Generations(document, without=leaving.data if leaving else "").current
    return current.token if current else None


def _must_begin(intent: Intent, sorted_: Generations, now: datetime, policy: Policy) -> bool:
    if sorted_.current is None or isinstance(intent, Mint):
        return True
    said = sorted_.current.marks
    return said.revoked is not None or now - said.created >= policy.max_age


def _introduce(token: Token | None, policy: Policy, progress: Progress) -> list[Step]:
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


def _refresh(current: Token, policy: Policy, progress: Progress) -> list[Step]:
    """Bring the places where this run delivers up to date with a token that was delivered before."""
    if not progress.behind:
        return []
    proof = [Step("prove", current)] if policy.probing and current.data not in progress.proven else []
    return [*proof, Step("deliver", current)]


def _hold(sorted_: Generations, progress: Progress) -> list[Step]:
    """A client that is found with an old token had no overlap yet: it begins when it gets the newer one."""
    return [Step("hold", entry.token) for entry in sorted_.superseded if entry.token.data in progress.held]


def _retire(
    in_use: Entry | None, overdue: list[Entry], leftover: list[Entry], policy: Policy, progress: Progress
) -> list[Step]:
    """`in_use` is the token that must be seen to work before another one goes; None: it is proven on its way in."""
    steps = []
    overdue = [entry for entry in overdue if entry.token.data not in progress.held]
    if overdue and policy.probing and in_use and in_use.token.data not in progress.proven:
        steps.append(Step("prove", in_use.token))
    for entry in overdue:
        steps += [Step("disable", entry.token), *_remove(entry, policy, progress)]
    for entry in leftover:
        steps += _remove(entry, policy, progress)
    return steps


def _remove(entry: Entry, policy: Policy, progress: Progress) -> list[Step]:
    proof = [Step("refuse", entry.token)] if policy.probing and entry.token.data not in progress.refused else []
    return [*proof, Step("delete", entry.token)]


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
    if sorted_.pending and not policy.delivering:
        yield Due("deliver", sorted_.pending.token.name, None)
    if sorted_.current and not replacing:
        yield Due("add", sorted_.current.token.name, sorted_.current.marks.created + policy.max_age)


def _plan_revoke(intent: Revoke, document: TokenDocument, now: datetime, policy: Policy, progress: Progress) -> Plan:
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
        steps = _introduce(unfinished.token, policy, progress) if unfinished else []
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
        steps += _refresh(rest.current.token, policy, progress)
    elif rest.pending:
        steps += _introduce(rest.pending.token, policy, progress)
    elif len(document.tokens) >= MAX_TOKENS:
        raise PlanRefused(_full(len(document.tokens)))
    else:
        steps += [Step("add"), *_introduce(None, policy, progress)]
    if token.enabled:
        steps.append(Step("disable", token))
    if token.data not in progress.unrefused:
        steps += _remove(Entry(token, said or Marks(now, "")), policy, progress)
    return Plan(tuple(steps))


def _plan_rollback(document: TokenDocument, policy: Policy, progress: Progress) -> Plan:
    sorted_ = Generations(document)
    current = sorted_.current
    if current is None:
        raise PlanRefused("no token of this tool was delivered yet, so there is nothing to go back to")
    newer = [entry for entry in sorted_.delivered if entry.marks.created > current.marks.created]
    if newer and not sorted_.pending:
        steps = _refresh(current.token, policy, progress)
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


def _lost(intent: Intent, document: TokenDocument, progress: Progress) -> Token | None:
    """A token that this run has handed out and that somebody's write has removed: its clients must be let in again."""
    for token in progress.delivered:
        said, wanted = marks(token.name), marks(intent.name) if isinstance(intent, Revoke) else None
        if document.holding(token.data) is None and not (said and wanted and said.same_token(wanted)):
            return token
    return None


def _after_all_deliveries(document: TokenDocument, data: str, moment: datetime) -> datetime:
    others = [entry.marks.delivered for entry in Generations(document, without=data).all if entry.marks.delivered]
    return max([moment, *(other + SECOND for other in others)])


def _without_pending(document: TokenDocument, target: str) -> TokenDocument:
    """A rollback ends a rotation that is under way: what it added counts as delivered long ago, and is retired."""
    while (pending := Generations(document).pending) and pending.token.data != target:
        name = replace(pending.marks, delivered=pending.marks.created).name()
        document = document.changing(pending.token.data, name=name, enabled=True)
    return document


def _full(count: int) -> str:
    return (
        f"the document holds {count} tokens and one more is needed, but a trigger takes {MAX_TOKENS}. Delete tokens "
        "that nobody uses, or let the overlap be shorter than the age"
    )
