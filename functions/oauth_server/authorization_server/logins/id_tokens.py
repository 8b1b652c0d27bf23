"""Is this the ID token of this login? OpenID Connect Core §3.1.3.7, in its stricter readings. No I/O and no clock."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from joserfc import jwk, jws
from joserfc.errors import JoseError

from mcp_faas import strict_json

# Asymmetric ones alone, whatever is advertised: HS256 would be signed with a secret that others may know, too.
ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "Ed25519": "OKP",
}
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}
RSA_BITS = (2048, 8192)
SKEW_SECONDS = 30
AGE_MAX_SECONDS = 600  # as long as an authorization waits
TOKEN_MAX_CHARACTERS = 64 * 1024
SUBJECT_MAX_CHARACTERS = 255  # OpenID Connect Core §2
Key = jwk.RSAKey | jwk.ECKey | jwk.OKPKey


class IdTokenRefused(Exception):
    """Why; quotes nothing of the token."""


class KeyMissing(IdTokenRefused):
    """No published key fits: there may be a newer set."""


@dataclass(frozen=True)
class Wanted:
    """What the token of one login must say."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)


@dataclass(frozen=True)
class PublishedKey:
    """A key that may verify."""

    kid: str | None
    kind: str
    curve: str | None
    algorithm: str | None  # the one that its owner says
    key: Key = field(repr=False)

    def fits(self, kid: str | None, algorithm: str) -> bool:
        return (
            (kid is None or self.kid == kid)
            and self.kind == ALGORITHMS[algorithm]
            and self.curve == CURVES.get(algorithm)
            and self.algorithm in (None, algorithm)
        )


def read_keys(document: Mapping[str, Any]) -> tuple[PublishedKey, ...]:
    """The keys of a set that may verify; weak, private, symmetric and broken ones are left out (RFC 8725 §3.5)."""
    entries = document.get("keys")
    found = (_key(entry) for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()
    return tuple(key for key in found if key is not None)


def verify(token: str, keys: Sequence[PublishedKey], wanted: Wanted, now: float) -> dict[str, Any]:
    """The claims. Raises `IdTokenRefused`."""
    if len(token) > TOKEN_MAX_CHARACTERS:
        raise IdTokenRefused("it is too long")
    algorithm, kid = _header(token)
    fitting = [key for key in keys if key.fits(kid, algorithm)]
    if not fitting:
        raise KeyMissing("no published key fits")
    if len(fitting) > 1:
        raise IdTokenRefused("it does not say which key signed it")
    try:
        payload = jws.deserialize_compact(token, fitting[0].key, algorithms=[algorithm]).payload
    except (JoseError, ValueError, TypeError):
        raise IdTokenRefused("its signature is wrong") from None
    claims = _object(payload)
    _check(claims, wanted, now)
    return claims


def _header(token: str) -> tuple[str, str | None]:
    segments = token.split(".")
    if len(segments) != 3 or not all(re.fullmatch(r"[A-Za-z0-9_-]+", segment) for segment in segments):
        raise IdTokenRefused("it is no signed token")  # `none` comes without a signature
    try:
        header = _object(base64.urlsafe_b64decode(segments[0] + "=" * (-len(segments[0]) % 4)))
    except binascii.Error:
        raise IdTokenRefused("it is no signed token") from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise IdTokenRefused("its algorithm is not accepted")
    if not isinstance(kind, str) or kind.upper() != "JWT" or "crit" in header:
        raise IdTokenRefused("it is a token of another kind")
    if kid is not None and not isinstance(kid, str):
        raise IdTokenRefused("its key has no name")
    return algorithm, kid


def _check(claims: Mapping[str, Any], wanted: Wanted, now: float) -> None:
    if claims.get("iss") != wanted.issuer:
        raise IdTokenRefused("it is from another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if wanted.client_id not in audiences or not all(isinstance(entry, str) for entry in audiences):
        raise IdTokenRefused("it is for somebody else")
    # With others in the audience it must have been made for us; some providers name every client of a project.
    if claims.get("azp", None if len(audiences) > 1 else wanted.client_id) != wanted.client_id:
        raise IdTokenRefused("it was made for somebody else")
    expires, issued, early = (claims.get(name) for name in ("exp", "iat", "nbf"))
    if not _is_time(expires) or expires <= now - SKEW_SECONDS:
        raise IdTokenRefused("it has expired")
    if not _is_time(issued) or not now - AGE_MAX_SECONDS <= issued <= now + SKEW_SECONDS:
        raise IdTokenRefused("it was not made for this login")
    if early is not None and (not _is_time(early) or early > now + SKEW_SECONDS):
        raise IdTokenRefused("it is not valid yet")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), wanted.nonce.encode()):
        raise IdTokenRefused("it was not made for this login")
    subject = claims.get("sub")
    # Control characters have no business in what goes into logs and tokens.
    if not isinstance(subject, str) or not re.fullmatch(rf"[\x20-\x7e]{{1,{SUBJECT_MAX_CHARACTERS}}}", subject):
        raise IdTokenRefused("it names nobody")


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = strict_json.loads(text.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise IdTokenRefused("it is no signed token")
    return found


def _key(entry: Mapping[str, Any]) -> PublishedKey | None:
    kind, kid, algorithm = entry.get("kty"), entry.get("kid"), entry.get("alg")
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if not all(value is None or isinstance(value, str) for value in (kid, algorithm)) or "d" in entry:
        return None
    members = {name: value for name, value in entry.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    if not all(isinstance(value, str) for value in members.values()):
        return None
    try:
        if kind == "RSA":
            modulus = base64.urlsafe_b64decode(members["n"] + "==")
            if not RSA_BITS[0] <= int.from_bytes(modulus, "big").bit_length() <= RSA_BITS[1]:
                return None
            return PublishedKey(kid, kind, None, algorithm, jwk.RSAKey.import_key(members))
        if kind == "EC" and members["crv"] in CURVES.values():
            return PublishedKey(kid, kind, members["crv"], algorithm, jwk.ECKey.import_key(members))
        if kind == "OKP" and members["crv"] == "Ed25519":
            return PublishedKey(kid, kind, members["crv"], algorithm, jwk.OKPKey.import_key(members))
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return None
