"""What the authorization server stores, and how each record may change: PURE, no I/O, no clock, no environment.

A rule is a function (record, request, now) -> (record after it, outcome). It gives back the very record it got where
nothing is to be written; `keeping.py` carries it out so that of many at once one wins. Only hashes of codes, tokens,
states and secrets are in a record, and every record says how long it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

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


def parse(kind: type[_R], members: object) -> _R:
    """The record again. RecordBroken if a member is missing, not one of this kind or of another type."""
    if not isinstance(members, Mapping):
        raise RecordBroken(f"a stored {kind.__name__} is no object")
    try:
        record = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in members.items()})
    except (TypeError, ValueError):
        raise RecordBroken(f"a stored {kind.__name__} has other members than this version knows") from None
    for field in fields(cast(Any, record)):
        if not _fits(getattr(record, field.name), _hints(cast(Any, kind))[field.name]):
            raise RecordBroken(f"a stored {kind.__name__} has a {field.name} that this version cannot read")
    return record


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: object, hint: Any) -> bool:
    """Is this a value of the type, of those that records are made of?"""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, inner[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, Mapping)
    return any(_fits(value, one) for one in inner) if inner else type(value) is hint
