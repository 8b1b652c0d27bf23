"""JSON that every parser reads alike, with no member twice and no NaN, and numbers that come back as they were. No I/O.

Which of two equal members counts is a matter of taste among parsers, and a document that was read leniently could not
be written back as it was. RFC 7515 §4 and RFC 7519 §4 demand it of tokens; here it holds for all that strangers send.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

DEEPEST = 100  # levels; what is nested like that is no document of anybody's


class DuplicateMember(ValueError):
    """An object has one member twice."""


class NotANumber(ValueError):
    """NaN or Infinity, which are Python's and not JSON's."""


class Literal(float):
    """A number that Python would write in another way, or as another number: 1.10, 1e999 and many digits."""

    literal: str

    def __new__(cls, literal: str) -> Literal:
        number = super().__new__(cls, literal)
        number.literal = literal
        return number


def loads(text: str, *, literals: bool = False) -> Any:
    """The decoded text. Raises `DuplicateMember`, `NotANumber`, another ValueError, or RecursionError.

    With `literals`, `dumps` writes every number as it was read.
    """
    return (_KEEPING_LITERALS if literals else _STRICT).decode(text)


def dumps(value: Any, indent: int = 0, depth: int = 0) -> str:
    """JSON text as `json.dumps` writes it, with literals as they were read. RecursionError if it is nested too deeply.

    `json.dumps` writes every subclass of float by its value, and infinity as a word that is not JSON's.
    """
    if isinstance(value, Literal):
        return value.literal
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(value, Mapping):
        colon = ": " if indent else ":"
        members = (f"{json.dumps(name)}{colon}{dumps(member, indent, depth + 1)}" for name, member in value.items())
        return _bracketed("{}", list(members), indent, depth)
    if isinstance(value, list | tuple):
        return _bracketed("[]", [dumps(member, indent, depth + 1) for member in value], indent, depth)
    return json.dumps(value, allow_nan=False)


def _bracketed(pair: str, members: list[str], indent: int, depth: int) -> str:
    outer = "\n" + " " * (indent * depth) if indent and members else ""
    inner = outer + " " * indent if outer else ""
    return pair[0] + inner + f",{inner}".join(members) + outer + pair[1]


def _float(text: str) -> float:
    number = float(text)
    return number if repr(number) == text else Literal(text)


def _int(text: str) -> int | Literal:
    return Literal(text) if text == "-0" else int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateMember
    return members


def _refuse(_: str) -> NoReturn:
    raise NotANumber


# Made once: `json.loads` would make a decoder anew for each text, which takes longer than a token's claims.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
_KEEPING_LITERALS = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_float, parse_int=_int
)
