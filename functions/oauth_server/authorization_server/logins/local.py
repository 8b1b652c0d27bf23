"""The one account of a development machine: user `dev`, with a passphrase that is kept in a file."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from authorization_server.logins import Attempt, LoginFailed
from authorization_server.people import Person

USER = "dev"
LOGIN_PATH = "/authorize/login"
PASSPHRASE_MIN_CHARACTERS = 12


class LocalLogin:
    """Reads the passphrase anew each time, so that the file alone decides."""

    asks_here = True

    def __init__(self, read_passphrase: Callable[[], str]) -> None:
        self._read_passphrase = read_passphrase

    def begin(self, attempt: Attempt) -> str:
        return f"{LOGIN_PATH}?{urlencode({'state': attempt.state})}"

    def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Person:
        expected = self._read_passphrase()
        if len(expected) < PASSPHRASE_MIN_CHARACTERS:
            raise LoginFailed("passphrase_too_short")  # an empty file is no open door
        given = (answer.get("username", ""), answer.get("password", ""))
        right = [
            hmac.compare_digest(hashlib.sha256(theirs.encode()).digest(), hashlib.sha256(ours.encode()).digest())
            for theirs, ours in zip(given, (USER, expected), strict=True)
        ]
        if not all(right):
            raise LoginFailed("password_wrong")
        return Person(subject=USER, name=USER, login=USER)
