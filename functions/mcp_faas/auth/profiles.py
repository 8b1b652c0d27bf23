"""How the access tokens of named issuers differ from RFC 9068: data with a provenance, no code and no I/O.

A profile never waives a check; it names what stands in for it. Choose one with MCP_JWT_PROFILE. Nobody has tried one
against a vendor's tenant: each `Fact` says where a statement is written, and how sure that makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

HOUR_SECONDS = 3600

# Whose ID tokens anybody in the world gets, with any subject of his own and for any audience that he likes: with
# such an issuer it is MCP_JWT_SUBJECTS that locks the door.
WORLDWIDE_ISSUERS = frozenset({"https://accounts.google.com"})

# ID token, logout token, security event, request object, introspection answer: never an access token, whatever its
# `typ` says (RFC 8725 §3.12).
_MARKS_OF_OTHER_TOKENS = frozenset(
    {"nonce", "at_hash", "c_hash", "s_hash", "events", "response_type", "redirect_uri", "token_introspection"}
)
# What Google adds when a person has logged in.
_MARKS_OF_PEOPLE = frozenset({"hd", "name", "given_name", "family_name", "picture", "locale"})


@dataclass(frozen=True)
class Fact:
    """One statement about an issuer's tokens and where it comes from.

    `documented`: the vendor's own page says so. `seen`: an example token, of the vendor or in public code, looks so.
    `assumed`: written nowhere that we could read; the stricter guess was taken.
    """

    says: str
    standing: Literal["documented", "seen", "assumed"]
    source: str


@dataclass(frozen=True)
class Profile:
    """What the verifier expects of one style of access token."""

    provenance: tuple[Fact, ...]
    types: frozenset[str] = frozenset({"at+jwt"})  # accepted `typ`, without `application/`; "" stands for none at all
    audience_claim: str = "aud"  # where it is another one, an `aud` that is there all the same must be ours, too
    client_claims: tuple[str, ...] = ("client_id",)  # the first one present names the client; one must be
    scope_claim: str = "scope"
    scope_form: Literal["text", "list"] = "text"
    # Texts, of which only the scopes may be empty; besides iss, exp, iat and the audience, which are never waived.
    required: frozenset[str] = frozenset({"sub"})
    any_of: frozenset[str] = frozenset()  # one must be there, and each that is a text or a list of texts, not empty
    equal: Mapping[str, str] = field(default_factory=dict)  # claims that must have exactly this text
    equal_if_present: Mapping[str, str] = field(default_factory=dict)
    forbidden: frozenset[str] = _MARKS_OF_OTHER_TOKENS
    max_lifetime_seconds: int = 24 * HOUR_SECONDS


_JWT = frozenset({"jwt", ""})  # a `typ` that says nothing: something else must tell access tokens from ID tokens
_RFC9068 = Profile(
    provenance=(
        Fact("typ is at+jwt", "documented", "RFC 9068 §2.1"),
        Fact("iss, exp, aud, sub, client_id, iat and jti are required", "documented", "RFC 9068 §2.2"),
        Fact("scope is text with blanks between scopes", "documented", "RFC 9068 §2.2.3, RFC 8693 §4.2"),
    ),
    required=frozenset({"sub", "client_id", "jti"}),
)

PROFILES: Mapping[str, Profile] = {
    "rfc9068": _RFC9068,
    "cognito": Profile(
        provenance=(
            Fact("no typ in the header, RS256", "documented", "Cognito: Understanding the access token, header"),
            Fact(
                "client_id names the app client, token_use is access; no aud",
                "documented",
                "Cognito: Understanding the access token, payload",
            ),
            Fact(
                "with resource binding aud is the resource",
                "documented",
                "Cognito: Scopes, M2M, and resource servers, section Resource binding",
            ),
            Fact("an ID token has token_use id", "documented", "Cognito: Understanding the ID token"),
            Fact(
                "a refresh token is encrypted, in five parts", "documented", "Cognito: Understanding the refresh token"
            ),
        ),
        types=_JWT,
        audience_claim="client_id",
        required=frozenset({"sub", "client_id", "jti", "token_use"}),
        equal={"token_use": "access"},
    ),
    "entra": Profile(
        provenance=(
            Fact(
                "typ is always JWT", "documented", "Microsoft identity platform: Access token claims reference, header"
            ),
            Fact(
                "azp (v2.0) or appid (v1.0) names the client; ver says which",
                "documented",
                "Microsoft identity platform: Access token claims reference, payload",
            ),
            Fact(
                "scp is text, for users only; roles is a list, also for applications",
                "documented",
                "Microsoft identity platform: Access token claims reference, payload",
            ),
            Fact(
                "an ID token has neither azp, appid nor scp, but may have roles",
                "documented",
                "Microsoft identity platform: ID token claims reference",
            ),
            Fact(
                "up to 28 h with continuous access evaluation",
                "documented",
                "Microsoft identity platform: Access tokens, token lifetime",
            ),
        ),
        types=frozenset({"jwt"}),
        client_claims=("azp", "appid"),
        scope_claim="scp",
        required=frozenset({"sub", "tid", "ver"}),
        any_of=frozenset({"scp", "roles"}),
        max_lifetime_seconds=28 * HOUR_SECONDS,
    ),
    "auth0": Profile(
        provenance=(
            Fact(
                "the Auth0 profile has azp, the RFC 9068 profile client_id and jti",
                "documented",
                "Auth0: Access Token Profiles",
            ),
            Fact("typ is JWT, or at+jwt in the RFC 9068 profile", "documented", "Auth0: Access Token Profiles"),
            Fact("aud is text or a list that may hold /userinfo, too", "documented", "Auth0: Validate Access Tokens"),
            Fact("an ID token has neither azp nor client_id", "seen", "Auth0: ID Token Structure, sample"),
        ),
        types=frozenset({"jwt", "at+jwt"}),
        client_claims=("client_id", "azp"),
    ),
    "okta": Profile(
        provenance=(
            Fact(
                "no typ in the header of a custom authorization server",
                "documented",
                "Okta support: The typ field is missing from the access token header",
            ),
            Fact(
                "the org authorization server writes application/okta-internal-at+jwt, for Okta itself alone",
                "documented",
                "Okta support: Validation failed on access token issued by the org authorization server",
            ),
            Fact(
                "cid names the client, scp is a list",
                "documented",
                "Okta: OpenID Connect & OAuth 2.0, access token payload",
            ),
            Fact(
                "an ID token has neither cid nor scp",
                "documented",
                "Okta: OpenID Connect & OAuth 2.0, ID token payload",
            ),
        ),
        types=_JWT | {"at+jwt"},
        client_claims=("cid", "client_id"),
        scope_claim="scp",
        scope_form="list",
        required=frozenset({"sub", "cid"}),
    ),
    "keycloak": Profile(
        provenance=(
            Fact(
                "typ in the header is JWT, or at+jwt if the client asks for it",
                "seen",
                "Keycloak: Server Administration, client settings",
            ),
            Fact("the claim typ is Bearer, ID, Refresh, Offline or Logout", "seen", "Keycloak: class TokenUtil"),
            Fact(
                "azp names the client; aud only by an audience mapper",
                "documented",
                "Keycloak: Server Administration, audience support",
            ),
            Fact("nonce is in ID tokens alone from 25 on", "documented", "Keycloak: Upgrading Guide, 25.0.0"),
            Fact("a refresh token is signed with HS512", "documented", "Keycloak: Server Administration, realm keys"),
        ),
        types=frozenset({"jwt", "at+jwt"}),
        client_claims=("azp", "client_id"),
        required=frozenset({"sub", "jti", "typ"}),
        equal={"typ": "Bearer"},
    ),
    "google": Profile(
        provenance=(
            Fact("access tokens are opaque; only ID tokens are JWTs", "documented", "Google Cloud: Token types"),
            Fact(
                "a service account gets ID tokens for any audience that it names",
                "documented",
                "Google Cloud: IAM credentials, serviceAccounts.generateIdToken",
            ),
            Fact("RS256, typ JWT, azp and sub, aud is text", "seen", "Google Cloud: Token types, ID tokens"),
            Fact(
                "hd, name, given_name, picture or at_hash: a person has logged in",
                "documented",
                "Google Identity: OpenID Connect, an ID token's payload",
            ),
        ),
        types=frozenset({"jwt"}),
        client_claims=("azp",),
        required=frozenset({"sub", "azp"}),
        forbidden=_MARKS_OF_OTHER_TOKENS | _MARKS_OF_PEOPLE,
    ),
    "scalekit": Profile(
        provenance=(
            Fact(
                "aud is a list; client_id, jti, nbf and sub are always there",
                "documented",
                "Scalekit: Access token claims",
            ),
            Fact("scopes is a list, RS256", "documented", "Scalekit: M2M JWT verification with JWKS and OAuth scopes"),
            Fact("an ID token has at_hash and azp, no client_id and no jti", "documented", "Scalekit: ID token claims"),
            Fact("typ is JWT, at+jwt or missing", "assumed", "no page says it"),
        ),
        types=_JWT | {"at+jwt"},
        scope_claim="scopes",
        scope_form="list",
        required=frozenset({"sub", "client_id", "jti"}),
    ),
    "workos": Profile(
        provenance=(
            Fact(
                "client_id, jti and scope are in user and M2M tokens",
                "documented",
                "WorkOS: Connect, Access token claims",
            ),
            Fact(
                "aud is the resource, else the environment's client id; for M2M always the latter",
                "documented",
                "WorkOS: Connect, Access token claims",
            ),
            Fact("no typ in the header, RS256", "seen", "WorkOS: Connect, Token, sample answer"),
            Fact("an ID token has neither client_id nor jti", "seen", "WorkOS: Connect, Token, decoded ID token"),
            Fact("a session token of api.workos.com has no aud", "seen", "WorkOS: AuthKit, Session tokens"),
        ),
        types=_JWT,
        required=frozenset({"sub", "client_id", "jti"}),
    ),
    "descope": Profile(
        provenance=(
            Fact(
                "the issuer is one MCP server's own URL, the keys are the project's",
                "documented",
                "Descope: MCP servers, Discovery Endpoints",
            ),
            Fact(
                "aud is the MCP server URL once that is set",
                "documented",
                "Descope: Python MCP SDK, Setting Up Your MCP Server",
            ),
            Fact("azp or client_id names the client; scope is text", "seen", "public code that verifies these tokens"),
            Fact(
                "drn is DS in a session token, DSR in a refresh token of the same key",
                "documented",
                "Descope: Session Overview",
            ),
            Fact("an ID token has no scope; typ is JWT or missing", "assumed", "no page says it"),
        ),
        types=_JWT,
        client_claims=("azp", "client_id"),
        required=frozenset({"sub", "scope"}),
        equal_if_present={"drn": "DS"},
    ),
    "idaas": Profile(
        provenance=(
            Fact(
                "iss is https://INSTANCE.aliyunidaas.com/api/v2/iauths_system/oauth2, the keys are at /jwks below it",
                "documented",
                "Alibaba Cloud IDaaS (EIAM): API reference, GetCloudAccount, example values",
            ),
            Fact(
                "aud is the audience and scope the permission of the called application",
                "documented",
                "Alibaba Cloud IDaaS: Agent Identity Security Sample, Inbound Access",
            ),
            Fact(
                "a scope is asked for as AUDIENCE|SCOPE",
                "documented",
                "Alibaba Cloud IDaaS (EIAM): M2M client token call examples",
            ),
            Fact("client_id or azp names the client; typ is JWT, at+jwt or missing", "assumed", "no page says it"),
            Fact("an ID token has no scope", "assumed", "no page says it"),
        ),
        types=_JWT | {"at+jwt"},
        client_claims=("client_id", "azp"),
        required=frozenset({"sub", "scope"}),
    ),
    "mcp-faas": replace(
        _RFC9068,
        provenance=(
            Fact("its access tokens are those of RFC 9068", "documented", "this repository: issuers/mcp-faas.md"),
        ),
    ),
}
