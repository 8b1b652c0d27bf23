"""Tell a person, or a machine, what a document holds and what a run did. No value of a token enters here but one: the
token that a machine asked to be shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from lifecycle.output import say, show
from mcp_faas.generations import Generations
from mcp_faas.rotation import Due, Plan, Policy, Step
from mcp_faas.tokens import TokenDocument, created_at, fingerprint, legal, marks

_ASSUMED = {"add": ", if rotate keeps its default --max-age", "disable": ", if rotate keeps its default --overlap"}
_A_DAY_SECONDS = 24 * 3600
_DUE = {"add": "replace", "disable": "disable", "delete": "delete"}


def say_step(step: Step) -> None:
    say(f"done: {step}")


def rows(document: TokenDocument, now: datetime, policy: Policy) -> list[dict[str, Any]]:
    """Each token as a machine reads it."""
    generations = Generations(document)
    entries = {entry.token.data: entry for entry in generations.all}
    found = []
    for token in document.tokens:
        created, said = created_at(token), marks(token.name)
        entry = entries.get(token.data)
        since = generations.superseded_at(entry) if entry else None
        found.append(
            {
                "name": token.name,
                "state": generations.state(token),
                "enabled": token.enabled,
                "fingerprint": fingerprint(token.data) if legal(token.data) else None,
                "created": iso(created),
                "age_seconds": int((now - created).total_seconds()) if created else None,
                "delivered": iso(said.delivered) if entry and said else None,
                "revoked": iso(said.revoked) if entry and said else None,
                "until": iso(_after(since, policy.overlap)) if since and token.enabled else None,
            }
        )
    return found


def _after(moment: datetime, span: timedelta) -> datetime:
    """Later by that span, or the end of all calendars: a name may say any year."""
    return moment + min(span, datetime.max.replace(tzinfo=timezone.utc) - moment)


def table(found: Sequence[dict[str, Any]], url: str | None) -> str:
    """Each token as a person reads it; above them the door that they open, where the service says which."""
    lines = [("NAME", "STATE", "AGE", "FINGERPRINT", "")]
    for row in found:
        remark = f"until {row['until']}" if row["until"] else "" if row["enabled"] else "disabled"
        if row["state"] == "current" and row["revoked"]:
            remark = "revoked: the next rotate replaces it"
        if row["fingerprint"] is None:
            remark = "masked, empty or illegal value"
        age = "-" if row["age_seconds"] is None else span(timedelta(seconds=row["age_seconds"]))
        if row["age_seconds"] is not None and row["age_seconds"] < -_A_DAY_SECONDS:
            remark = "its name says a time that is yet to come; rotate refuses this document"
        if row["state"] == "added":
            remark = "not noted as delivered yet; a rotation that delivers does that, and no older token goes before"
        remark = "" if remark == row["state"] else remark
        lines.append((row["name"], row["state"], age, row["fingerprint"] or "-", remark))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    head = f"URL   {url}\n\n" if url else ""
    return head + "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[4]]).rstrip()
        for line in lines
    )


def due_lines(due: Iterable[Due], now: datetime, *, policy_is_known: bool = True) -> list[str]:
    """What comes next, and when; a run that only has to wait says nothing else."""
    return [_due_line(item, now) + ("" if policy_is_known else _ASSUMED.get(item.action, "")) for item in due]


def _due_line(item: Due, now: datetime) -> str:
    what = f"{_DUE.get(item.action, item.action)} {item.name}"
    if item.at is None:
        return f"next: {what}, when the door is found to refuse it"
    when = f"in {span(item.at - now)}, at {iso(item.at)}" if item.at > now else "with the next run"
    return f"next: {what} {when}"


def plan_object(plan: Plan) -> dict[str, Any]:
    return {
        "steps": steps_object(plan.steps),
        "due": [{"action": item.action, "name": item.name, "at": iso(item.at)} for item in plan.due],
        "note": plan.note,
    }


def steps_object(steps: Iterable[Step]) -> list[dict[str, Any]]:
    return [
        {"action": step.action, "name": step.token.name if step.token else None, "text": str(step)} for step in steps
    ]


def print_json(value: dict[str, Any]) -> None:
    show(json.dumps(value, indent=2))


def span(length: timedelta) -> str:
    """A time span in its two largest units, rounded down."""
    seconds = int(length.total_seconds())
    if seconds < 0:
        return "-" + span(-length)
    units = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)]
    for place, (name, size) in enumerate(units):
        if seconds >= size or name == "s":
            text = f"{seconds // size}{name}"
            if place + 1 < len(units) and seconds % size // units[place + 1][1]:
                text += f" {seconds % size // units[place + 1][1]}{units[place + 1][0]}"
            return text
    raise AssertionError("unreachable")


def iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
