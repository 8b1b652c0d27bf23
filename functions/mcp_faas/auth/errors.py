"""Why a door refuses: one ladder of exceptions, each with a stable `reason` for the log. No I/O, no words for callers.

What a caller hears is decided in `challenge.py` alone. A message here may name a claim or a header parameter, never
its value: values come from strangers and end up in the log.
"""

from __future__ import annotations

from typing import ClassVar


class AuthError(Exception):
    """A request that a door does not let in; `reason` is stable and goes to the audit line."""

    reason: ClassVar[str] = "refused"


class TokenMissing(AuthError):
    """No credentials in the one place where they count, the `Authorization` header (RFC 6750 §2.1)."""

    reason = "token_missing"


class RequestMalformed(AuthError):
    """Credentials that are not `Bearer` and one token: RFC 6750 §3.1 `invalid_request`."""

    reason = "request_malformed"


class GatewayMissing(AuthError):
    """Door `platform` with MCP_REQUIRE_AUTHORIZER: the event does not say whom an authorizer let in."""

    reason = "gateway_missing"


class OriginRefused(AuthError):
    """A browser origin that is not in MCP_ALLOWED_ORIGINS (MCP 2026-07-28, transports: 403)."""

    reason = "origin_not_allowed"


class ScopeMissing(AuthError):
    """A good token lacks a scope; `needed` are those that open the operation (RFC 6750 §3.1 `insufficient_scope`)."""

    reason = "scope_missing"

    def __init__(self, needed: frozenset[str]) -> None:
        super().__init__("needs " + " ".join(sorted(needed)))
        self.needed = needed


class KeysUnavailable(AuthError):
    """No key set was ever loaded, and the issuer does not answer: nothing can be decided."""

    reason = "keys_unavailable"


class TokensUnavailable(AuthError):
    """The token document cannot be read, or is none: nothing can be decided."""

    reason = "document_unavailable"


class TokenRejected(AuthError):
    """A token that is not accepted: RFC 6750 §3.1 `invalid_token`."""

    reason = "token_rejected"


class TokenUnknown(TokenRejected):
    """An opaque token that is in no enabled entry of the token document."""

    reason = "token_unknown"


class TokenMalformed(TokenRejected):
    """Not a compact JWS of three base64url parts with a JSON object in the first two (RFC 7515 §3.1)."""

    reason = "token_malformed"


class TokenTooLong(TokenRejected):
    """Longer than the cap, so that nothing of it was parsed."""

    reason = "token_too_long"


class AlgorithmRefused(TokenRejected):
    """`alg` is not one of ours (RFC 8725 §3.1)."""

    reason = "algorithm_refused"


class HeaderRefused(TokenRejected):
    """A header parameter that we do not accept: `crit`, `b64`, `zip`, a nested token, a `kid` out of bounds."""

    reason = "header_refused"


class TypeMismatch(TokenRejected):
    """The token says that it is something else than an access token (RFC 9068 §2.1, RFC 8725 §3.11)."""

    reason = "type_mismatch"


class KeyUnknown(TokenRejected):
    """The issuer's key set has no fitting key."""

    reason = "key_unknown"


class SignatureInvalid(TokenRejected):
    """The signature does not fit the key."""

    reason = "signature_invalid"


class IssuerMismatch(TokenRejected):
    """`iss` is not a configured issuer, compared byte by byte (RFC 9207 §2.4)."""

    reason = "issuer_mismatch"


class AudienceMismatch(TokenRejected):
    """The token was issued for another resource (RFC 9068 §4, RFC 8707)."""

    reason = "audience_mismatch"


class SubjectRefused(TokenRejected):
    """`sub` is not one of those whom MCP_JWT_SUBJECTS names."""

    reason = "subject_refused"


class ClaimMissing(TokenRejected):
    """A required claim is absent."""

    reason = "claim_missing"


class ClaimMalformed(TokenRejected):
    """A claim is of the wrong type or out of bounds."""

    reason = "claim_malformed"


class TokenExpired(TokenRejected):
    """`exp` has passed."""

    reason = "token_expired"


class TokenNotYetValid(TokenRejected):
    """`nbf` or `iat` lies in the future."""

    reason = "token_not_yet_valid"


class LifetimeTooLong(TokenRejected):
    """`exp` is further away than the cap, as with milliseconds in place of seconds."""

    reason = "lifetime_too_long"


class TokenBound(TokenRejected):
    """`cnf` binds the token to a key that a plain Bearer request does not prove (RFC 7800, RFC 9449)."""

    reason = "token_bound"
