"""What was found out about one rule, in the shape that the report shows. Pure; no secret enters, see `redact`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from diagnosis.rules import RULES, Level
from diagnosis.wire import Reply

Result = Literal["pass", "fail", "skip"]
Verdict = Literal["ok", "broken", "warning", "note", "not applicable", "could not tell"]

_FAILURES: dict[Level, Verdict] = {"MUST": "broken", "SHOULD": "warning", "INFO": "note"}
PIECE = 12  # characters in a row of a token that are never shown
LONGEST = 400


@dataclass(frozen=True)
class Check:
    """One rule, and what came of it."""

    id: str
    result: Result
    verdict: Verdict
    sent: str = ""
    got: str = ""
    advice: str = ""

    @property
    def level(self) -> Level:
        return RULES[self.id].level

    def to_object(self) -> dict[str, str]:
        rule = RULES[self.id]
        return {
            "id": self.id,
            "level": rule.level,
            "source": rule.source,
            "what": rule.what,
            "result": self.result,
            "verdict": self.verdict,
            "sent": self.sent,
            "got": self.got,
            "advice": self.advice,
        }


def ok(id_: str, reply: Reply | None = None, got: str = "", advice: str = "") -> Check:
    return Check(id_, "pass", "ok", reply.sent if reply else "", got or (str(reply) if reply else ""), advice)


def broken(id_: str, reply: Reply | None, advice: str, got: str = "") -> Check:
    """The rule does not hold; how bad that is, its level says."""
    return Check(id_, "fail", _FAILURES[RULES[id_].level], reply.sent if reply else "", got or str(reply or ""), advice)


def not_applicable(id_: str, why: str) -> Check:
    return Check(id_, "skip", "not applicable", got=why)


def could_not_tell(id_: str, why: str, reply: Reply | None = None, advice: str = "") -> Check:
    got = f"{reply}; {why}" if reply else why
    return Check(id_, "skip", "could not tell", reply.sent if reply else "", got, advice)


def judge(id_: str, holds: bool, reply: Reply | None, advice: str, got: str = "") -> Check:
    return ok(id_, reply, got) if holds else broken(id_, reply, advice, got)


def redact(check: Check, secrets: Iterable[str]) -> Check:
    """The same without any piece of a secret, and without a character that would drive a terminal."""
    pieces = {
        secret[at : at + PIECE].lower() for secret in secrets for at in range(max(1, len(secret) - PIECE + 1)) if secret
    }
    sent, got, advice = (_clean(text, pieces) for text in (check.sent, check.got, check.advice))
    return replace(check, sent=sent, got=got, advice=advice)


def _clean(text: str, pieces: set[str]) -> str:
    lower = text.lower()
    hidden: set[int] = set()
    for piece in pieces:
        at = lower.find(piece)
        while at >= 0:
            hidden.update(range(at, at + len(piece)))
            at = lower.find(piece, at + 1)
    shown = "".join("\0" if place in hidden else character for place, character in enumerate(text))
    shown = re.sub("\0+", "[token]", shown)
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
