"""Decode JSON that every parser reads alike: no member twice, no NaN. No I/O; standard library only.

Which of two equal members counts is a matter of taste among parsers, and a document that was read leniently could not
be written back as it was. RFC 7515 §4 and RFC 7519 §4 demand it of tokens; here it holds for all that strangers send.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


class DuplicateMember(ValueError):
    """An object has one member twice."""


class NotANumber(ValueError):
    """NaN or Infinity, which are Python's and not JSON's."""


def loads(text: str) -> Any:
    """The decoded text. Raises `DuplicateMember`, `NotANumber`, another ValueError, or RecursionError."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateMember
    return members


def _refuse(_: str) -> NoReturn:
    raise NotANumber
