"""The document of signing keys: who signs now, who is published, what a rotation does next. PURE but for randomness.

{"keys": [a private JWK with "created", in seconds]}. The document and the clock are all the state there is: a key is
published as soon as it is in the document, signs once every cache has had the time to see it, and stays published
until the last token that it can have signed is dead.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from mcp_faas import strict_json

ALGORITHM, CURVE = "ES256", "P-256"
# A server may sign and publish by a document this old (`key_source.py`) ...
OLDEST_DOCUMENT_SECONDS = 300
# ... and say of its key set that it may be kept this long; a resource server of ours keeps none longer either.
KEY_SET_MAX_AGE_SECONDS = 240
PUBLISHED_SECONDS = 600  # before a key signs; more than the two together, and a minute for clocks that differ
LONGEST_TOKEN_SECONDS = 24 * 3600  # no access token may live longer: OAUTH_ACCESS_TOKEN_TTL's upper bound
AFTERWARDS_SECONDS = 300  # clocks that differ, here and at a resource server
SKEW_SECONDS = 300  # a key from farther in the future than this is a mistake
MOST_KEYS = 40

_PRIVATE = ("kty", "crv", "x", "y", "d", "kid", "use", "alg")
_PUBLIC = tuple(name for name in _PRIVATE if name != "d")


class KeyDocumentError(ValueError):
    """A document of keys that is not understood, or must not be written. Never quotes a value."""


@dataclass(frozen=True)
class SigningKey:
    """One entry. Printing it never shows the private part."""

    kid: str
    created: int
    entry: Mapping[str, Any] = field(repr=False)  # as it was read, unknown members included

    def private_jwk(self) -> dict[str, str]:
        return {name: self._member(name) for name in _PRIVATE}

    def public_jwk(self) -> dict[str, str]:
        return {name: self._member(name) for name in _PUBLIC}

    def _member(self, name: str) -> str:
        value: str = self.entry.get(name, {"use": "sig", "alg": ALGORITHM}.get(name))
        return value


@dataclass(frozen=True)
class KeyDocument:
    """All keys, in the order of the document."""

    keys: tuple[SigningKey, ...] = ()

    @cached_property
    def by_age(self) -> tuple[SigningKey, ...]:
        """The oldest first."""
        return tuple(sorted(self.keys, key=lambda key: (key.created, key.kid)))

    def signer(self, now: float) -> SigningKey | None:
        """The newest that has been published for long enough; before there is one, the oldest, which all may know."""
        known = [key for key in self.by_age if key.created + PUBLISHED_SECONDS <= now]
        return known[-1] if known else next(iter(self.by_age), None)

    def published(self, now: float) -> tuple[SigningKey, ...]:
        """The keys of the public set, newest first."""
        return tuple(key for key in reversed(self.by_age) if (end := self.dead_at(key)) is None or now < end)

    def dead_at(self, key: SigningKey) -> int | None:
        """When the last token of this key is dead; None while no other follows it."""
        after = self.by_age[self.by_age.index(key) + 1 :]
        if not after:
            return None
        return after[0].created + PUBLISHED_SECONDS + LONGEST_TOKEN_SECONDS + AFTERWARDS_SECONDS

    def dump(self) -> str:
        return json.dumps({"keys": [dict(key.entry) for key in self.keys]}, indent=2) + "\n"


@dataclass(frozen=True)
class Step:
    """What a rotation writes next; nothing, if it neither adds nor drops."""

    document: KeyDocument
    added: str | None = None
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.added is not None or bool(self.dropped)


def plan(document: KeyDocument, now: int, max_age: int, *, compromised: bool = False) -> Step:
    """The next step: add a key where the newest is too old, drop those whose tokens are all dead.

    `compromised` is for keys that somebody else may have: all go at once, with every token that they have signed.
    """
    if any(key.created > now + SKEW_SECONDS for key in document.keys):
        raise KeyDocumentError("a key was created in the future; see that this machine's clock is right, or mend it")
    fresh = mint(now)
    if compromised:
        return Step(KeyDocument((fresh,)), fresh.kid, tuple(key.kid for key in document.keys))
    alive = document.published(now)
    kept = tuple(key for key in document.keys if key in alive)
    dropped = tuple(key.kid for key in document.keys if key not in alive)
    if document.by_age and now < document.by_age[-1].created + max_age:
        return Step(KeyDocument(kept), None, dropped)
    if len(kept) >= MOST_KEYS:
        raise KeyDocumentError(f"there are {len(kept)} keys that must stay published; rotate with a longer --max-age")
    return Step(KeyDocument((*kept, fresh)), fresh.kid, dropped)


def mint(now: int) -> SigningKey:
    """A new key for ES256."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    kid = secrets.token_hex(8)
    entry = {
        "kty": "EC",
        "crv": CURVE,
        "kid": kid,
        "use": "sig",
        "alg": ALGORITHM,
        "created": now,
        "x": _written(numbers.public_numbers.x),
        "y": _written(numbers.public_numbers.y),
        "d": _written(numbers.private_value),
    }
    return SigningKey(kid, now, entry)


def parse(text: str) -> KeyDocument:
    """The document that this text is. KeyDocumentError if any of it is not understood."""
    try:
        found = strict_json.loads(text)
    except (ValueError, RecursionError):
        raise KeyDocumentError("the document of signing keys is not JSON") from None
    if not isinstance(found, dict) or set(found) != {"keys"} or not isinstance(found["keys"], list):
        raise KeyDocumentError('the document of signing keys is not {"keys": [...]} with nothing beside it')
    keys = tuple(_key(entry, number) for number, entry in enumerate(found["keys"], 1))
    if len({key.kid for key in keys}) != len(keys):
        raise KeyDocumentError("two signing keys have one kid")
    return KeyDocument(keys)


def _key(entry: object, number: int) -> SigningKey:
    def refuse(what: str) -> KeyDocumentError:
        return KeyDocumentError(f"signing key {number} {what}")

    if not isinstance(entry, dict):
        raise refuse("is no object")
    if entry.get("kty") != "EC" or entry.get("crv") != CURVE:
        raise refuse("is not of type EC on the curve P-256")
    if entry.get("use", "sig") != "sig" or entry.get("alg", ALGORITHM) != ALGORITHM:
        raise refuse(f"is not for signatures with {ALGORITHM}")
    kid, created = entry.get("kid"), entry.get("created")
    if not isinstance(kid, str) or not 0 < len(kid) <= 128 or not kid.isascii() or not kid.isprintable():
        raise refuse("has no kid of printable characters")
    if not isinstance(created, int) or isinstance(created, bool) or created < 0:
        raise refuse('has no "created" in whole seconds')
    x, y, d = (_read(entry.get(name)) for name in ("x", "y", "d"))
    if x is None or y is None or d is None:
        raise refuse("has no x, y and d of 32 bytes each")
    try:
        numbers = ec.derive_private_key(d, ec.SECP256R1()).public_key().public_numbers()
    except ValueError:
        raise refuse("has a d that is no private key") from None
    if (numbers.x, numbers.y) != (x, y):
        raise refuse("has a private part that does not belong to its public one")
    return SigningKey(kid, created, entry)


def _written(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def _read(text: object) -> int | None:
    if not isinstance(text, str) or len(text) != 43:
        return None
    try:
        number = int.from_bytes(base64.b64decode(text + "=", altchars=b"-_", validate=True), "big")
    except (binascii.Error, ValueError):
        return None
    return number if _written(number) == text else None
