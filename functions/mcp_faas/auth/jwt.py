"""Verify a JWT access token that `compact` took apart, with keys, a policy and a clock reading. No I/O.

RFC 9068 §4 is the list of checks, RFC 8725 the warnings, RFC 7515 and 7519 the grammar. Where they leave room the
stricter reading holds; docs/jwt.md lists those places. The signature itself is `signatures.py`'s work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature

from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.compact import Header, Unverified
from mcp_faas.auth.errors import (
    AlgorithmRefused,
    AudienceMismatch,
    ClaimMalformed,
    ClaimMissing,
    IssuerMismatch,
    LifetimeTooLong,
    SignatureInvalid,
    SubjectRefused,
    TokenBound,
    TokenExpired,
    TokenNotYetValid,
    TypeMismatch,
)
from mcp_faas.auth.keys import Key, KeySet
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.profiles import PROFILES, Profile
from mcp_faas.auth.scopes import is_scope

TEXT_CLAIM_MAX_CHARACTERS = 1024
LEEWAY_SECONDS = 30


@dataclass(frozen=True)
class Policy:
    """What one issuer's tokens must look like; `audiences` are the accepted values, any one of them is enough.

    Without one a token must be for the very endpoint that is called (RFC 8707 §2).
    `subjects` are the only ones let in; empty means everybody to whom the issuer gives a token.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset(ASYMMETRIC_ALGORITHMS)
    profile: Profile = PROFILES["rfc9068"]
    subjects: frozenset[str] = frozenset()


def issuer_of(token: Unverified) -> str:
    """`iss` as the token says it. Raises `ClaimMissing` or `ClaimMalformed`."""
    return _text(token.claims, "iss")


def check_header(header: Header, policy: Policy) -> None:
    """What can be judged without a key, so that a token that is none of ours costs no fetch of keys.

    Raises `AlgorithmRefused`, `HeaderRefused` or `TypeMismatch`.
    """
    if header.algorithm not in policy.algorithms:
        raise AlgorithmRefused("alg is not in MCP_JWT_ALGORITHMS")
    if header.kind not in policy.profile.types:
        raise TypeMismatch("typ is not that of an access token")


def verify(token: Unverified, keys: KeySet, policy: Policy, now: float, *, resource: str | None = None) -> Principal:
    """The principal of a token that passes every check of `policy` at `now` (seconds since the epoch).

    `resource` is the called endpoint's URL, where it is known.
    Raises a `TokenRejected` that says which check failed. The signature comes before the claims (ASVS 5.0 9.1.1).
    """
    profile = policy.profile
    check_header(token.header, policy)
    _check_signature(keys.find(token.header.kid, token.header.algorithm), token)
    claims = token.claims
    if issuer_of(token) != policy.issuer:
        raise IssuerMismatch("iss is not the configured issuer")
    expires_at = _check_times(claims, now, profile)
    if "cnf" in claims:
        raise TokenBound("cnf binds this token to a key that a plain request does not prove")
    _check_audience(claims, policy, resource)
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


def _check_signature(key: Key, token: Unverified) -> None:
    try:
        key.checks[token.header.algorithm](token.signature, token.signing_input)
    except InvalidSignature:
        raise SignatureInvalid("the signature does not fit the key") from None
    # A signature of the wrong length or form makes the library raise different things; all mean no.
    except Exception:  # noqa: BLE001
        raise SignatureInvalid("the signature has the wrong form") from None


def _check_times(claims: Mapping[str, Any], now: float, profile: Profile) -> int:
    expires_at = _number(claims, "exp")
    if now >= expires_at + LEEWAY_SECONDS:
        raise TokenExpired("exp has passed")
    issued_at = _number(claims, "iat")  # every profile has it; without it nobody could say how long a token lives
    if issued_at > now + LEEWAY_SECONDS:
        raise TokenNotYetValid("iat lies in the future")
    if expires_at - issued_at > profile.max_lifetime_seconds:
        raise LifetimeTooLong("exp is too long after iat")
    not_before = _number(claims, "nbf") if "nbf" in claims else 0
    if not_before > now + LEEWAY_SECONDS:
        raise TokenNotYetValid("nbf lies in the future")
    # Only the leeway could let in a token that was good at no moment by its own word.
    if expires_at <= issued_at or expires_at <= not_before:
        raise ClaimMalformed("exp does not lie after iat and nbf")
    return int(expires_at)


def _check_marks(claims: Mapping[str, Any], profile: Profile) -> None:
    for name in sorted(profile.required):
        if name not in claims:
            raise ClaimMissing(f"{name} is missing")
        # No scope at all is something that an issuer may say; a mark that says nothing marks nothing.
        if not _is_filled(claims[name]) and not (name == profile.scope_claim and claims[name] == ""):
            raise ClaimMalformed(f"{name} is not a text that says something")
    for choice in (profile.client_claims, profile.any_of):
        if choice and claims.keys().isdisjoint(choice):
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
    if not claims.keys().isdisjoint(profile.forbidden):
        raise TypeMismatch(f"{min(claims.keys() & profile.forbidden)} marks another kind of token")


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_filled_list(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(_is_filled(entry) for entry in value)


def _check_audience(claims: Mapping[str, Any], policy: Policy, resource: str | None) -> None:
    name = policy.profile.audience_claim
    itself = frozenset({resource} if resource else ())
    if (policy.audiences or itself).isdisjoint(_audiences(claims, name)):
        raise AudienceMismatch(f"{name} is not for this resource")
    # The issuer bound this one to a resource all the same (RFC 8707): then it is for that resource alone.
    if name != "aud" and "aud" in claims and (policy.audiences | itself).isdisjoint(_audiences(claims, "aud")):
        raise AudienceMismatch("aud is not for this resource")


def _audiences(claims: Mapping[str, Any], name: str) -> Sequence[str]:
    value = claims.get(name)
    if value is None:
        raise ClaimMissing(f"{name} is missing")
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value or not all(isinstance(entry, str) for entry in value):
        raise ClaimMalformed(f"{name} is neither text nor a list of texts")
    return value


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
    for word in words:
        if not (isinstance(word, str) and is_scope(word)):
            raise ClaimMalformed(f"{profile.scope_claim} holds something that is not a scope")
    return frozenset(words)


def _number(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2): a JSON number, finite and not negative; a boolean is none."""
    value = claims.get(name)
    if value is None and name not in claims:
        raise ClaimMissing(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ClaimMalformed(f"{name} is not a number")
    # Compared as it is: turning a 400-digit integer into a float would overflow. Infinity is out of bounds, too.
    if not 0 <= value < 2**53:
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
