"""Tokens in the shape that each named issuer sends: honest ones with whom they stand for, hostile ones with the reason.

Made from the vendors' documentation (the sources stand in `profiles.py`); none was issued by a vendor. Times are
relative to `NOW`; `signed` moves them to any clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_faas.auth import errors
from mcp_faas.auth.principal import Principal
from support.jwts import NOW, RESOURCE, ec_key, ed_key, jwk, key_set, rsa_key, sign_parts

TIMES = ("iat", "exp", "nbf", "auth_time", "updated_at", "rexp")
Members = Mapping[str, Any]


@dataclass(frozen=True)
class Legitimate:
    """What an issuer honestly sends. `settings` lack the key set alone; `principal` is without its claims."""

    id: str
    profile: str
    settings: Mapping[str, str]
    header: Members
    claims: Members
    principal: Principal


@dataclass(frozen=True)
class Hostile:
    """What the same settings must refuse, and why. `text` is the whole token where it is no signed JSON at all."""

    id: str
    profile: str
    settings: Mapping[str, str]
    reason: type[errors.AuthError]
    header: Members = field(default_factory=dict)
    claims: Members = field(default_factory=dict)
    text: str | None = None
    forged: bool = False  # signed by a key that is not the issuer's


def key_for(algorithm: str) -> Any:
    """The one key of the tests for an algorithm; RSA for those that no key has."""
    if algorithm.startswith("ES"):
        return ec_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm])
    return ed_key() if algorithm == "EdDSA" else rsa_key()


def environment(token: Legitimate | Hostile) -> dict[str, str]:
    """The whole environment of a function that knows this issuer, its keys included."""
    header = token.header or {"alg": "RS256"}
    algorithm = str(header.get("alg", "RS256"))
    kid = header.get("kid")
    keys = key_set(jwk(key_for(algorithm), kid=kid if isinstance(kid, str) else "k1"))
    return {**token.settings, "MCP_DOOR": "jwt", "MCP_JWT_JWKS": keys.decode()}


def signed(token: Legitimate | Hostile, now: float = NOW) -> str:
    """The token as a client would send it at `now`."""
    if isinstance(token, Hostile) and token.text is not None:
        return token.text
    moved = int(now) - NOW
    claims = {name: value + moved if name in TIMES and value else value for name, value in token.claims.items()}
    algorithm = str(token.header.get("alg"))
    forged = isinstance(token, Hostile) and token.forged
    key = rsa_key(name="mallory") if forged else key_for(algorithm)
    return sign_parts(json.dumps(token.header).encode(), json.dumps(claims).encode(), algorithm=algorithm, key=key)


def changed(base: Members, changes: Members) -> dict[str, Any]:
    """A copy with these members changed; `...` takes one out."""
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


LEGITIMATE: list[Legitimate] = []
HOSTILE: list[Hostile] = []


class _Issuer:
    """One issuer's settings and plain token, to vary."""

    def __init__(
        self, profile: str, settings: Mapping[str, str], header: Members, claims: Members, principal: Principal
    ) -> None:
        self.profile = profile
        self.settings = {"MCP_PUBLIC_URL": RESOURCE, "MCP_JWT_PROFILE": profile, **settings}
        self.header = header
        self.claims = {"iss": settings["MCP_JWT_ISSUER"], "iat": NOW - 10, "exp": NOW + 3590, **claims}
        self.principal = principal

    def sends(
        self,
        what: str,
        claims: Members | None = None,
        *,
        header: Members | None = None,
        settings: Mapping[str, str] | None = None,
        client: str | None = None,
        subject: str | None = None,
        scopes: Iterable[str] | None = None,
        expires_at: int | None = None,
    ) -> None:
        """An honest token, and what it says about its bearer where that differs from the plain one."""
        expected = self.principal
        made = changed(self.claims, claims or {})
        LEGITIMATE.append(
            Legitimate(
                f"{self.profile}: {what}",
                self.profile,
                {**self.settings, **(settings or {})},
                changed(self.header, header or {}),
                made,
                Principal(
                    client=client or expected.client,
                    subject=subject or expected.subject,
                    issuer=made["iss"],
                    scopes=expected.scopes if scopes is None else frozenset(scopes),
                    expires_at=int(made["exp"]) if expires_at is None else expires_at,
                ),
            )
        )

    def refused(
        self,
        what: str,
        reason: type[errors.AuthError],
        claims: Members | None = None,
        *,
        header: Members | None = None,
        whole: Members | None = None,
        text: str | None = None,
        forged: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """A hostile token: the plain one with changes, or with `whole` as all its claims but issuer and times."""
        base = (
            self.claims if whole is None else {name: self.claims[name] for name in ("iss", "iat", "exp")} | dict(whole)
        )
        HOSTILE.append(
            Hostile(
                f"{self.profile}: {what}",
                self.profile,
                {**self.settings, **(settings or {})},
                reason,
                changed(self.header, header or {}),
                changed(base, claims or {}),
                text,
                forged,
            )
        )

    def refused_like_everywhere(self, audience: str = "aud") -> None:
        """What no profile may let in."""
        self.refused("for another audience", errors.AudienceMismatch, {audience: "somebody-else"})
        self.refused("issuer with one character more", errors.IssuerMismatch, {"iss": self.claims["iss"] + "x"})
        self.refused("by a stranger's key", errors.SignatureInvalid, forged=True)
        self.refused("alg none", errors.AlgorithmRefused, header={"alg": "none"})
        self.refused("over", errors.TokenExpired, {"iat": NOW - 4000, "exp": NOW - 60})
        self.refused("good for a week", errors.LifetimeTooLong, {"exp": NOW + 7 * 86_400})
        self.refused(
            "bound to a DPoP key", errors.TokenBound, {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}
        )
        self.refused("with an ID token's nonce", errors.TypeMismatch, {"nonce": "n-0S6_WzA2Mj"})
        self.refused("without a subject", errors.ClaimMissing, {"sub": ...})

    def logout_token(self, reason: type[errors.AuthError], header: Members, **claims: Any) -> None:
        """OpenID Connect Back-Channel Logout 1.0 §2.4, with the audience that we accept."""
        event: Members = {"http://schemas.openid.net/event/backchannel-logout": {}}
        self.refused(
            "its logout token", reason, whole={"sub": "alice", "jti": "l-1", "events": event, **claims}, header=header
        )


# RFC 9068 itself

plain = _Issuer(
    "rfc9068",
    {"MCP_JWT_ISSUER": "https://issuer.example.com"},
    {"alg": "RS256", "typ": "at+jwt", "kid": "k-2026"},
    {
        "aud": RESOURCE,
        "sub": "5ba552d67",
        "client_id": "s6BhdRkqt3",
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "scope": "mcp:tools mcp:notes:read",
    },
    Principal(client="s6BhdRkqt3", subject="5ba552d67", scopes=frozenset({"mcp:tools", "mcp:notes:read"})),
)
plain.sends("plain")
plain.sends("typ in its long form", header={"typ": "application/at+jwt"})
plain.sends("typ in capitals", header={"typ": "AT+JWT"})
plain.sends("audience as a list", {"aud": [RESOURCE]})
plain.sends("audience beside another", {"aud": ["https://other.example.com", RESOURCE]})
plain.sends("no scope", {"scope": ...}, scopes=())
plain.sends("scope empty", {"scope": ""}, scopes=())
plain.sends("client credentials, sub is the client", {"sub": "s6BhdRkqt3"}, subject="s6BhdRkqt3")
plain.sends(
    "with auth_time, acr and amr", {"auth_time": NOW - 100, "acr": "urn:mace:incommon:iap:silver", "amr": ["pwd"]}
)
plain.sends("with groups, roles and entitlements", {"groups": ["a"], "roles": ["b"], "entitlements": ["c"]})
plain.sends("with nbf", {"nbf": NOW - 10})
for name in ("RS512", "PS256", "ES256", "ES384", "EdDSA"):
    plain.sends(name, header={"alg": name})
plain.refused_like_everywhere()
plain.refused(
    "its ID token", errors.TypeMismatch, header={"typ": "JWT"}, whole={"aud": RESOURCE, "sub": "alice", "nonce": "n"}
)
plain.refused("typ missing", errors.TypeMismatch, header={"typ": ...})
plain.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
plain.refused("its refresh JWT", errors.TypeMismatch, header={"typ": "rt+jwt"})
plain.refused("without a client", errors.ClaimMissing, {"client_id": ...})
plain.refused("without a jti", errors.ClaimMissing, {"jti": ...})
plain.refused("scope as a list", errors.ClaimMalformed, {"scope": ["mcp:tools"]})

# Amazon Cognito

APP, SERVICE = "5tlppa3mo4rkd9vnhl4cq5eg7o", "1h57kf5cpq17m0eml12EXAMPLE"
SUB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
cognito = _Issuer(
    "cognito",
    {
        "MCP_JWT_ISSUER": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example",
        "MCP_JWT_AUDIENCE": f"{APP} {SERVICE}",
    },
    {"kid": "1234example=", "alg": "RS256"},
    {
        "sub": SUB,
        "client_id": APP,
        "origin_jti": "9dc1c2b3-6b9f-4b0e-8f9a-d9a3b5d8f2b1",
        "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
        "token_use": "access",
        "scope": "openid mcp/tools",
        "auth_time": NOW - 10,
        "jti": "2f4d1f4e-3c14-4f77-a1fb-4c8ec0f8f9aa",
        "username": "alice",
    },
    Principal(client=APP, subject=SUB, scopes=frozenset({"openid", "mcp/tools"})),
)
cognito.sends("plain, with no typ")
cognito.sends("typ JWT", header={"typ": "JWT"})
cognito.sends("from the second app client", {"client_id": SERVICE}, client=SERVICE)
cognito.sends(
    "client credentials",
    {"sub": SERVICE, "client_id": SERVICE, "version": 2, "username": ..., "origin_jti": ..., "event_id": ...},
    client=SERVICE,
    subject=SERVICE,
)
cognito.sends("with groups", {"cognito:groups": ["admins", "eu"]})
cognito.sends("with a device", {"device_key": "eu-west-1_aaaa-bbbb"})
cognito.sends(
    "made by the SDK, scope of the user himself",
    {"scope": "aws.cognito.signin.user.admin"},
    scopes=["aws.cognito.signin.user.admin"],
)
cognito.sends("no scope", {"scope": ...}, scopes=())
cognito.sends("scope with the URL of a resource server", {"scope": f"{RESOURCE}/tools"}, scopes=[f"{RESOURCE}/tools"])
cognito.sends("a day of life", {"exp": NOW - 10 + 86_400})
cognito.sends("federated, with claims of a trigger", {"username": "Google_1177", "tenant": "t-1"})
cognito.sends("bound to this resource", {"aud": RESOURCE})
cognito.sends("bound to this resource in a list", {"aud": [RESOURCE]})
cognito.refused_like_everywhere("client_id")
cognito_id = {
    "sub": SUB,
    "aud": APP,
    "token_use": "id",
    "cognito:username": "alice",
    "email": "alice@example.com",
    "email_verified": True,
    "jti": "j",
    "origin_jti": "o",
    "auth_time": NOW - 10,
}
cognito.refused("its ID token", errors.ClaimMissing, whole=cognito_id)
cognito.refused(
    "an ID token with a client_id by a trigger", errors.TypeMismatch, whole={**cognito_id, "client_id": APP}
)
cognito.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, client_id=APP)
cognito.refused(
    "its refresh token, a JWE", errors.TokenMalformed, text="eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"
)
cognito.refused("bound to another resource", errors.AudienceMismatch, {"aud": "https://other.example.com/mcp"})
cognito.refused("without a jti", errors.ClaimMissing, {"jti": ...})
cognito.refused("token_use missing", errors.ClaimMissing, {"token_use": ...})
cognito.refused("client_id missing, our audience in aud", errors.ClaimMissing, {"client_id": ..., "aud": APP})
cognito.refused(
    "of another pool", errors.IssuerMismatch, {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other"}
)

# Microsoft Entra ID, tokens of version 2.0 and 1.0

TENANT, API, CALLER = (
    "72f988bf-86f1-41af-91ab-2d7cd011db47",
    "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "04f0c124-f2bc-4f59-8241-bf6df9866bbd",
)
OID = "690222be-ff1a-4d56-abd1-7e4f7d38e474"
entra = _Issuer(
    "entra",
    {"MCP_JWT_ISSUER": f"https://login.microsoftonline.com/{TENANT}/v2.0", "MCP_JWT_AUDIENCE": f"{API} api://{API}"},
    {"typ": "JWT", "alg": "RS256", "kid": "CNv0OI3RwqlHFEVnaoMAshCH2XE"},
    {
        "aud": API,
        "nbf": NOW - 10,
        "aio": "AXQAi/8IAAAA",
        "azp": CALLER,
        "azpacr": "0",
        "name": "Abe Lincoln",
        "oid": OID,
        "preferred_username": "abeli@example.com",
        "rh": "I",
        "scp": "mcp.tools",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    Principal(client=CALLER, subject="HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", scopes=frozenset({"mcp.tools"})),
)
V1 = {
    "iss": f"https://sts.windows.net/{TENANT}/",
    "aud": f"api://{API}",
    "appid": CALLER,
    "appidacr": "0",
    "azp": ...,
    "azpacr": ...,
    "preferred_username": ...,
    "unique_name": "abeli@example.com",
    "ver": "1.0",
}
OF_V1 = {"MCP_JWT_ISSUER": f"https://sts.windows.net/{TENANT}/"}
entra.sends("v2.0, a user")
entra.sends("v2.0, several scopes", {"scp": "mcp.tools mcp.notes.read"}, scopes=["mcp.tools", "mcp.notes.read"])
entra.sends("v2.0, a user with app roles", {"roles": ["Task.Read"]})
APP_ONLY = {
    "scp": ...,
    "name": ...,
    "preferred_username": ...,
    "roles": ["Tools.Call"],
    "idtyp": "app",
    "sub": OID,
    "azpacr": "1",
}
entra.sends("v2.0, an application by its roles", APP_ONLY, subject=OID, scopes=())
entra.sends(
    "v2.0, an application with a certificate", {**APP_ONLY, "azpacr": "2", "idtyp": ...}, subject=OID, scopes=()
)
entra.sends("v2.0, aud as the application id URI", {"aud": f"api://{API}"})
entra.sends("v2.0, 28 hours with continuous access evaluation", {"exp": NOW - 10 + 28 * 3600, "xms_cc": ["CP1"]})
entra.sends(
    "v2.0, optional claims", {"groups": [OID], "ipaddr": "192.0.2.1", "login_hint": "x", "wids": [OID], "sid": OID}
)
entra.sends("v2.0, a guest", {"acct": 1, "email": "guest@example.org", "idp": "https://sts.windows.net/other/"})
entra.sends("v2.0, x5t beside kid", header={"x5t": "CNv0OI3RwqlHFEVnaoMAshCH2XE"})
entra.sends("v1.0, a user", V1, settings=OF_V1)
entra.sends(
    "v1.0, several scopes",
    {**V1, "scp": "user_impersonation mcp.tools"},
    settings=OF_V1,
    scopes=["user_impersonation", "mcp.tools"],
)
entra.sends(
    "v1.0, an application",
    {**V1, **APP_ONLY, "azpacr": ..., "unique_name": ...},
    settings=OF_V1,
    subject=OID,
    scopes=(),
)
entra.sends(
    "v1.0, with acr, amr and x5t", {**V1, "acr": "1", "amr": ["pwd", "mfa"]}, settings=OF_V1, header={"x5t": "x"}
)
entra.sends("v1.0, aud as a bare id", {**V1, "aud": API}, settings=OF_V1)
entra.refused_like_everywhere()
entra_id = {
    name: entra.claims[name] for name in ("name", "oid", "preferred_username", "sub", "tid", "ver", "aud", "uti", "rh")
}
entra.refused("its ID token", errors.ClaimMissing, whole=entra_id)
entra.refused("its ID token with app roles", errors.ClaimMissing, whole={**entra_id, "roles": ["Task.Read"]})
entra.refused(
    "its v1.0 ID token",
    errors.ClaimMissing,
    whole={**entra_id, "ver": "1.0", "unique_name": "abeli@example.com", "amr": ["pwd"]},
)
entra.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=API)
entra.refused("its refresh token, opaque", errors.TokenMalformed, text="0.AQ8AmYfXn2gWjkSQUQ.AgABAAEAAADnfolhJpSn")
entra.refused("neither scp nor roles", errors.ClaimMissing, {"scp": ...})
entra.refused("scp as a list", errors.ClaimMalformed, {"scp": ["mcp.tools"]})
entra.refused("for Microsoft Graph", errors.AudienceMismatch, {"aud": "00000003-0000-0000-c000-000000000000"})
entra.refused(
    "of another tenant",
    errors.IssuerMismatch,
    {"iss": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"},
)
entra.refused("v1.0 at the issuer of v2.0", errors.IssuerMismatch, V1)
entra.refused("typ missing", errors.TypeMismatch, header={"typ": ...})
entra.refused("without a tenant", errors.ClaimMissing, {"tid": ...})
entra.refused("without a version", errors.ClaimMissing, {"ver": ...})

# Auth0

auth0 = _Issuer(
    "auth0",
    {"MCP_JWT_ISSUER": "https://my-domain.eu.auth0.com/"},
    {"alg": "RS256", "typ": "JWT", "kid": "NzBBQzQ3QUE2Nzc4"},
    {"sub": "auth0|123456", "aud": RESOURCE, "azp": "my_client_id", "scope": "openid mcp:tools"},
    Principal(client="my_client_id", subject="auth0|123456", scopes=frozenset({"openid", "mcp:tools"})),
)
RFC_DIALECT = {"azp": ..., "client_id": "my_client_id", "jti": "73WakrfVbNJBaAmhQtEeDv"}
AT = {"typ": "at+jwt"}
auth0.sends("the Auth0 profile")
auth0.sends("with /userinfo as second audience", {"aud": [RESOURCE, "https://my-domain.eu.auth0.com/userinfo"]})
auth0.sends(
    "client credentials",
    {"sub": "my_client_id@clients", "gty": "client-credentials", "scope": "mcp:tools"},
    subject="my_client_id@clients",
    scopes=["mcp:tools"],
)
auth0.sends("with permissions", {"permissions": ["read:patients"]})
auth0.sends("no scope", {"scope": ...}, scopes=())
auth0.sends("of an organization", {"org_id": "org_9ybsU1dN2dKfDkBi", "org_name": "acme"})
auth0.sends("with a claim of an action", {"https://example.com/roles": ["admin"]})
auth0.sends("PS256", header={"alg": "PS256"})
auth0.sends("a social login", {"sub": "google-oauth2|1030"}, subject="google-oauth2|1030")
auth0.sends("a day of life", {"exp": NOW - 10 + 86_400})
auth0.sends("the RFC 9068 profile", RFC_DIALECT, header=AT)
auth0.sends("the RFC 9068 profile with permissions", {**RFC_DIALECT, "permissions": ["a:b"]}, header=AT)
auth0.sends(
    "the RFC 9068 profile, two audiences",
    {**RFC_DIALECT, "aud": [RESOURCE, "https://my-domain.eu.auth0.com/userinfo"]},
    header=AT,
)
auth0.sends(
    "a custom domain", {"iss": "https://login.example.com/"}, settings={"MCP_JWT_ISSUER": "https://login.example.com/"}
)
auth0.refused_like_everywhere()
auth0_id = {
    "sub": "auth0|123456",
    "aud": RESOURCE,
    "name": "Jane Doe",
    "nickname": "jane",
    "email": "jane@example.com",
    "sid": "s",
}
auth0.refused("its ID token", errors.ClaimMissing, whole=auth0_id)
auth0.refused(
    "an ID token whose action added azp", errors.TypeMismatch, whole={**auth0_id, "azp": "my_client_id", "nonce": "n"}
)
auth0.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
auth0.refused("its refresh token, opaque", errors.TokenMalformed, text="v1.MRjxKG5hVQkYoG0RWKkmPBHH1Ox0nJ")
auth0.refused(
    "its encrypted access token", errors.TokenMalformed, text="eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..a.b.c"
)
auth0.refused("HS256, with the API's secret", errors.AlgorithmRefused, header={"alg": "HS256"})
auth0.refused("issuer without its slash", errors.IssuerMismatch, {"iss": "https://my-domain.eu.auth0.com"})
auth0.refused("for /userinfo alone", errors.AudienceMismatch, {"aud": "https://my-domain.eu.auth0.com/userinfo"})
auth0.refused("without a client", errors.ClaimMissing, {"azp": ...})

# Okta, a custom authorization server

okta = _Issuer(
    "okta",
    {"MCP_JWT_ISSUER": "https://example.okta.com/oauth2/default", "MCP_JWT_AUDIENCE": "api://default"},
    {"kid": "45js03w0djwedsw", "alg": "RS256"},
    {
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "aud": "api://default",
        "sub": "alice@example.com",
        "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ujmkLgagxeRrAg20g3",
        "scp": ["openid", "mcp:tools"],
    },
    Principal(client="nmdP1fcyvdVO11AL7ECm", subject="alice@example.com", scopes=frozenset({"openid", "mcp:tools"})),
)
okta.sends("plain, with no typ")
okta.sends(
    "client credentials",
    {"sub": "nmdP1fcyvdVO11AL7ECm", "uid": ..., "scp": ["mcp:tools"]},
    subject="nmdP1fcyvdVO11AL7ECm",
    scopes=["mcp:tools"],
)
okta.sends("one scope", {"scp": ["mcp:tools"]}, scopes=["mcp:tools"])
okta.sends("no scope", {"scp": ...}, scopes=())
okta.sends("with auth_time", {"auth_time": NOW - 100})
okta.sends("with groups and custom claims", {"groups": ["Everyone"], "department": "R&D", "email": "alice@example.com"})
okta.sends("audience is this endpoint", {"aud": RESOURCE}, settings={"MCP_JWT_AUDIENCE": RESOURCE})
okta.sends("audience is the public URL by default", {"aud": RESOURCE}, settings={"MCP_JWT_AUDIENCE": ""})
okta.sends("audience as a list", {"aud": ["api://default"]})
okta.sends(
    "another authorization server",
    {"iss": "https://example.okta.com/oauth2/aus1abcd"},
    settings={"MCP_JWT_ISSUER": "https://example.okta.com/oauth2/aus1abcd"},
)
okta.sends(
    "a custom domain",
    {"iss": "https://id.example.com/oauth2/default"},
    settings={"MCP_JWT_ISSUER": "https://id.example.com/oauth2/default"},
)
okta.sends("24 hours of life", {"exp": NOW - 10 + 86_400})
okta.sends("typ at+jwt", header={"typ": "at+jwt"})
okta.refused_like_everywhere()
okta_id = {
    "ver": 1,
    "jti": "ID.4eAWJOCMB3SX8XewDfVR",
    "aud": "api://default",
    "sub": "00uid4BxXw6I6TV4m0g3",
    "idp": "00ok1u7AsAkrwdZL3z0i3",
    "amr": ["pwd"],
    "auth_time": NOW - 10,
    "name": "Alice",
    "email": "alice@example.com",
}
okta.refused("its ID token", errors.ClaimMissing, whole=okta_id)
okta.refused(
    "its ID token with at_hash and a cid by a mapping",
    errors.TypeMismatch,
    whole={**okta_id, "cid": "c", "at_hash": "preview_at_hash"},
)
okta.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud="api://default")
okta.refused("its refresh token, opaque", errors.TokenMalformed, text="MIOf-U1zQbyfa3MUfJHhvnUqIut9ClH0xjlDXGJAyqo")
okta.refused("of the org authorization server", errors.TypeMismatch, header={"typ": "application/okta-internal-at+jwt"})
okta.refused("issuer is the org", errors.IssuerMismatch, {"iss": "https://example.okta.com"})
okta.refused("scp as text", errors.ClaimMalformed, {"scp": "openid mcp:tools"})
okta.refused("a number among the scopes", errors.ClaimMalformed, {"scp": ["mcp:tools", 1]})
okta.refused("two scopes in one entry", errors.ClaimMalformed, {"scp": ["openid mcp:tools"]})
okta.refused("without cid", errors.ClaimMissing, {"cid": ...})
okta.refused("with client_id for cid", errors.ClaimMissing, {"cid": ..., "client_id": "nmdP1fcyvdVO11AL7ECm"})

# Keycloak

keycloak = _Issuer(
    "keycloak",
    {"MCP_JWT_ISSUER": "https://sso.example.com/realms/demo"},
    {"alg": "RS256", "typ": "JWT", "kid": "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE"},
    {
        "auth_time": NOW - 60,
        "jti": "onrtac:9c8d0f4e-53f2-4a2c-8f6e-0d4e6a8f3c55",
        "aud": [RESOURCE, "account"],
        "sub": "f:5b2c:alice",
        "typ": "Bearer",
        "azp": "mcp-client",
        "sid": "1f0c9a5e",
        "acr": "1",
        "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["offline_access", "default-roles-demo"]},
        "resource_access": {"account": {"roles": ["view-profile"]}},
        "scope": "openid email profile mcp:tools",
        "email_verified": True,
        "name": "Alice Example",
        "preferred_username": "alice",
        "given_name": "Alice",
        "family_name": "Example",
        "email": "alice@example.com",
    },
    Principal(
        client="mcp-client", subject="f:5b2c:alice", scopes=frozenset({"openid", "email", "profile", "mcp:tools"})
    ),
)
LIGHT = dict.fromkeys(
    (
        "auth_time",
        "acr",
        "allowed-origins",
        "realm_access",
        "resource_access",
        "email_verified",
        "name",
        "given_name",
        "family_name",
        "email",
        "preferred_username",
    ),
    ...,
)
keycloak.sends("plain")
keycloak.sends("audience as text", {"aud": RESOURCE})
keycloak.sends("typ at+jwt, which a client can ask for", header={"typ": "at+jwt"})
keycloak.sends(
    "a service account",
    {
        **LIGHT,
        "jti": "trrtcc:2f1d",
        "clientHost": "192.0.2.7",
        "client_id": "mcp-client",
        "clientAddress": "192.0.2.7",
        "preferred_username": "service-account-mcp-client",
        "scope": "mcp:tools",
        "sid": ...,
    },
    scopes=["mcp:tools"],
)
keycloak.sends("light", LIGHT)
keycloak.sends("of a version before 26, with session_state", {"session_state": "1f0c9a5e", "jti": "9c8d0f4e-53f2"})
keycloak.sends(
    "with a path before realms",
    {"iss": "https://sso.example.com/auth/realms/demo"},
    settings={"MCP_JWT_ISSUER": "https://sso.example.com/auth/realms/demo"},
)
keycloak.sends("ES256", header={"alg": "ES256"})
keycloak.sends("PS256", header={"alg": "PS256"})
keycloak.sends("EdDSA", header={"alg": "EdDSA"})
keycloak.sends("with an organization", {"organization": {"acme": {"id": "1"}}})
keycloak.sends("nbf of older versions", {"nbf": 0})
keycloak.sends("no scope but the empty text", {"scope": ""}, scopes=())
keycloak.refused_like_everywhere()
keycloak.refused("its ID token", errors.TypeMismatch, {"typ": "ID", "aud": RESOURCE, "at_hash": "x"})
keycloak.refused("its ID token without any hash", errors.TypeMismatch, {"typ": "ID", "aud": RESOURCE, "scope": ...})
keycloak.refused(
    "its refresh JWT", errors.AlgorithmRefused, {"typ": "Refresh", "aud": RESOURCE}, header={"alg": "HS512"}
)
keycloak.refused("a refresh JWT with the realm's RSA key", errors.TypeMismatch, {"typ": "Refresh", "aud": RESOURCE})
keycloak.refused("an offline token", errors.TypeMismatch, {"typ": "Offline", "aud": RESOURCE})
keycloak.logout_token(errors.TypeMismatch, {}, aud=RESOURCE, typ="Logout", azp="mcp-client")
keycloak.refused("a logout token by its header alone", errors.TypeMismatch, header={"typ": "logout+jwt"})
keycloak.refused("typ of DPoP", errors.TypeMismatch, {"typ": "DPoP"})
keycloak.refused("without a jti", errors.ClaimMissing, {"jti": ...})
keycloak.refused("the claim typ missing", errors.ClaimMissing, {"typ": ...})
keycloak.refused("the claim typ in small letters", errors.TypeMismatch, {"typ": "bearer"})
keycloak.refused("for account alone, without an audience mapper", errors.AudienceMismatch, {"aud": "account"})
keycloak.refused("of another realm", errors.IssuerMismatch, {"iss": "https://sso.example.com/realms/master"})
keycloak.refused("light and without the basic scope, so without sub", errors.ClaimMissing, {**LIGHT, "sub": ...})

# Google: service accounts' ID tokens

ACCOUNT = "117734567890123456789"
google = _Issuer(
    "google",
    {"MCP_JWT_ISSUER": "https://accounts.google.com", "MCP_JWT_SUBJECTS": f"{ACCOUNT} 100000000000000000002"},
    {"alg": "RS256", "kid": "763f7c4cd26a1eb2b1b39a88f4434d1f4d9a368b", "typ": "JWT"},
    {
        "aud": RESOURCE,
        "azp": ACCOUNT,
        "email": "bot@acme.iam.gserviceaccount.com",
        "email_verified": True,
        "sub": ACCOUNT,
    },
    Principal(client=ACCOUNT, subject=ACCOUNT, scopes=frozenset()),
)
google.sends("a service account")
google.sends("without an email", {"email": ..., "email_verified": ...})
google.sends(
    "azp as the account's email", {"azp": "bot@acme.iam.gserviceaccount.com"}, client="bot@acme.iam.gserviceaccount.com"
)
google.sends(
    "of a machine, in the full format", {"google": {"compute_engine": {"project_id": "acme", "zone": "europe-west1-b"}}}
)
google.sends(
    "the second account",
    {"sub": "100000000000000000002", "azp": "100000000000000000002"},
    client="100000000000000000002",
    subject="100000000000000000002",
)
google.sends("an hour of life", {"iat": NOW, "exp": NOW + 3600})
google.sends("almost over", {"iat": NOW - 3595, "exp": NOW + 5})
google.sends("of the default compute account", {"email": "1234-compute@developer.gserviceaccount.com"})
google.sends(
    "audience set by hand",
    {"aud": "https://tools.example.com"},
    settings={"MCP_JWT_AUDIENCE": "https://tools.example.com"},
)
google.sends("a clock 20 s ahead", {"iat": NOW + 20, "exp": NOW + 3620})
google.refused_like_everywhere()
google.refused(
    "a service account of anybody else in the world",
    errors.SubjectRefused,
    {"sub": "100000000000000000666", "azp": "100000000000000000666"},
)
google.refused("an email of ours at a stranger's account", errors.SubjectRefused, {"sub": "100000000000000000666"})
person = {
    "aud": RESOURCE,
    "azp": "1-a.apps.googleusercontent.com",
    "sub": ACCOUNT,
    "email": "jane@example.com",
    "email_verified": True,
}
google.refused(
    "the ID token of a person's login",
    errors.TypeMismatch,
    whole={**person, "name": "Jane", "picture": "https://x", "given_name": "Jane"},
)
google.refused("its ID token with at_hash", errors.TypeMismatch, whole={**person, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q"})
google.refused("the ID token of a Workspace user", errors.TypeMismatch, whole={**person, "hd": "example.com"})
google.refused(
    "the ID token of an app, for that app", errors.AudienceMismatch, {"aud": "1-a.apps.googleusercontent.com"}
)
google.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
google.refused("its refresh token, opaque", errors.TokenMalformed, text="1//0gAbCdEfGhIjKlMnOpQrStUvWxYz")
google.refused("its access token, opaque", errors.TokenMalformed, text="ya29.a0AfH6SMBx-1234567890")
google.refused("issuer without a scheme", errors.IssuerMismatch, {"iss": "accounts.google.com"})
google.refused("without azp", errors.ClaimMissing, {"azp": ...})

# Scalekit

scalekit = _Issuer(
    "scalekit",
    {"MCP_JWT_ISSUER": "https://acme.scalekit.com"},
    {"alg": "RS256", "kid": "snk_58327480989122566", "typ": "JWT"},
    {
        "aud": [RESOURCE],
        "client_id": "skc_987654321098765432",
        "jti": "tkn_987654321098765432",
        "nbf": NOW - 10,
        "sub": "usr_987654321098765432",
        "scopes": ["mcp:tools", "mcp:notes:read"],
    },
    Principal(
        client="skc_987654321098765432",
        subject="usr_987654321098765432",
        scopes=frozenset({"mcp:tools", "mcp:notes:read"}),
    ),
)
scalekit.sends("plain")
scalekit.sends("no typ", header={"typ": ...})
scalekit.sends("typ at+jwt", header={"typ": "at+jwt"})
scalekit.sends(
    "of a session, with roles and permissions",
    {"roles": ["member"], "permissions": ["projects:read"], "oid": "org_1", "sid": "ses_1"},
)
scalekit.sends(
    "M2M of an organization",
    {"client_id": "m2morg_69038819013296423", "sub": "m2morg_69038819013296423", "oid": "org_1"},
    client="m2morg_69038819013296423",
    subject="m2morg_69038819013296423",
)
scalekit.sends("one scope", {"scopes": ["deploy:applications"]}, scopes=["deploy:applications"])
scalekit.sends("no scope", {"scopes": ...}, scopes=())
scalekit.sends("an empty list of scopes", {"scopes": []}, scopes=())
scalekit.sends("a resource id beside the URL", {"aud": ["res_1234", RESOURCE]})
scalekit.sends("the resource id alone", {"aud": ["res_1234"]}, settings={"MCP_JWT_AUDIENCE": "res_1234"})
scalekit.sends("audience as text", {"aud": RESOURCE})
scalekit.sends(
    "a custom domain", {"iss": "https://auth.example.com"}, settings={"MCP_JWT_ISSUER": "https://auth.example.com"}
)
scalekit.refused_like_everywhere()
scalekit_id = {
    "azp": "skc_1",
    "aud": [RESOURCE],
    "amr": ["conn_1"],
    "sub": "conn_1;google-oauth2|1046",
    "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
    "c_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
    "name": "John Doe",
    "email": "john.doe@example.com",
}
scalekit.refused("its ID token", errors.ClaimMissing, whole=scalekit_id)
scalekit.refused(
    "an ID token with client_id and jti", errors.TypeMismatch, whole={**scalekit_id, "client_id": "skc_1", "jti": "j"}
)
scalekit.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=[RESOURCE])
scalekit.refused("its refresh token, opaque", errors.TokenMalformed, text="rtk_Jz4mO0l8Wq")
scalekit.refused("scopes as text", errors.ClaimMalformed, {"scopes": "mcp:tools"})
scalekit.refused("of the app alone", errors.AudienceMismatch, {"aud": ["skc_987654321098765432"]})
scalekit.refused("M2M with no audience", errors.ClaimMissing, {"aud": ...})
scalekit.refused("without a client", errors.ClaimMissing, {"client_id": ...})
scalekit.refused("without a jti", errors.ClaimMissing, {"jti": ...})

# WorkOS AuthKit (Connect)

USER = "user_01JPXN6KA7622KJ4VP83X1NTKX"
workos = _Issuer(
    "workos",
    {"MCP_JWT_ISSUER": "https://acme.authkit.app"},
    {"alg": "RS256", "kid": "sso_oidc_key_pair_01JPXN6KF7NAEAZTFDYESAE0KX"},
    {
        "aud": RESOURCE,
        "sub": USER,
        "client_id": "client_01JP8BD0CZ401TDF9X54NT5ZEK",
        "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
        "sid": "app_consent_01JPXN6KAQW83AMXXY5WX3RHTJ",
        "jti": "01JPXN6KFGZQYW3AM2DEVX84YS",
        "scope": "openid profile mcp:tools",
        "exp": NOW + 290,
    },
    Principal(
        client="client_01JP8BD0CZ401TDF9X54NT5ZEK", subject=USER, scopes=frozenset({"openid", "profile", "mcp:tools"})
    ),
)
MACHINE = "client_01KMACHINE"
workos.sends("a user")
workos.sends("typ JWT", header={"typ": "JWT"})
workos.sends("no organization", {"org_id": ...})
workos.sends(
    "a client by its metadata document",
    {"client_id": "https://claude.ai/oauth/client-metadata.json"},
    client="https://claude.ai/oauth/client-metadata.json",
)
workos.sends("no scope", {"scope": ...}, scopes=())
workos.sends("with role and permissions", {"role": "member", "roles": ["member"], "permissions": ["posts:read"]})
workos.sends("with claims of a template", {"urn:example:tier": "gold", "email": "alice@example.com"})
workos.sends("audience as a list", {"aud": [RESOURCE]})
workos.sends(
    "a custom domain", {"iss": "https://auth.example.com"}, settings={"MCP_JWT_ISSUER": "https://auth.example.com"}
)
ENVIRONMENT = {"MCP_JWT_AUDIENCE": f"{RESOURCE} client_123456789"}
workos.sends(
    "M2M, for the environment",
    {"sub": MACHINE, "client_id": MACHINE, "sid": ..., "aud": "client_123456789", "scope": "mcp:tools"},
    settings=ENVIRONMENT,
    client=MACHINE,
    subject=MACHINE,
    scopes=["mcp:tools"],
)
workos.sends("a user, no resource configured", {"aud": "client_123456789"}, settings=ENVIRONMENT)
workos.sends("a day of life", {"exp": NOW - 10 + 86_400})
workos.refused_like_everywhere()
workos_id = {
    "aud": RESOURCE,
    "sub": USER,
    "name": "Leroy Jenkins",
    "given_name": "Leroy",
    "email": "leroy@example.com",
    "email_verified": True,
}
workos.refused("its ID token", errors.ClaimMissing, whole=workos_id)
workos.refused(
    "its ID token with a nonce and a client",
    errors.TypeMismatch,
    whole={**workos_id, "client_id": "c", "jti": "j", "nonce": "n"},
)
workos.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
workos.refused("its refresh token, opaque", errors.TokenMalformed, text="yAjhKk123NLIjdrBdGZPf8pLIDvK")
workos.refused(
    "a session token at the AuthKit domain",
    errors.ClaimMissing,
    whole={"sub": USER, "sid": "session_01", "jti": "j", "org_id": "o"},
)
workos.refused("a session token of api.workos.com", errors.IssuerMismatch, {"iss": "https://api.workos.com"})
workos.refused("of the older shape, without a client", errors.ClaimMissing, {"client_id": ...})
workos.refused(
    "for the environment, where only the resource counts", errors.AudienceMismatch, {"aud": "client_123456789"}
)
workos.refused("without a jti", errors.ClaimMissing, {"jti": ...})
workos.refused("scope as a list", errors.ClaimMalformed, {"scope": ["mcp:tools"]})

# Descope

PROJECT = "P32juVkF2iM8wAGoM8PiLkGi6POV"
descope = _Issuer(
    "descope",
    {"MCP_JWT_ISSUER": f"https://api.descope.com/v1/apps/agentic/{PROJECT}/MS35d1Xw1Yo6zozsW7n8BU6xLmnAs"},
    {"alg": "RS256", "kid": "SK32juXx", "typ": "JWT"},
    {
        "aud": [RESOURCE, PROJECT],
        "azp": "TPA35d1Y",
        "client_id": "TPA35d1Y",
        "drn": "DS",
        "sub": "U2YualoWDiRkFAEpoyOwAEyT07jk",
        "scope": "mcp:tools openid",
        "amr": ["email"],
    },
    Principal(client="TPA35d1Y", subject="U2YualoWDiRkFAEpoyOwAEyT07jk", scopes=frozenset({"mcp:tools", "openid"})),
)
descope.sends("plain")
descope.sends("no typ", header={"typ": ...})
descope.sends("without drn", {"drn": ...})
descope.sends("without client_id", {"client_id": ...})
descope.sends("without azp", {"azp": ...})
descope.sends("audience as text", {"aud": RESOURCE})
descope.sends(
    "with tenants, roles and permissions",
    {"tenants": {"T1": {"roles": ["r"], "permissions": ["p"]}}, "dct": "T1", "roles": ["r"], "permissions": ["p"]},
)
descope.sends("one scope", {"scope": "mcp:tools"}, scopes=["mcp:tools"])
descope.sends("empty scope", {"scope": ""}, scopes=())
descope.sends("of a machine", {"sub": "TPA35d1Y", "amr": ["oauth"]}, subject="TPA35d1Y")
descope.sends(
    "the project's issuer",
    {"iss": f"https://api.descope.com/v1/apps/{PROJECT}", "aud": [PROJECT]},
    settings={"MCP_JWT_ISSUER": f"https://api.descope.com/v1/apps/{PROJECT}", "MCP_JWT_AUDIENCE": PROJECT},
)
descope.sends(
    "a custom domain",
    {"iss": f"https://auth.example.com/v1/apps/agentic/{PROJECT}/MS1"},
    settings={"MCP_JWT_ISSUER": f"https://auth.example.com/v1/apps/agentic/{PROJECT}/MS1"},
)
descope.sends(
    "a client by its metadata document",
    {"azp": "https://client.example.com/c.json", "client_id": "https://client.example.com/c.json"},
    client="https://client.example.com/c.json",
)
descope.refused_like_everywhere()
descope_id = {
    "aud": [RESOURCE, PROJECT],
    "sub": "U2",
    "azp": "TPA35d1Y",
    "name": "Alice",
    "email": "alice@example.com",
    "drn": "DS",
}
descope.refused("its ID token", errors.ClaimMissing, whole=descope_id)
descope.refused(
    "its ID token with a nonce, and a scope by a template",
    errors.TypeMismatch,
    whole={**descope_id, "scope": "openid", "nonce": "n"},
)
descope.refused("its refresh JWT, with the same key", errors.TypeMismatch, {"drn": "DSR"})
descope.refused(
    "a refresh JWT without drn, by its life of weeks", errors.LifetimeTooLong, {"drn": ..., "exp": NOW + 28 * 86_400}
)
descope.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
descope.refused(
    "of another MCP server in the project, with the same key",
    errors.IssuerMismatch,
    {"iss": f"https://api.descope.com/v1/apps/agentic/{PROJECT}/MS1"},
)
descope.refused("a session of the project, whose issuer is its id", errors.IssuerMismatch, {"iss": PROJECT})
descope.refused("for the project alone", errors.AudienceMismatch, {"aud": [PROJECT]})
descope.refused("without a client", errors.ClaimMissing, {"azp": ..., "client_id": ...})

# Alibaba Cloud IDaaS (EIAM)

idaas = _Issuer(
    "idaas",
    {"MCP_JWT_ISSUER": "https://acme.aliyunidaas.com/api/v2/iauths_system/oauth2"},
    {"alg": "RS256", "kid": "KEY1", "typ": "JWT"},
    {
        "aud": RESOURCE,
        "sub": "user_d6sbsuumeta4h66ec3il7yxxxx",
        "client_id": "app_mkv7rgt4d7i4u7zqtzev2mxxxx",
        "scope": "mcp.access",
        "jti": "AT1",
    },
    Principal(
        client="app_mkv7rgt4d7i4u7zqtzev2mxxxx",
        subject="user_d6sbsuumeta4h66ec3il7yxxxx",
        scopes=frozenset({"mcp.access"}),
    ),
)
BOT = "app_m5dozzesno52mxxxx"
idaas.sends("a user")
idaas.sends("no typ", header={"typ": ...})
idaas.sends("typ at+jwt", header={"typ": "at+jwt"})
idaas.sends("a machine", {"sub": BOT, "client_id": BOT}, client=BOT, subject=BOT)
idaas.sends("several scopes", {"scope": "mcp.access read:file"}, scopes=["mcp.access", "read:file"])
idaas.sends("azp for the client", {"client_id": ..., "azp": BOT}, client=BOT)
idaas.sends("audience as a list", {"aud": [RESOURCE]})
idaas.sends(
    "an audience of its own", {"aud": "api://api.example.com"}, settings={"MCP_JWT_AUDIENCE": "api://api.example.com"}
)
idaas.sends("twenty minutes of life", {"exp": NOW - 10 + 1200})
idaas.sends("without a jti", {"jti": ...})
idaas.sends(
    "scope with its audience before it",
    {"scope": "https://mcp.example.com|mcp.access"},
    scopes=["https://mcp.example.com|mcp.access"],
)
idaas.sends("with nbf", {"nbf": NOW - 10})
idaas.refused_like_everywhere()
idaas_id = {"aud": RESOURCE, "sub": "user_d6", "name": "Alice", "preferred_username": "alice", "client_id": BOT}
idaas.refused("its ID token", errors.ClaimMissing, whole=idaas_id)
idaas.refused(
    "its ID token with at_hash and a scope", errors.TypeMismatch, whole={**idaas_id, "scope": "openid", "at_hash": "x"}
)
idaas.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
idaas.refused("its refresh token, opaque", errors.TokenMalformed, text="RT8csE2sepE4TT9j45xFgRGhEDyS3ovf")
idaas.refused("an opaque access token", errors.TokenMalformed, text="AT8csE2sepE4TT9j45xFgRGhEDyS3ovf")
idaas.refused(
    "of the OIDC endpoint of one application",
    errors.IssuerMismatch,
    {"iss": "https://eiam-api-cn-hangzhou.aliyuncs.com/v2/idaas_x/app_x/oidc"},
)
idaas.refused("for STS", errors.AudienceMismatch, {"aud": "urn:cloud:idaas:sts:x:x"})
idaas.refused("HS256, as CIAM signs", errors.AlgorithmRefused, header={"alg": "HS256"})
idaas.refused("without a client", errors.ClaimMissing, {"client_id": ...})

# The authorization server of this repository

own = _Issuer(
    "mcp-faas",
    {"MCP_JWT_ISSUER": "https://mcp.example.com"},
    {"alg": "ES256", "typ": "at+jwt", "kid": "k-20260101"},
    {"aud": RESOURCE, "sub": "github|1", "client_id": "c-1", "jti": "t-1", "scope": "mcp:tools", "exp": NOW + 890},
    Principal(client="c-1", subject="github|1", scopes=frozenset({"mcp:tools"})),
)
own.sends("a user")
own.sends("RS256", header={"alg": "RS256"})
own.sends("EdDSA", header={"alg": "EdDSA"})
own.sends("client credentials", {"sub": "c-1"}, subject="c-1")
own.sends(
    "a client by its metadata document",
    {"client_id": "https://claude.ai/oauth/client-metadata.json"},
    client="https://claude.ai/oauth/client-metadata.json",
)
own.sends("no scope", {"scope": ...}, scopes=())
own.sends("several scopes", {"scope": "mcp:tools mcp:notes:read"}, scopes=["mcp:tools", "mcp:notes:read"])
own.sends("with auth_time", {"auth_time": NOW - 30})
own.sends("audience as a list", {"aud": [RESOURCE]})
own.sends("two resources", {"aud": [RESOURCE, "https://other.example.com/mcp"]})
own.refused_like_everywhere()
own.refused(
    "its ID token", errors.TypeMismatch, header={"typ": "JWT"}, whole={"aud": RESOURCE, "sub": "github|1", "nonce": "n"}
)
own.logout_token(errors.TypeMismatch, {"typ": "logout+jwt"}, aud=RESOURCE)
own.refused("its refresh token, opaque", errors.TokenMalformed, text="r-0123456789abcdef0123456789abcdef")
own.refused(
    "a client's assertion",
    errors.TypeMismatch,
    header={"typ": "JWT"},
    whole={"aud": RESOURCE, "sub": "c-1", "jti": "j"},
)
own.refused("an assertion of enterprise-managed authorization", errors.TypeMismatch, header={"typ": "oauth-id-jag+jwt"})
own.refused("without a jti", errors.ClaimMissing, {"jti": ...})
