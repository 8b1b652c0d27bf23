"""What was found out about one rule, in the shape that the report shows. Pure; no secret enters, see `Redactor`."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

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


class Redactor:
    """Takes out of a check every piece of a secret, and every character that would drive a terminal."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pieces: set[str] = set()

    def learn(self, secrets: Iterable[str]) -> None:
        for secret in {*secrets} - self._secrets:
            self._secrets.add(secret)
            self._pieces |= _pieces(secret)

    def clean(self, check: Check) -> Check:
        sent, got, advice = map(self._clean, (check.sent, check.got, check.advice))
        return replace(check, sent=sent, got=got, advice=advice)

    def _clean(self, text: str) -> str:
        hidden: set[int] = set()
        for at in range(len(text) - PIECE + 1):
            if text[at : at + PIECE].casefold() in self._pieces:
                hidden.update(range(at, at + PIECE))
        shown = "".join("\0" if place in hidden else character for place, character in enumerate(text))
        shown = re.sub("\0+", "[token]", shown)
        shown = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in shown)
        for short in (secret for secret in self._secrets if 0 < len(secret) < PIECE):
            shown = shown.replace(short, "[token]")
        return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _pieces(secret: str) -> set[str]:
    """Every run of `PIECE` characters, also as URLs and as base64 write it."""
    forms = [secret, quote(secret, safe="")]
    forms += [base64.b64encode(b"\0" * shift + secret.encode()).decode()[4:-4] for shift in range(3)]
    return {form[at : at + PIECE].casefold() for form in forms for at in range(len(form) - PIECE + 1)}
