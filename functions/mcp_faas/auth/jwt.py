"""Verify a JWT access token: `parse` its text, then `verify` it with keys, a policy and a clock reading. No I/O.

RFC 9068 §4 is the list of checks, RFC 8725 the warnings, RFC 7515 and 7519 the grammar. Where they leave room the
stricter reading holds; docs/jwt.md lists those places. The signature itself is PyJWT's and cryptography's work.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt.algorithms import get_default_algorithms

from mcp_faas import strict_json
from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.errors import (
    AlgorithmRefused,
    AudienceMismatch,
    ClaimMalformed,
    ClaimMissing,
    HeaderRefused,
    IssuerMismatch,
    LifetimeTooLong,
    SignatureInvalid,
    SubjectRefused,
    TokenBound,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    TokenTooLong,
    TypeMismatch,
)
from mcp_faas.auth.keys import KID_MAX_CHARACTERS, KeySet
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.profiles import PROFILES, Profile
from mcp_faas.auth.scopes import is_scope

TOKEN_MAX_CHARACTERS = 8192  # FC caps all request headers together at 8 KB; checked before anything is parsed
TEXT_CLAIM_MAX_CHARACTERS = 1024
LEEWAY_SECONDS = 30

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_ALGORITHMS = {name: get_default_algorithms()[name] for name in ASYMMETRIC_ALGORITHMS}


@dataclass(frozen=True)
class Policy:
    """What one issuer's tokens must look like; `audiences` are the accepted values, any one of them is enough.

    `resource` is the endpoint's URL, for issuers whose tokens name a resource beside what stands in for `aud`.
    `subjects` are the only ones let in; empty means everybody to whom the issuer gives a token.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset(ASYMMETRIC_ALGORITHMS)
    profile: Profile = PROFILES["rfc9068"]
    resource: str | None = None
    subjects: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Unverified:
    """A token that was taken apart and not yet believed: use it to choose a policy and a key, for nothing else."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def algorithm(self) -> str:
        """`alg`, one of ours. Raises `AlgorithmRefused`."""
        algorithm = self.header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
            raise AlgorithmRefused("alg is not an asymmetric algorithm that we know")
        return algorithm

    @property
    def kid(self) -> str | None:
        """`kid`, short printable text. Raises `HeaderRefused`."""
        kid = self.header.get("kid")
        if kid is None and "kid" not in self.header:
            return None
        if not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX_CHARACTERS or not kid.isprintable():
            raise HeaderRefused("kid is not a short printable text")
        return kid

    @property
    def issuer(self) -> str:
        """`iss` as the token says it. Raises `ClaimMissing` or `ClaimMalformed`."""
        return _text(self.claims, "iss")


def parse(token: str) -> Unverified:
    """Take a compact JWS apart (RFC 7515 §3.1). Raises `TokenTooLong` or `TokenMalformed`."""
    if len(token) > TOKEN_MAX_CHARACTERS:
        raise TokenTooLong(f"longer than {TOKEN_MAX_CHARACTERS} characters")
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise TokenMalformed("not three base64url parts")
    header, claims, signature = (_decode(part) for part in parts.groups())
    return Unverified(_json_object(header), _json_object(claims), token[: token.rindex(".")].encode("ascii"), signature)


def check_header(token: Unverified, policy: Policy) -> None:
    """What can be judged without a key, so that a token that is none of ours costs no fetch of keys.

    Raises `AlgorithmRefused`, `HeaderRefused` or `TypeMismatch`.
    """
    header = token.header
    if token.algorithm not in policy.algorithms:
        raise AlgorithmRefused("alg is not in MCP_JWT_ALGORITHMS")
    for name in ("crit", "b64", "zip"):
        if name in header:
            raise HeaderRefused(f"{name} is not supported")
    content = header.get("cty", "")
    if not isinstance(content, str) or content.lower().removeprefix("application/") == "jwt":
        raise HeaderRefused("cty says that another token is inside")
    if _kind(header) not in policy.profile.types:
        raise TypeMismatch("typ is not that of an access token")


def _kind(header: Mapping[str, Any]) -> str | None:
    """`typ` as profiles write it: "" where there is none at all, None where one is there and names no type."""
    if "typ" not in header:
        return ""
    kind = header["typ"]
    return (kind.lower().removeprefix("application/") or None) if isinstance(kind, str) else None


def verify(token: Unverified, keys: KeySet, policy: Policy, now: float) -> Principal:
    """The principal of a token that passes every check of `policy` at `now` (seconds since the epoch).

    Raises a `TokenRejected` that says which check failed. The signature comes before the claims (ASVS 5.0 9.1.1).
    """
    profile = policy.profile
    check_header(token, policy)
    key = keys.find(token.kid, token.algorithm)
    _check_signature(token.algorithm, token.signing_input, key.public, token.signature)
    claims = token.claims
    if token.issuer != policy.issuer:
        raise IssuerMismatch("iss is not the configured issuer")
    expires_at = _check_times(claims, now, profile)
    if "cnf" in claims:
        raise TokenBound("cnf binds this token to a key that a plain request does not prove")
    _check_audience(claims, policy)
    _check_marks(claims, profile)
    if policy.subjects and _text(claims, "sub") not in policy.subjects:
        raise SubjectRefused("sub is not in MCP_JWT_SUBJECTS")
    return Principal(
        client=next(_text(claims, name) for name in profile.client_claims if name in claims),
        subject=_text(claims, "sub"),
        issuer=policy.issuer,
        scopes=_scopes(claims, profile),
        expires_at=expires_at,
        claims=claims,
    )


def _decode(part: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise TokenMalformed("a part is not base64url") from None
    # Unused trailing bits would make several texts of one token; only the canonical one counts (RFC 4648 §3.5).
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode("ascii"):
        raise TokenMalformed("a part is not canonical base64url")
    return decoded


def _json_object(text: bytes) -> Mapping[str, Any]:
    try:
        value = strict_json.loads(text.decode())
    except (ValueError, RecursionError):
        raise TokenMalformed("header or payload is not strict JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise TokenMalformed("header or payload is not a JSON object")
    return value


def _check_signature(algorithm: str, signing_input: bytes, key: Any, signature: bytes) -> None:
    try:
        valid = _ALGORITHMS[algorithm].verify(signing_input, key, signature)
    # A signature of the wrong length or form makes the libraries raise different things; all mean no.
    except Exception:  # noqa: BLE001
        raise SignatureInvalid("the signature has the wrong form") from None
    if not valid:
        raise SignatureInvalid("the signature does not fit the key")


def _check_times(claims: Mapping[str, Any], now: float, profile: Profile) -> int:
    expires_at = _number(claims, "exp")
    if now >= expires_at + LEEWAY_SECONDS:
        raise TokenExpired("exp has passed")
    issued_at = _number(claims, "iat")  # every profile has it; without it nobody could say how long a token lives
    if issued_at > now + LEEWAY_SECONDS:
        raise TokenNotYetValid("iat lies in the future")
    if expires_at - issued_at > profile.max_lifetime_seconds:
        raise LifetimeTooLong("exp is too long after iat")
    if "nbf" in claims and _number(claims, "nbf") > now + LEEWAY_SECONDS:
        raise TokenNotYetValid("nbf lies in the future")
    # Only the leeway could let in a token that was good at no moment by its own word.
    for name in ("iat", "nbf"):
        if name in claims and expires_at <= _number(claims, name):
            raise ClaimMalformed(f"exp does not lie after {name}")
    return int(expires_at)


def _check_marks(claims: Mapping[str, Any], profile: Profile) -> None:
    for name in sorted(profile.required):
        if name not in claims:
            raise ClaimMissing(f"{name} is missing")
        # No scope at all is something that an issuer may say; a mark that says nothing marks nothing.
        if not _is_filled(claims[name]) and not (name == profile.scope_claim and claims[name] == ""):
            raise ClaimMalformed(f"{name} is not a text that says something")
    for choice in (frozenset(profile.client_claims), profile.any_of):
        if choice and choice.isdisjoint(claims):
            raise ClaimMissing(f"none of {', '.join(sorted(choice))} is there")
    for name in sorted(profile.any_of):
        if name in claims and not _is_filled(claims[name]) and not _is_filled_list(claims[name]):
            raise ClaimMalformed(f"{name} is neither a text nor a list of texts that says something")
    for name in ("jti", *profile.client_claims):
        if name in claims:
            _text(claims, name)
    for name, value in profile.equal.items():
        if _text(claims, name) != value:
            raise TypeMismatch(f"{name} is not that of an access token")
    for name, value in profile.equal_if_present.items():
        if name in claims and _text(claims, name) != value:
            raise TypeMismatch(f"{name} is not that of an access token")
    for name in sorted(profile.forbidden):
        if name in claims:
            raise TypeMismatch(f"{name} marks another kind of token")


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_filled_list(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(_is_filled(entry) for entry in value)


def _check_audience(claims: Mapping[str, Any], policy: Policy) -> None:
    name = policy.profile.audience_claim
    if policy.audiences.isdisjoint(_audiences(claims, name)):
        raise AudienceMismatch(f"{name} is not for this resource")
    if name != "aud" and "aud" in claims:
        # The issuer bound this one to a resource all the same (RFC 8707): then it is for that resource alone.
        ours = policy.audiences | ({policy.resource} if policy.resource else set())
        if ours.isdisjoint(_audiences(claims, "aud")):
            raise AudienceMismatch("aud is not for this resource")


def _audiences(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    value = claims.get(name)
    if value is None:
        raise ClaimMissing(f"{name} is missing")
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(isinstance(entry, str) for entry in entries):
        raise ClaimMalformed(f"{name} is neither text nor a list of texts")
    return frozenset(entries)


def _scopes(claims: Mapping[str, Any], profile: Profile) -> frozenset[str]:
    if profile.scope_claim not in claims:
        return frozenset()
    value = claims[profile.scope_claim]
    words: list[Any]
    if profile.scope_form == "text" and isinstance(value, str):
        words = value.split(" ") if value else []  # RFC 6749 §3.3: single blanks, no other white space
    elif profile.scope_form == "list" and isinstance(value, list):
        words = value
    else:
        raise ClaimMalformed(f"{profile.scope_claim} is not a {profile.scope_form}")
    if not all(isinstance(word, str) and is_scope(word) for word in words):
        raise ClaimMalformed(f"{profile.scope_claim} holds something that is not a scope")
    return frozenset(words)


def _number(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2): a JSON number, finite and not negative; a boolean is none."""
    value = claims.get(name)
    if value is None and name not in claims:
        raise ClaimMissing(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClaimMalformed(f"{name} is not a number")
    # Compared as it is: turning a 400-digit integer into a float would overflow.
    if (isinstance(value, float) and not math.isfinite(value)) or not 0 <= value < 2**53:
        raise ClaimMalformed(f"{name} is out of bounds")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None and name not in claims:
        raise ClaimMissing(f"{name} is missing")
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CLAIM_MAX_CHARACTERS:
        raise ClaimMalformed(f"{name} is not a text of 1 to {TEXT_CLAIM_MAX_CHARACTERS} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ClaimMalformed(f"{name} is not encodable text") from None
    return value
