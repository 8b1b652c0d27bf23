"""What every login promises: it sends a browser somewhere, and later says who came back. No page and no cookie here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from authorization_server.people import Person
from authorization_server.records.handles import derive


class LoginFailed(Exception):
    """Nobody was made sure of. `reason` is for the log and quotes nothing that came from outside."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LoginDenied(LoginFailed):
    """The person, or the provider in the person's name, has said no."""


class LoginUnavailable(LoginFailed):
    """The provider does not answer as it should; later it may."""


@dataclass(frozen=True)
class Attempt:
    """One login on its way: what goes to the provider, and what is expected back."""

    state: str = field(repr=False)  # single use, the parameter `state`
    callback: str  # the URL that the provider sends the browser back to
    secret: str = field(repr=False)  # the browser's own, which the provider never sees

    @property
    def nonce(self) -> str:
        """OpenID Connect Core §3.1.2.1; bound to this attempt, and nothing has to be stored."""
        return derive(self.secret, f"nonce {self.state}")

    @property
    def verifier(self) -> str:
        """RFC 7636 towards the provider; it does not follow from what the provider sees before the code."""
        return derive(self.secret, f"verifier {self.state}")


class Login(Protocol):
    """One way to make sure of a person."""

    asks_here: bool  # the form with `username` and `password` is ours

    def begin(self, attempt: Attempt) -> str:
        """Where to send the browser. Raises `LoginUnavailable`."""

    def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Person:
        """Who it is, by what the browser brought back. Raises `LoginFailed`."""


def s256(verifier: str) -> str:
    """The code challenge of a verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
