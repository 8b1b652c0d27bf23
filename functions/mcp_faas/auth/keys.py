"""JWK set policy: which keys of an issuer's set may verify which algorithms. No I/O; the set arrives as bytes.

A key that is weak, broken, symmetric, private, for encryption or of an unknown type is left out, and the good ones
work. RFC 7517, RFC 7518, RFC 8037; RFC 8725 §3.1: one key, one algorithm family.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from mcp_faas.auth.algorithms import CURVE_ALGORITHMS, EDWARDS_ALGORITHMS, RSA_ALGORITHMS
from mcp_faas.auth.errors import KeyUnknown
from mcp_faas.auth.signatures import Check, PublicKey, check_with

KID_MAX_CHARACTERS = 256
RSA_MIN_BITS, RSA_MAX_BITS = 2048, 8192  # below: NIST SP 800-131A; above: the check itself becomes the attack
SET_MAX_KEYS = 100


class KeySetMalformed(Exception):
    """Not a JWK set at all: the message says why, without quoting it."""


class _KeyLeftOut(Exception):
    """Why one key of a set is not used."""


@dataclass(frozen=True)
class Key:
    """A public key with the algorithms that it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    public: PublicKey = field(repr=False)

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """Algorithm -> its check with this key."""
        return {algorithm: check_with(self.public, algorithm) for algorithm in self.algorithms}


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a set, and for the log why each of the others was left out."""

    keys: tuple[Key, ...]
    left_out: tuple[str, ...] = ()

    def find(self, kid: str | None, algorithm: str) -> Key:
        """The one key for a token's `kid` and `alg`, or `KeyUnknown`.

        A token without `kid` is verified only where exactly one key fits its algorithm (RFC 7515 §4.1.4).
        """
        fitting = self._fitting.get((kid, algorithm), ())
        if len(fitting) != 1:
            raise KeyUnknown("no key with this kid and algorithm" if not fitting else "no kid, and several keys fit")
        return fitting[0]

    @cached_property
    def _fitting(self) -> Mapping[tuple[str | None, str], Sequence[Key]]:
        """(kid, algorithm) of a token -> the keys that may be meant; each key may be for a token without `kid`."""
        found: dict[tuple[str | None, str], list[Key]] = {}
        for key in self.keys:
            for kid, algorithm in product({key.kid, None}, key.algorithms):
                found.setdefault((kid, algorithm), []).append(key)
        return found


def parse_key_set(document: bytes) -> KeySet:
    """Read a JWK set (RFC 7517 §5). Raises `KeySetMalformed` when it is none or holds no usable key."""
    try:
        parsed = json.loads(document.decode())
    except (ValueError, RecursionError):
        raise KeySetMalformed("it is not JSON in UTF-8") from None
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise KeySetMalformed("it has no list called `keys`")
    if len(entries) > SET_MAX_KEYS:
        raise KeySetMalformed(f"it has {len(entries)} keys; the limit is {SET_MAX_KEYS}")
    keys: list[Key] = []
    left_out: list[str] = []
    for index, entry in enumerate(entries):
        try:
            keys.append(_parse_key(entry))
        except _KeyLeftOut as why:
            left_out.append(f"key {index}: {why}")
    # Two keys that could both answer for one token: nobody can say which is meant, so neither is used.
    clashing = {
        index
        for index, key in enumerate(keys)
        for other, rival in enumerate(keys)
        if index != other and key.kid is not None and key.kid == rival.kid and key.algorithms & rival.algorithms
    }
    left_out += [f"{len(clashing)} keys share a kid"] if clashing else []
    usable = tuple(key for index, key in enumerate(keys) if index not in clashing)
    if not usable:
        raise KeySetMalformed("it has no usable key: " + ("; ".join(left_out) or "it is empty"))
    return KeySet(usable, tuple(left_out))


def _parse_key(entry: Any) -> Key:
    if not isinstance(entry, dict):
        raise _KeyLeftOut("not an object")
    kind, kid, use, operations = (entry.get(name) for name in ("kty", "kid", "use", "key_ops"))
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX_CHARACTERS):
        raise _KeyLeftOut("kid is not a short text")
    if use not in (None, "sig"):
        raise _KeyLeftOut("not for signatures (use)")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise _KeyLeftOut("not for verification (key_ops)")
    if "d" in entry or "k" in entry:
        raise _KeyLeftOut("symmetric or private: an issuer must never publish it")
    try:
        public, algorithms = _public_key(kind, entry)
    except _KeyLeftOut:
        raise
    # What a library raises on a stranger's key is not one type: PyJWT, cryptography and base64 each have their own.
    except Exception as error:  # noqa: BLE001
        raise _KeyLeftOut(f"broken ({type(error).__name__})") from None
    declared = entry.get("alg")
    if declared is not None:
        algorithms = algorithms & {declared} if isinstance(declared, str) else frozenset()
    if not algorithms:
        raise _KeyLeftOut("alg does not fit the key")
    return Key(kid, algorithms, public)


def _public_key(kind: object, entry: Mapping[str, Any]) -> tuple[PublicKey, frozenset[str]]:
    if kind == "RSA":
        rsa = RSAAlgorithm.from_jwk(dict(entry))
        if not isinstance(rsa, RSAPublicKey):
            raise _KeyLeftOut("not a public key")
        if not RSA_MIN_BITS <= rsa.key_size <= RSA_MAX_BITS:
            raise _KeyLeftOut(f"RSA with {rsa.key_size} bits; {RSA_MIN_BITS} to {RSA_MAX_BITS} are accepted")
        return rsa, frozenset(RSA_ALGORITHMS)
    if kind == "EC" and entry.get("crv") in CURVE_ALGORITHMS:
        curve = ECAlgorithm.from_jwk(dict(entry))
        if not isinstance(curve, EllipticCurvePublicKey):
            raise _KeyLeftOut("not a public key")
        return curve, frozenset({CURVE_ALGORITHMS[entry["crv"]]})
    if kind == "OKP" and entry.get("crv") in ("Ed25519", "Ed448"):
        edwards = OKPAlgorithm.from_jwk(dict(entry))
        if not isinstance(edwards, Ed25519PublicKey | Ed448PublicKey):
            raise _KeyLeftOut("not a public key")
        return edwards, frozenset(EDWARDS_ALGORITHMS)
    raise _KeyLeftOut("unknown type or curve")
