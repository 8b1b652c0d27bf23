"""Secrets that find their own record, `mcpc-NAME.SECRET`: minted, read, hashed and compared. PURE but for randomness.

The name is hashed to the record's key, the whole text to what the record holds; so neither can be read out of a
storage. The name alone proves nothing: it is in the code, too, which passes through URLs. A refresh token,
`mcpr-NAME.LINE.SECRET`, therefore has a line, which the first one brings and all later ones keep: whoever knows it has
had a refresh token of that record.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

Purpose = Literal["authorization", "login", "code", "refresh"]
_PREFIXES: dict[Purpose, str] = {"authorization": "mcpa", "login": "mcpl", "code": "mcpc", "refresh": "mcpr"}
NAME_BYTES, SECRET_BYTES = 16, 32
_FORM = re.compile(r"(mcp[aclr])-([A-Za-z0-9_-]{22})(?:\.([A-Za-z0-9_-]{22}))?\.[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 §4.1


@dataclass(frozen=True)
class Handle:
    """A secret that names its record. Printing it shows neither."""

    purpose: Purpose
    name: str = field(repr=False)
    text: str = field(repr=False)
    line: str = field(default="", repr=False)  # of a refresh token alone

    @property
    def key(self) -> str:
        """Of the record. What else is to lead to it, as a claim of an access token, is given this and not the name."""
        return digest(self.name)

    @property
    def digest(self) -> str:
        """What the record holds of this secret."""
        return digest(self.text)

    @property
    def line_digest(self) -> str:
        """What the record holds of a refresh token's line."""
        return digest(self.line)


def mint(purpose: Purpose, name: str | None = None, line: str | None = None) -> Handle:
    """A new secret: for a new record, or for the one of this name; a refresh token on a new line, or on this one."""
    name = name or secrets.token_urlsafe(NAME_BYTES)
    line = (line or secrets.token_urlsafe(NAME_BYTES)) if purpose == "refresh" else ""
    parts = [name, line, secrets.token_urlsafe(SECRET_BYTES)]
    return Handle(purpose, name, f"{_PREFIXES[purpose]}-{'.'.join(filter(None, parts))}", line)


def read(purpose: Purpose, text: str) -> Handle | None:
    """What somebody sent, if it has the form; whether it is right, its record knows."""
    found = _FORM.fullmatch(text)
    if found is None or found[1] != _PREFIXES[purpose] or (found[3] is not None) is not (purpose == "refresh"):
        return None
    return Handle(purpose, found[2], text, found[3] or "")


def digest(secret: str) -> str:
    """SHA-256. No salt and no stretching: whatever is hashed here has at least 128 random bits."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()  # whatever a caller may send


def same(ours: str | None, theirs: str | None) -> bool:
    """Are these two digests equal? In constant time; nothing equals nothing."""
    return ours is not None and theirs is not None and hmac.compare_digest(ours.encode(), theirs.encode())


def derive(secret: str, purpose: str) -> str:
    """A second secret that only the holder of the first can have: a nonce or a verifier that need not be stored."""
    made = hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def s256(verifier: str | None) -> str | None:
    """The challenge of a verifier (RFC 7636 §4.2), None if it is none."""
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
