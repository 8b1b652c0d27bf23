"""Prove what a door accepts and refuses, by several equal answers in a row. It sees tokens, and never the document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mcp_faas.lifecycle.clock import TookTooLong
from mcp_faas.lifecycle.probe import Answer, Probe, Verdict
from mcp_faas.lifecycle.run import Run, RunFailed, said
from mcp_faas.tokens import Token, mint

AFTER_PROOF_SECONDS = 15.0  # kept for what follows a proof
ACCEPTED_SECONDS = 90.0  # a gateway that caches refusals for a minute must be outlasted
REFUSED_SECONDS = 30.0  # a door that still lets a disabled token in is asked again by the next run
IN_A_ROW = 5  # equal answers that make a proof: the nodes of a gateway do not learn at the same moment
NOBODY_SECONDS = 10.0  # where nothing listens from the first ask on, nothing begins to while we wait
UNREFUSED_FAILS_SECONDS = 600.0  # a door that has not noticed a disabled token by then will not notice it
REMEMBERS = "A gateway and an authorizer may remember for a minute or two that they let a token in"


class Door:
    """The endpoint that one run asks. `tell` hears when a wait begins."""

    def __init__(self, probe: Probe, run: Run, tell: Callable[[str], None] = lambda sentence: None) -> None:
        self._probe = probe
        self._run = run
        self._tell = tell
        self._ahead: float | None = None  # of its clock before ours, in seconds
        self._refuses_strangers = False

    def now(self) -> datetime:
        """Its clock, where its answers tell the time, else this machine's."""
        local = self._run.clock.now()
        if self._ahead is None:
            answer = self._ask(None)
            self._ahead = (answer.time - local).total_seconds() if answer.time else 0.0
        return local + timedelta(seconds=self._ahead)

    def prove_accepted(self, token: Token) -> None:
        """To be let in proves something only where somebody else is not."""
        if not self._refuses_strangers:
            self._ask_as_stranger()
        proven, last = self._ask_until(token, "accepted", ACCEPTED_SECONDS)
        if not proven:
            found, advice = "does not accept", "this is the door of that document"
            if last.verdict == "unclear":
                found, advice = "is not proven to accept", "the door is there and answers"
            raise RunFailed(
                f"{self._probe.url} {found} {token.name} ({last}). It was not delivered, and no token was "
                f"disabled. See that {advice}, then run the same command again"
            )
        if self._refuses_strangers:
            return
        last = self._ask_as_stranger()
        if not self._refuses_strangers:
            raise RunFailed(
                f"{self._probe.url} is not proven to refuse a token that was made up ({last}), so that it accepts "
                f"{token.name} proves nothing. It was not delivered, and no token was disabled. Run the same command "
                "again"
            )

    def _ask_as_stranger(self) -> Answer:
        answer = self._ask(mint(self._run.clock.now()).data)
        if answer.verdict == "accepted":
            raise RunFailed(
                f"{self._probe.url} answers {answer} to a token that was just made up: it lets strangers in, or it is "
                "no MCP endpoint behind a door. Nothing was delivered, and no token was disabled. See that the URL is "
                "right, path included, and what tokens.py verify says about it; then run the same command again"
            )
        self._refuses_strangers = answer.verdict == "refused"
        return answer

    def prove_refused(self, token: Token, disabled_for: timedelta, *, later_will_do: bool) -> bool:
        """False: the door has not noticed yet, and a later run may ask again."""
        proven, last = self._ask_until(token, "refused", REFUSED_SECONDS if later_will_do else self._run.seconds)
        if proven:
            return True
        if last.verdict != "accepted" or disabled_for.total_seconds() > UNREFUSED_FAILS_SECONDS or not later_will_do:
            advice = "See that the door is there and answers, then run the same command again"
            if last.verdict == "accepted":
                advice = (
                    f"{REMEMBERS}: run the same command again in a minute. If that never helps, see that this is the "
                    "door of that document"
                )
            raise RunFailed(
                f"{token.name} is disabled in the document, but {self._probe.url} is not proven to refuse it ({last}). "
                f"It was not deleted. {advice}"
            )
        return False

    def still_accepts(self, token: Token) -> str:
        """What a person should know of a token that is disabled and not refused yet."""
        return (
            f"{self._probe.url} still accepts {token.name}, which is disabled in the document. {REMEMBERS}: run the "
            "same command again in a minute, to see it refused and to delete it"
        )

    def _ask_until(self, token: Token, wanted: Verdict, seconds: float) -> tuple[bool, Answer]:
        """Several equal answers in a row, within the time that there is."""
        clock = self._run.clock
        began = clock.monotonic()
        bound = min(seconds, max(self._run.left() - AFTER_PROOF_SECONDS, 1.0))
        streak, delay, told, nobody = 0, 0.2, False, True
        while True:
            answer = self._ask(token.data)
            nobody = nobody and answer.nobody
            if answer.verdict == wanted:
                streak += 1
                if streak == IN_A_ROW:
                    return True, answer
                self._run.pause(0.05)
                continue
            streak = 0
            limit = min(bound, NOBODY_SECONDS) if nobody else bound
            if clock.monotonic() > began + limit:
                return False, answer
            if not told:
                verb = "accepts" if wanted == "accepted" else "refuses"
                self._tell(
                    f"asking {self._probe.url} again whether it {verb} {token.name}, for up to {limit:.0f} s ({answer})"
                )
                told = True
            self._run.pause(delay)
            delay = min(delay * 1.6, 3.0)

    def _ask(self, data: str | None) -> Answer:
        try:
            with self._run.bounded():
                return self._probe.ask(data)
        except TookTooLong as error:
            return Answer(None, said=said(error))
