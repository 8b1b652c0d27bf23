"""Tell a person, or a machine, what was found. Nothing is decided here, and every text was redacted before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from diagnosis.causes import Cause, explain
from diagnosis.checks import Check, Verdict
from diagnosis.rules import RULES

WORDS: dict[Verdict, str] = {
    "ok": "ok",
    "broken": "BROKEN",
    "warning": "warning",
    "note": "note",
    "not applicable": "-",
    "could not tell": "?",
}


def as_json(url: str, checks: Sequence[Check]) -> str:
    causes = [{"checks": [*cause.checks], "cause": cause.cause, "fix": cause.fix} for cause in explain(checks)]
    return json.dumps({"url": url, "checks": [check.to_object() for check in checks], "causes": causes}, indent=2)


def as_text(url: str, checks: Sequence[Check]) -> str:
    lines = [f"{url}", ""]
    for check in checks:
        rule = RULES[check.id]
        lines.append(f"{WORDS[check.verdict]:8} {check.id:22} {rule.what}")
        if check.result == "fail":
            lines.append(f"         {rule.level}, {rule.source}")
            lines += [f"         sent: {check.sent}"] if check.sent else []
            lines += [f"         got:  {check.got}"] if check.got else []
        elif check.verdict == "could not tell" or check.id == "door.kind":
            lines.append(f"         {check.got}")
        if check.advice:
            lines.append(f"         do:   {check.advice}" if check.result == "fail" else f"         {check.advice}")
    for cause in explain(checks):
        lines += _cause(cause)
    lines += ["", summary(checks)]
    return "\n".join(lines)


def _cause(cause: Cause) -> list[str]:
    return ["", f"If a connector cannot log in: {cause.cause}", f"  {cause.fix}"]


def summary(checks: Sequence[Check]) -> str:
    counts = Counter(check.verdict for check in checks)
    said = [f"{counts['ok']} hold"]
    said += [f"{counts[verdict]} {word}" for verdict, word in _COUNTED if counts[verdict]]
    return ", ".join(said)


_COUNTED: tuple[tuple[Verdict, str], ...] = (
    ("broken", "MUST broken"),
    ("warning", "SHOULD broken"),
    ("note", "to note"),
    ("could not tell", "could not be told"),
    ("not applicable", "do not apply"),
)
