"""What every place promises to which a token is delivered. No place is known here by more than this."""

from __future__ import annotations

from typing import Protocol


class SinkError(Exception):
    """The token did not get there. The message is for a person and holds no secret."""


class Sink(Protocol):
    """A place from which clients take the token that they use."""

    label: str
    readable: bool  # can it say what it holds? Others, like the standard output, are served once in a run
    unasked: bool  # nobody asked for it: it gets new tokens only

    def holds(self) -> str | None:
        """The token that is there now, in the form that it should have; None if there is none."""

    def deliver(self, token: str) -> None:
        """Put the token there."""
