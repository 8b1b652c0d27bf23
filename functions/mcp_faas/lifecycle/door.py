"""Prove what a door accepts and refuses, by several equal answers in a row. It sees tokens, and never the document."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcp_faas.lifecycle.clock import TookTooLong
from mcp_faas.lifecycle.probe import Answer, Probe, Verdict
from mcp_faas.lifecycle.run import Run, RunFailed, said
from mcp_faas.tokens import Token

AFTER_PROOF_SECONDS = 15.0  # kept for what follows a proof
ACCEPTED_SECONDS = 90.0  # a gateway that caches refusals for a minute must be outlasted
REFUSED_SECONDS = 30.0  # a door that still lets a disabled token in is asked again by the next run
IN_A_ROW = 5  # equal answers that make a proof: the nodes of a gateway do not learn at the same moment
UNREFUSED_FAILS_SECONDS = 600.0  # a door that has not noticed a disabled token by then will not notice it


class Door:
    """The endpoint that one run asks."""

    def __init__(self, probe: Probe, run: Run) -> None:
        self._probe = probe
        self._run = run
        self._ahead: float | None = None  # of its clock before ours, in seconds

    def now(self) -> datetime:
        """Its clock, where its answers tell the time, else this machine's."""
        local = self._run.clock.now()
        if self._ahead is None:
            answer = self._ask(None)
            self._ahead = (answer.time - local).total_seconds() if answer.time else 0.0
        return local + timedelta(seconds=self._ahead)

    def prove_accepted(self, token: Token) -> None:
        proven, last = self._ask_until(token, "accepted", ACCEPTED_SECONDS)
        if not proven:
            raise RunFailed(
                f"{self._probe.url} does not accept {token.name} ({last}). It was not delivered, and no token was "
                "disabled. See that this is the door of that document, then run the same command again"
            )

    def prove_refused(self, token: Token, disabled_for: timedelta, *, later_will_do: bool) -> bool:
        """False: the door has not noticed yet, and a later run may ask again."""
        proven, last = self._ask_until(token, "refused", REFUSED_SECONDS)
        if proven:
            return True
        if last.verdict != "accepted" or disabled_for.total_seconds() > UNREFUSED_FAILS_SECONDS or not later_will_do:
            raise RunFailed(
                f"{token.name} is disabled in the document, but {self._probe.url} is not proven to refuse it ({last}). "
                "It was not deleted. See that this is the door of that document, then run the same command again"
            )
        return False

    def _ask_until(self, token: Token, wanted: Verdict, seconds: float) -> tuple[bool, Answer]:
        """Several equal answers in a row, within the time that there is."""
        clock = self._run.clock
        until = clock.monotonic() + min(seconds, max(self._run.left() - AFTER_PROOF_SECONDS, 1.0))
        streak, delay = 0, 0.2
        while True:
            answer = self._ask(token.data)
            if answer.verdict == wanted:
                streak += 1
                if streak == IN_A_ROW:
                    return True, answer
                self._run.pause(0.05)
                continue
            streak = 0
            if clock.monotonic() > until:
                return False, answer
            self._run.pause(delay)
            delay = min(delay * 1.6, 3.0)

    def _ask(self, data: str | None) -> Answer:
        try:
            with self._run.bounded():
                return self._probe.ask(data)
        except TookTooLong as error:
            return Answer(None, said=said(error))
