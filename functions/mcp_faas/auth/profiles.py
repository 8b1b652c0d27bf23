"""How the access tokens of named issuers differ from RFC 9068: data with a provenance, no code.

A profile never waives a check; it names what stands in for it. Choose one with MCP_JWT_PROFILE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HOUR_SECONDS = 3600

# ID token, logout token, security event, request object, introspection answer: never an access token, whatever its
# `typ` says (RFC 8725 §3.12).
_MARKS_OF_OTHER_TOKENS = frozenset(
    {"nonce", "at_hash", "c_hash", "s_hash", "events", "response_type", "redirect_uri", "token_introspection"}
)


@dataclass(frozen=True)
class Profile:
    """What the verifier expects of one style of access token."""

    provenance: str
    types: frozenset[str] = frozenset({"at+jwt"})  # accepted `typ`, without `application/`; "" stands for none at all
    audience_claim: str = "aud"
    client_claims: tuple[str, ...] = ("client_id",)  # the first one present names the client; one must be
    scope_claim: str = "scope"
    scope_form: Literal["text", "list"] = "text"
    required: frozenset[str] = frozenset({"sub"})  # besides iss, exp, iat and the audience, which are never waived
    any_of: frozenset[str] = frozenset()  # one of these must be there
    equal: Mapping[str, str] = field(default_factory=dict)  # claims that must have exactly this text
    forbidden: frozenset[str] = _MARKS_OF_OTHER_TOKENS
    max_lifetime_seconds: int = 24 * HOUR_SECONDS


_JWT = frozenset({"jwt", ""})

PROFILES: Mapping[str, Profile] = {
    "rfc9068": Profile(
        provenance="RFC 9068 §2.2: iss, exp, aud, sub, client_id, iat and jti are required",
        required=frozenset({"sub", "client_id", "jti"}),
    ),
    "cognito": Profile(
        provenance="Amazon Cognito developer guide, access token payload: no aud, client_id and token_use instead",
        types=_JWT,
        audience_claim="client_id",
        required=frozenset({"sub", "client_id", "jti", "token_use"}),
        equal={"token_use": "access"},
    ),
    "entra": Profile(
        provenance="Microsoft identity platform, access token claims: azp (v2) or appid (v1), scp; up to 28 h",
        types=_JWT,
        client_claims=("azp", "appid"),
        scope_claim="scp",
        required=frozenset({"sub", "tid", "ver"}),
        any_of=frozenset({"scp", "roles"}),  # an ID token has the same `typ`, and neither
        max_lifetime_seconds=28 * HOUR_SECONDS,
    ),
    "auth0": Profile(
        provenance="Auth0 access token profiles: the default one has typ JWT and azp, the other is RFC 9068",
        types=_JWT | {"at+jwt"},
        client_claims=("client_id", "azp"),
    ),
    "okta": Profile(
        provenance="Okta custom authorization server, access token payload: cid, scp as a list",
        types=_JWT | {"at+jwt"},
        client_claims=("cid", "client_id"),
        scope_claim="scp",
        scope_form="list",
        required=frozenset({"sub", "cid"}),
    ),
    "keycloak": Profile(
        provenance="Keycloak server: typ JWT in the header, Bearer in the claim typ, azp; aud by an audience mapper",
        types=_JWT | {"at+jwt"},
        client_claims=("client_id", "azp"),
        required=frozenset({"sub", "jti", "typ"}),
        equal={"typ": "Bearer"},
    ),
    "google": Profile(
        provenance="Google service account ID tokens: Google's own access tokens are opaque, so machines send these",
        types=_JWT,
        client_claims=("azp",),
        required=frozenset({"sub", "azp"}),
    ),
    "scalekit": Profile(
        provenance="ScaleKit access tokens: client_id, scopes as a list",
        types=_JWT | {"at+jwt"},
        scope_claim="scopes",
        scope_form="list",
        required=frozenset({"sub", "client_id", "jti"}),
    ),
}
