"""Bring every place of a run up to the token that its clients should have. Which one that is, is decided elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from mcp_faas.lifecycle.clock import TookTooLong
from mcp_faas.lifecycle.run import Run, RunFailed, said
from mcp_faas.lifecycle.sinks import Sink, SinkError
from mcp_faas.tokens import Token


class Deliveries:
    """The sinks of one run, and what each has."""

    def __init__(self, sinks: Sequence[Sink], run: Run) -> None:
        self._sinks = sinks
        self._run = run
        self._holding: dict[str, str | None] = {}  # what the readable sinks hold
        self._served: dict[str, str] = {}  # what the others were given in this run

    def inspect(self) -> frozenset[str]:
        """The tokens that are found there before this run delivers."""
        for sink in self._sinks:
            if sink.readable:
                with self._reaching(sink):
                    self._holding[sink.label] = sink.holds()
        return frozenset(data for data in self._holding.values() if data)

    def behind(self, wanted: Token, *, again: bool) -> bool:
        """Does a place lack this token? `again`: also one that nobody asked for gets a token that is not new."""
        for sink in self._sinks:
            if sink.readable:
                if self._holding.get(sink.label) != wanted.data:
                    return True
            elif self._served.get(sink.label) != wanted.data and (again or not sink.unasked):
                return True
        return False

    def deliver(self, token: Token) -> frozenset[str]:
        """Put it everywhere; returns the tokens that it took the place of."""
        replaced = set()
        for sink in self._sinks:
            with self._reaching(sink):
                if not sink.readable:
                    if self._served.get(sink.label) != token.data:
                        sink.deliver(token.data)
                    self._served[sink.label] = token.data
                    continue
                held = self._holding.get(sink.label)
                if held != token.data:
                    sink.deliver(token.data)
                    if sink.holds() != token.data:
                        raise SinkError("it does not show what was delivered")
                    self._holding[sink.label] = token.data
                    if held:
                        replaced.add(held)
        return frozenset(replaced)

    @contextlib.contextmanager
    def _reaching(self, sink: Sink) -> Iterator[None]:
        try:
            with self._run.bounded():
                yield
        except (SinkError, TookTooLong) as error:
            raise RunFailed(
                f"{sink.label}: {said(error)}. No token was disabled. Repair it and run the same command again"
            ) from None
