"""Family `cross-type`: other tokens of the same issuer, sent as access tokens (RFC 8725 §3.11, §3.12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hostile.case import Case, Expect, World, bearer, invalid_token, token_case
from support.jwts import ISSUER

TYPE = invalid_token("type_mismatch")
# What a token of another kind lacks or has besides its `typ` differs: the caller hears the same.
OTHER_KIND = invalid_token(
    "type_mismatch",
    "claim_missing",
    "claim_malformed",
    "audience_mismatch",
    "issuer_mismatch",
    "token_bound",
    "token_expired",
)


def other_tokens(world: World) -> dict[str, tuple[str, dict[str, Any]]]:
    """What issuers sign besides access tokens: the native `typ`, and the claims that its standard wants."""
    now, own = world.now, world.resource
    base = {"iss": ISSUER, "iat": now - 10, "exp": now + 3000, "jti": "other-1"}
    person = {**base, "sub": "alice", "aud": "client-1"}
    return {
        "ID token": ("JWT", {**person, "nonce": "n-1", "auth_time": now - 20, "at_hash": "x" * 22}),
        "ID token without nonce": ("JWT", person),
        "ID token for the resource": ("JWT", {**person, "aud": own, "azp": "client-1"}),
        "ID token with everything": (
            "JWT",
            {**person, "aud": [own, "client-1"], "nonce": "n", "client_id": "client-1", "scope": "mcp:tools"},
        ),
        "hybrid ID token": (
            "JWT",
            {**person, "aud": own, "c_hash": "x" * 22, "s_hash": "x" * 22, "client_id": "client-1"},
        ),
        "logout token": (
            "logout+jwt",
            {
                **base,
                "aud": own,
                "sub": "alice",
                "client_id": "c",
                "sid": "s",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            },
        ),
        "security event": (
            "secevent+jwt",
            {
                **base,
                "aud": own,
                "sub": "alice",
                "client_id": "c",
                "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}},
            },
        ),
        "DPoP proof": ("dpop+jwt", {"jti": "p-1", "htm": "POST", "htu": own, "iat": now - 1}),
        "DPoP proof of the issuer": ("dpop+jwt", {**base, "htm": "POST", "htu": own, "ath": "x" * 43}),
        "client assertion": (
            "client-authentication+jwt",
            {**base, "iss": "client-1", "sub": "client-1", "aud": ISSUER},
        ),
        "client assertion for the resource": ("JWT", {**base, "sub": "client-1", "aud": own}),
        "request object": (
            "oauth-authz-req+jwt",
            {
                **base,
                "aud": own,
                "sub": "alice",
                "client_id": "client-1",
                "response_type": "code",
                "redirect_uri": "https://client.example/cb",
                "scope": "mcp:tools",
            },
        ),
        "authorization response": ("JWT", {**base, "aud": own, "code": "c", "state": "s"}),
        "refresh token": (
            "rt+jwt",
            {**base, "sub": "alice", "aud": ISSUER, "client_id": "client-1", "scope": "mcp:tools"},
        ),
        "refresh token of Keycloak": (
            "JWT",
            {**base, "sub": "alice", "aud": ISSUER, "typ": "Refresh", "azp": "client-1", "scope": "mcp:tools"},
        ),
        "introspection answer": (
            "token-introspection+jwt",
            {**base, "aud": own, "sub": "alice", "client_id": "c", "token_introspection": {"active": True}},
        ),
        "userinfo answer": ("JWT", {"iss": ISSUER, "sub": "alice", "aud": "client-1", "email": "a@example.com"}),
        "software statement": (
            "JWT",
            {"iss": ISSUER, "iat": now - 10, "software_id": "s", "redirect_uris": ["https://client.example/cb"]},
        ),
        "entity statement": ("entity-statement+jwt", {**base, "sub": ISSUER, "jwks": {"keys": []}}),
        "ID-JAG": (
            "oauth-id-jag+jwt",
            {
                **base,
                "sub": "alice",
                "aud": "https://as.example.com",
                "client_id": "client-1",
                "resource": own,
                "scope": "mcp:tools",
            },
        ),
        "authorization grant": ("JWT", {**base, "sub": "alice", "aud": ISSUER}),
        "verifiable credential": (
            "dc+sd-jwt",
            {**base, "sub": "alice", "vct": "https://example.com/id", "cnf": {"jwk": {}}},
        ),
        "key-binding token": ("kb+jwt", {"iat": now - 10, "aud": own, "nonce": "n", "sd_hash": "x" * 43}),
        "status list": ("statuslist+jwt", {**base, "sub": ISSUER, "status_list": {"bits": 1, "lst": "x"}}),
        "session cookie": ("JWT", {"iat": now - 10, "exp": now + 3000, "user": "alice"}),
        "e-mail verification": ("JWT", {**base, "sub": "alice", "aud": "verify-email"}),
        "initial access token": (
            "JWT",
            {"iss": ISSUER, "aud": ISSUER, "jti": "i", "iat": now - 10, "exp": 0, "typ": "InitialAccessToken"},
        ),
        "bound access token": ("at+jwt", {**world.claims(), "cnf": {"jkt": "x" * 43}}),
        "access token of another resource": ("at+jwt", {**world.claims(), "aud": "https://api.example.com"}),
        "workload identity": ("wit+jwt", {**base, "sub": "spiffe://example.com/x", "cnf": {"jwk": {}}}),
        "push notification": (
            "JWT",
            {"aud": "https://push.example.com", "exp": now + 3000, "sub": "mailto:a@example.com"},
        ),
    }


def cases(world: World) -> Iterator[Case]:
    for name, (kind, claims) in other_tokens(world).items():
        source = "P3 8725-3.11 8725-3.12 9068-2.1"
        if kind != "at+jwt":
            expect = TYPE if claims.get("iss") == ISSUER else OTHER_KIND
            yield token_case(f"cross-type/{name} as {kind}", source, _signed(world, kind, claims), expect)
            yield token_case(f"cross-type/{name} without typ", source, _signed(world, ..., claims), expect)
        # An issuer with a bug gives everything the type of an access token: then the claims must tell.
        yield token_case(f"cross-type/{name} as at+jwt", source, _signed(world, "at+jwt", claims), OTHER_KIND)
    yield from _profiles(world)


def _signed(world: World, kind: Any, claims: dict[str, Any]) -> str:
    header = world.header(typ=kind)
    return world.signed(json.dumps(header).encode(), json.dumps(claims).encode())


# An access token of each named issuer's style, as that issuer documents it: header and claims besides the common ones.
ACCESS_TOKENS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cognito": ({"typ": ...}, {"aud": ..., "token_use": "access"}),
    "entra": (
        {"typ": "JWT"},
        {"azp": "c", "scp": "mcp:tools", "scope": ..., "client_id": ..., "tid": "t", "ver": "2.0"},
    ),
    "auth0": ({"typ": "JWT"}, {"azp": "c", "client_id": ...}),
    "okta": ({"typ": ...}, {"cid": "c", "scp": ["mcp:tools"], "scope": ..., "client_id": ...}),
    "keycloak": ({"typ": "JWT"}, {"typ": "Bearer", "azp": "c", "client_id": ...}),
    "scalekit": ({"typ": "JWT"}, {"client_id": "c", "scopes": ["mcp:tools"], "scope": ...}),
}

MARKS = ("nonce", "at_hash", "c_hash", "s_hash", "events", "response_type", "redirect_uri", "token_introspection")


def _profiles(world: World) -> Iterator[Case]:
    """With a profile that waives `typ` something else must tell an access token from the rest of that issuer's."""
    for profile, (header, claims) in ACCESS_TOKENS.items():
        for name, change_of_header, change_of_claims, expect in _wrong(world, profile):
            text = world.token({**header, **change_of_header}, {**claims, **change_of_claims})
            yield Case(f"cross-type/{profile}: {name}", "P3 9068-2.1", bearer(text), expect, profile=profile)


def _wrong(world: World, profile: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], Expect]]:
    for mark in MARKS:
        yield f"the mark {mark}", {}, {mark: "x"}, TYPE
    for kind in ("logout+jwt", "dpop+jwt", "secevent+jwt", "id+jwt", "rt+jwt"):
        yield f"typ {kind}", {"typ": kind}, {}, TYPE
    yield "alg none", {"alg": "none"}, {}, invalid_token("algorithm_refused")
    yield "alg HS256", {"alg": "HS256"}, {}, invalid_token("algorithm_refused")
    yield "unknown kid", {"kid": "mine"}, {}, invalid_token("key_unknown")
    yield "crit", {"crit": ["x"], "x": 1}, {}, invalid_token("header_refused")
    yield "expired", {}, {"exp": world.now - 3600, "iat": world.now - 7200}, invalid_token("token_expired")
    yield "exp as text", {}, {"exp": str(world.now + 600)}, invalid_token("claim_malformed")
    yield "exp in milliseconds", {}, {"exp": world.now * 1000}, invalid_token("lifetime_too_long")
    yield "iat ahead", {}, {"iat": world.now + 3600}, invalid_token("token_not_yet_valid")
    yield "iat missing", {}, {"iat": ...}, invalid_token("claim_missing")
    yield "bound to a key", {}, {"cnf": {"jkt": "x"}}, invalid_token("token_bound")
    yield "another issuer", {}, {"iss": "https://evil.example.com"}, invalid_token("issuer_mismatch")
    yield "sub missing", {}, {"sub": ...}, invalid_token("claim_missing")
    yield "sub a number", {}, {"sub": 1}, invalid_token("claim_malformed")
    audience = "client_id" if profile == "cognito" else "aud"
    yield "another audience", {}, {audience: "https://other.example.com"}, invalid_token("audience_mismatch")
    yield "no audience", {}, {audience: ...}, invalid_token("claim_missing")
    yield "an audience that is an object", {}, {audience: {world.resource: 1}}, invalid_token("claim_malformed")
    for name, members, expect in _OF_ONE_PROFILE[profile]:
        yield name, {}, members, expect


_MISSING, _FORM = invalid_token("claim_missing"), invalid_token("claim_malformed")
_OF_ONE_PROFILE: dict[str, list[tuple[str, dict[str, Any], Expect]]] = {
    "cognito": [
        ("ID token", {"token_use": "id"}, TYPE),
        ("no token_use", {"token_use": ...}, _MISSING),
        ("token_use of another case", {"token_use": "Access"}, TYPE),
        ("token_use a list", {"token_use": ["access"]}, _FORM),
        ("ID token with an audience", {"token_use": "id", "aud": "client-1", "client_id": ...}, _MISSING),
    ],
    "entra": [
        ("ID token", {"azp": ..., "scp": ..., "name": "Alice", "preferred_username": "a@example.com"}, _MISSING),
        ("neither scp nor roles", {"scp": ...}, _MISSING),
        ("no client", {"azp": ...}, _MISSING),
        ("no tenant", {"tid": ...}, _MISSING),
        ("scp a list", {"scp": ["mcp:tools"]}, _FORM),
        ("client a number", {"azp": 1}, _FORM),
    ],
    "auth0": [
        ("ID token", {"azp": ..., "name": "Alice", "email_verified": True}, _MISSING),
        ("scope a list", {"scope": ["mcp:tools"]}, _FORM),
        ("client null", {"azp": None}, _FORM),
    ],
    "okta": [
        ("ID token", {"cid": ..., "name": "Alice", "amr": ["pwd"]}, _MISSING),
        ("scp as text", {"scp": "mcp:tools"}, _FORM),
        ("scp with a number", {"scp": ["mcp:tools", 1]}, _FORM),
        ("cid a list", {"cid": ["c"]}, _FORM),
    ],
    "keycloak": [
        ("ID token", {"typ": "ID"}, TYPE),
        ("refresh token", {"typ": "Refresh"}, TYPE),
        ("offline token", {"typ": "Offline"}, TYPE),
        ("registration token", {"typ": "RegistrationAccessToken"}, TYPE),
        ("typ of another case", {"typ": "bearer"}, TYPE),
        ("no typ among the claims", {"typ": ...}, _MISSING),
        ("DPoP token", {"typ": "DPoP", "cnf": {"jkt": "x"}}, invalid_token("token_bound")),
        ("no client", {"azp": ...}, _MISSING),
    ],
    "scalekit": [
        ("ID token", {"client_id": ..., "amr": ["pwd"]}, _MISSING),
        ("scopes as text", {"scopes": "mcp:tools"}, _FORM),
        ("scopes an object", {"scopes": {"mcp:tools": True}}, _FORM),
    ],
}
