"""Read `WWW-Authenticate` to the letter of RFC 9110 §11 and RFC 6750 §3. Pure: text in, challenges out, no I/O.

A parser that forgives would find every server right, so this one has a reason for each refusal, and shares no code with
the functions that it judges.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
BLANKS = re.compile(r"[ \t]*")
QUOTED = re.compile(r'"((?:[\t \x21\x23-\x5B\x5D-\x7E\x80-\xFF]|\\[\t \x21-\x7E\x80-\xFF])*)"')
SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")

# RFC 6750 §3: what the values may be made of.
SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")
SAID = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")
URI = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
SYNTAX = {"scope": SCOPE, "error": SAID, "error_description": SAID, "error_uri": URI}


class Ungrammatical(ValueError):
    """The field is no list of challenges; the text says where it stops being one."""


@dataclass(frozen=True)
class Challenge:
    """One challenge: its scheme as written, and its parameters with their names in lower case, or a token68."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)
    token68: str = ""

    @property
    def is_bearer(self) -> bool:
        return self.scheme.lower() == "bearer"


def parse(values: Sequence[str]) -> list[Challenge]:
    """The challenges of all fields of this name, in their order. Raises `Ungrammatical`."""
    return [challenge for value in values for challenge in _Reader(value).read()]


class _Reader:
    """One field's value, read from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text.strip(" \t")
        self._at = 0
        self._found: list[Challenge] = []

    def read(self) -> list[Challenge]:
        if not self._text:
            raise Ungrammatical("the field is empty")
        while True:
            self._element()
            if self._at == len(self._text):
                return self._found
            separator = SEPARATOR.match(self._text, self._at)
            if separator is None:
                raise self._error("expected a comma or the end")
            if separator[0].count(",") > 1:
                raise self._error("an empty element in the list (RFC 9110 §5.6.1.1)")
            self._at = separator.end()
            if self._at == len(self._text):
                raise self._error("a comma with nothing behind it (RFC 9110 §5.6.1.1)")

    def _element(self) -> None:
        """A further parameter of the challenge before it, or a new challenge."""
        name = TOKEN.match(self._text, self._at)
        if name is None:
            raise self._error("expected the name of a scheme or of a parameter")
        after = BLANKS.match(self._text, name.end())
        if after is not None and self._text[after.end() : after.end() + 1] == "=":
            self._parameter()
            return
        self._at = name.end()
        self._found.append(Challenge(name[0]))
        if self._text[self._at : self._at + 1] != " ":
            return  # a bare scheme, or something that the caller will not find a comma before
        while self._text[self._at : self._at + 1] == " ":
            self._at += 1
        single = TOKEN68.match(self._text, self._at)
        if single is not None:
            self._found[-1] = Challenge(name[0], token68=single[0])
            self._at = single.end()
        elif self._at < len(self._text) and self._text[self._at] != ",":
            self._parameter()

    def _parameter(self) -> None:
        if not self._found or self._found[-1].token68:
            raise self._error("a parameter without a scheme before it")
        name = TOKEN.match(self._text, self._at)
        if name is None:
            raise self._error("expected the name of a parameter")
        self._at = name.end()
        self._skip_blanks()
        if self._text[self._at : self._at + 1] != "=":
            raise self._error(f"{name[0]} has no value")
        self._at += 1
        self._skip_blanks()
        parameters, key = self._found[-1].parameters, name[0].lower()
        if key in parameters:
            raise self._error(f"{key} is there twice (RFC 9110 §11.2)")
        quoted = QUOTED.match(self._text, self._at)
        plain = TOKEN.match(self._text, self._at)
        if quoted is not None:
            parameters[key] = re.sub(r"\\(.)", r"\1", quoted[1])
            self._at = quoted.end()
        elif plain is not None:
            parameters[key] = plain[0]
            self._at = plain.end()
        else:
            raise self._error(f"the value of {key} is neither a token nor a quoted text")

    def _skip_blanks(self) -> None:
        blanks = BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at

    def _error(self, what: str) -> Ungrammatical:
        return Ungrammatical(f"{what}, at character {self._at + 1}")


def misfits(challenge: Challenge) -> list[str]:
    """What RFC 6750 §3 does not allow in the values of a Bearer challenge."""
    return [
        f"{name} holds a character that RFC 6750 §3 does not allow, or is empty"
        for name, form in SYNTAX.items()
        if name in challenge.parameters and not form.fullmatch(challenge.parameters[name])
    ]
