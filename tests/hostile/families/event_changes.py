"""One change to an event: put a value somewhere, take a member out. And the values that no front door would write."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping
from typing import Any

Event = dict[str, Any]
Change = Callable[[Event], Any]

# By what is wrong with it; `...` takes the member out.
NOT_AN_OBJECT: dict[str, Any] = {"missing": ..., "null": None, "a list": [], "a text": "x", "empty": {}, "a number": 1}
NOT_HEADERS: dict[str, Any] = {**NOT_AN_OBJECT, "a list": ["x"], "true": True}
del NOT_HEADERS["empty"]
NOT_TEXT: dict[str, Any] = {"a number": 1, "a list": [1], "an object": {}, "true": True, "a lone surrogate": "\ud800"}


def put(value: Any, *path: str) -> Change:
    """Put a value at a path of the event; `...` takes the member out."""

    def change(made: Event) -> None:
        place: Any = made
        for step in path[:-1]:
            place = place[step]
        if value is ...:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = value

    return change


def put_each(values: Mapping[tuple[str, ...], Mapping[str, Any]]) -> dict[str, Change]:
    """A change for each value, called after its path and what is wrong with it."""
    return {
        f"{'.'.join(path)} {name}": put(value, *path) for path, wrong in values.items() for name, value in wrong.items()
    }


def changed(made: Event, change: Change) -> Any:
    """A copy of the event with this change."""
    made = copy.deepcopy(made)
    return change(made) or made


def not_base64(text: str) -> dict[str, Change]:
    """A body that says of itself that it is base64, and is not."""
    encoded = base64.b64encode(text.encode()).decode()
    bodies = {
        "not base64": "!",
        "base64 with a tail": encoded + "!",
        "cut": encoded[:-1],
        "base64url": "_-_-",
        "the text": text,
        "not ASCII": "é",
    }
    return {f"a body that should be base64 and is {name}": _encoded(body) for name, body in bodies.items()}


def _encoded(body: str) -> Change:
    return lambda made: made.update(body=body, isBase64Encoded=True)
