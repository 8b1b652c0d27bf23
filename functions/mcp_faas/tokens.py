"""The token document: read it, write it, mint a token, know one of ours. No I/O, no clock, no environment.

The shape is Alibaba's on both clouds: {"tokens": [{"tokenName": "...", "enable": true, "tokenData": "..."}]}.
Everything else that a document holds is kept in its place and order. On the authorizer's path: standard library only.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from mcp_faas import strict_json

MAX_TOKENS = 20  # FC takes 1-20 tokens per trigger
MIN_LENGTH, MAX_LENGTH = 32, 128  # characters of a tokenData that FC accepts

PREFIX = "mcpt-"
RANDOM_LENGTH = 43  # base62 characters: 43 * log2(62) = 256.03 bits
CHECKSUM_LENGTH = 6  # base62 characters hold a CRC32
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_LEGAL = re.compile(rf"[A-Za-z0-9+/=\-~.]{{{MIN_LENGTH},{MAX_LENGTH}}}")
_OURS = re.compile(r"mcpt-[0-9A-Za-z]{43}-[0-9A-Za-z]{6}")
_TIME = r"[0-9]{8}T[0-9]{6}Z"
_NAME = re.compile(
    rf"mcp-(?P<created>{_TIME})-(?P<fingerprint>[0-9a-f]{{8}})"
    rf"(?:-d(?P<delivered>{_TIME}))?(?:-h(?P<held>{_TIME}))?"
    rf"(?:-r(?P<revoked>{_TIME}))?(?:-x(?P<disabled>{_TIME}))?"
)
# What to do about a document that is not as it must be; no rotation can.
_ANOTHER = "see that its address is right; `tokens.py mint --document` prints a first one"
_SEE_VALUES = (
    "If it is hidden, use credentials that may read values, or the custom domain's address; else mend or delete it in "
    "the console"
)
_ENTRY = "mend or delete that entry where the document is kept"

_MOMENTS = ("created", "delivered", "held", "revoked", "disabled")


class DocumentError(ValueError):
    """A token document that is not understood, or that must not be written; never quotes a value."""


@dataclass(frozen=True)
class Token:
    """One entry of a document. Printing it never shows its value; `str` is its name and fingerprint."""

    name: str
    enabled: bool
    data: str = field(repr=False)
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False)  # as it was read, unknown keys included

    def __str__(self) -> str:
        return f"{self.name} ({fingerprint(self.data)})"

    def dump(self) -> dict[str, Any]:
        return {**self.entry, "tokenName": self.name, "enable": self.enabled, "tokenData": self.data}


@dataclass(frozen=True)
class TokenDocument:
    """All tokens of one door, in the order of the document, and whatever else it holds."""

    tokens: tuple[Token, ...] = ()
    rest: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the document as it was read

    def live(self) -> tuple[Token, ...]:
        """The tokens that open the door: enabled, and with a legal value (an empty or masked one opens nothing)."""
        return tuple(token for token in self.tokens if token.enabled and legal(token.data))

    def holding(self, data: str) -> Token | None:
        """The entry with this value. For bookkeeping: the comparison is not constant-time, so it decides no access."""
        return next((token for token in self.tokens if token.data == data), None)

    def adding(self, token: Token) -> TokenDocument:
        return replace(self, tokens=(*self.tokens, token))

    def changing(self, data: str, *, name: str, enabled: bool) -> TokenDocument:
        """The same document with another name and state for the token of this value, which itself never changes."""
        return replace(
            self,
            tokens=tuple(replace(t, name=name, enabled=enabled) if t.data == data else t for t in self.tokens),
        )

    def without(self, data: str) -> TokenDocument:
        return replace(self, tokens=tuple(token for token in self.tokens if token.data != data))

    def to_object(self) -> dict[str, Any]:
        return {**self.rest, "tokens": [token.dump() for token in self.tokens]}

    def dump(self, indent: int = 0) -> str:
        """JSON text of the whole document; escaped to ASCII, because a string inside a string may pass any encoding."""
        return strict_json.dumps(self.to_object(), indent)

    def same_as(self, other: TokenDocument) -> bool:
        return self.to_object() == other.to_object()


def parse(text: str) -> TokenDocument:
    """The document in a JSON text; DocumentError says what is wrong, and where, without quoting any of it."""
    try:
        value = decoded(text, "the token document")
    except DocumentError as error:
        raise DocumentError(f"{error}; {_ANOTHER}") from None
    return from_object(value)


def from_object(value: object) -> TokenDocument:
    """The document in decoded JSON. Only the shape is judged here: whether it may be written is `check_writable`."""
    if not isinstance(value, dict):
        raise DocumentError(f"the token document is not a JSON object; {_ANOTHER}")
    entries = value.get("tokens")
    if not isinstance(entries, list):
        raise DocumentError(f'the token document has no list "tokens"; {_ANOTHER}')
    return TokenDocument(tuple(_token(entry, place) for place, entry in enumerate(entries, 1)), value)


def decoded(text: str, what: str) -> object:
    """Decoded JSON for `strict_json.dumps`; refuses what could not be written back as it was (a key twice, NaN)."""
    try:
        return strict_json.loads(text, literals=True)
    except strict_json.DuplicateMember:
        raise DocumentError(f"{what} has one key twice in the same object") from None
    except strict_json.NotANumber:
        raise DocumentError(f"{what} is not JSON: it holds NaN or Infinity") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"{what} is not JSON (line {error.lineno}, column {error.colno})") from None
    except (RecursionError, ValueError):
        raise DocumentError(f"{what} is not JSON that can be read") from None


def _token(entry: object, place: int) -> Token:
    if not isinstance(entry, dict):
        raise DocumentError(f"token {place} of the document is not an object; {_ENTRY}")
    name = entry.get("tokenName")
    if not isinstance(name, str) or not name:
        raise DocumentError(f'token {place} of the document has no text "tokenName"; {_ENTRY}')
    if not isinstance(entry.get("enable"), bool):
        raise DocumentError(f'token {place} of the document has no "enable" that is true or false; {_ENTRY}')
    data = entry.get("tokenData", "")
    if not isinstance(data, str):
        raise DocumentError(f'token {place} of the document has a "tokenData" that is not text; {_ENTRY}')
    return Token(name, entry["enable"], data, entry)


def check_writable(document: TokenDocument) -> None:
    """Refuse a document that a write would damage: writing a mask back destroys the token behind it."""
    for token in document.tokens:
        if not token.data:
            raise DocumentError(
                f"{token.name} has an empty or missing tokenData; writing it back could destroy it. {_SEE_VALUES}"
            )
        if not legal(token.data):
            raise DocumentError(
                f"{token.name} has a masked value, or one outside {MIN_LENGTH}-{MAX_LENGTH} characters of the legal "
                f"alphabet; writing it back could destroy it. {_SEE_VALUES}"
            )
    for what, values in (("name", [t.name for t in document.tokens]), ("value", [t.data for t in document.tokens])):
        if len(set(values)) != len(values):
            raise DocumentError(f"two tokens of the document have the same {what}; delete or rename one of them")
    encoded(document.to_object(), "the token document")


def encoded(value: object, what: str) -> str:
    """JSON text of what `decoded` gave; DocumentError if it cannot be written."""
    try:
        return strict_json.dumps(value)
    except RecursionError:
        raise DocumentError(f"{what} is nested too deeply to be written back") from None


def legal(data: str) -> bool:
    """Is this a value that FC accepts? Both clouds are held to it, so that a document can move between them."""
    return _LEGAL.fullmatch(data) is not None


def fingerprint(data: str) -> str:
    """Eight hex digits that tell tokens apart and say nothing about them."""
    return hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def checksum(text: str) -> str:
    """CRC32 of a token's text before its last hyphen, in six base62 digits: a scanner can tell a real one offline."""
    number, digits = binascii.crc32(text.encode("ascii")), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def has_our_shape(data: str) -> bool:
    """Prefix, length, alphabet and checksum of a minted token."""
    if _OURS.fullmatch(data) is None:
        return False
    body, _, check = data.rpartition("-")
    return checksum(body) == check


def mint(now: datetime) -> Token:
    """A new enabled token of at least 256 bits whose name carries the time of its making."""
    import secrets  # not needed on the authorizer's path

    body = PREFIX + "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    data = f"{body}-{checksum(body)}"
    return Token(Marks(whole_second(now), fingerprint(data)).name(), True, data)


@dataclass(frozen=True)
class Marks:
    """What the name of a token of ours says: the document is all the memory that a rotation has."""

    created: datetime
    fingerprint: str
    delivered: datetime | None = None  # since when its clients have it; the latest one is the current token
    held: datetime | None = None  # when a client was last found to have it still, although a newer one was delivered
    revoked: datetime | None = None  # since when it is to be replaced, whatever its age
    disabled: datetime | None = None  # since when this tool holds it disabled

    def name(self) -> str:
        stem = f"mcp-{_stamp(self.created)}-{self.fingerprint}"
        marks = (("d", self.delivered), ("h", self.held), ("r", self.revoked), ("x", self.disabled))
        return stem + "".join(f"-{letter}{_stamp(time)}" for letter, time in marks if time)

    def times(self) -> tuple[datetime | None, ...]:
        """What it went through."""
        return (self.delivered, self.held, self.revoked, self.disabled)

    def same_token(self, other: Marks) -> bool:
        """Do both names belong to one token? What it went through since changes its name."""
        return (self.created, self.fingerprint) == (other.created, other.fingerprint)


def marks(name: str) -> Marks | None:
    """What a name says, if it is one that this tool gives."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        times = {key: _time(match[key]) for key in _MOMENTS if match[key]}
    except ValueError:  # the thirtieth of February
        return None
    return Marks(fingerprint=match["fingerprint"], **times)


def is_ours(token: Token) -> bool:
    """Did this tool make the token? Its name and its value must both say so, and belong together."""
    said = marks(token.name)
    return said is not None and has_our_shape(token.data) and said.fingerprint == fingerprint(token.data)


def created_at(token: Token) -> datetime | None:
    """When a token of ours was made; None for any other."""
    said = marks(token.name)
    return said.created if said and is_ours(token) else None


def whole_second(moment: datetime) -> datetime:
    """The moment in UTC, cut to the resolution that names have."""
    return moment.astimezone(timezone.utc).replace(microsecond=0)


def _stamp(moment: datetime) -> str:
    # strftime("%Y") does not pad years below 1000 on every system
    return f"{moment.year:04d}{moment:%m%dT%H%M%S}Z"


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
