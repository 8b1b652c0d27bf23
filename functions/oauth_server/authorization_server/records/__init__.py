"""What the authorization server stores, and how each record may change: PURE, no I/O, no clock, no environment.

A rule is a function (record, request, now) -> (record after it, outcome). It gives back the very record it got where
nothing is to be written; `keeping.py` carries it out so that of many at once one wins. Only hashes of codes, tokens,
states and secrets are in a record, and every record says how long it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar

Error = Literal["invalid_grant", "invalid_scope", "invalid_target", "invalid_client", "invalid_request"]


@dataclass(frozen=True)
class Refused:
    """What a caller hears, in OAuth's words, and the reason for the log."""

    error: Error
    reason: str


class Record(Protocol):
    """A frozen dataclass whose fields are JSON, tuples for lists."""

    KIND: ClassVar[str]

    @property
    def keep_until(self) -> int: ...


class RecordBroken(ValueError):
    """A stored record is not as this version of the code writes it."""


_R = TypeVar("_R")


def dump(record: Any) -> dict[str, Any]:
    """The JSON members of a record; what has its default is left out, so that a field can be added later."""
    return {
        field.name: getattr(record, field.name)
        for field in fields(record)
        if getattr(record, field.name) != field.default
    }


def parse(kind: type[_R], members: Mapping[str, Any]) -> _R:
    """The record again. RecordBroken if a member is missing or not one of this kind."""
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in members.items()})
    except TypeError:
        raise RecordBroken(f"a stored {kind.__name__} has other members than this version knows") from None
