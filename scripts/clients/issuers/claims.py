"""What tokens with edited claims, and those of Cognito, have to meet. Starts both issuers by itself."""

from __future__ import annotations

import json
import time
import uuid
from importlib.metadata import version
from typing import Any

import jwt

from clients.header_proxy import running_proxy
from clients.issuers import cognito, oauth2_mock
from clients.issuers.cases import LET_IN, TOO_LITTLE, Expected
from clients.issuers.cognito import cognito_tokens
from clients.issuers.lane import Lane, show
from clients.issuers.oauth2_mock import ALGORITHMS, Edit, running_oauth2_mock
from clients.issuers.server import public_url, trusting_server
from clients.node import package_version

SCOPE = "mcp:use"
HOUR_SECONDS = 3600


def rfc9068(audience: str) -> dict[str, dict[str, Any]]:
    """What makes an access token by RFC 9068 of one of the mock's."""
    claims = {"aud": audience, "sub": "alice", "client_id": "cli", "jti": str(uuid.uuid4()), "scope": SCOPE}
    return {"header": {"typ": "at+jwt"}, "payload": claims}


def edited(now: int) -> dict[str, tuple[Edit, Expected]]:
    """One thing is wrong with each; the name says what."""

    def claim(**claims: object) -> Edit:
        return {"payload": claims}

    return {
        "another audience": (claim(aud="https://elsewhere.example/mcp"), Expected("audience_mismatch")),
        "no audience": (claim(aud=None), Expected("claim_missing")),
        "another issuer": (claim(iss="https://elsewhere.example"), Expected("issuer_mismatch")),
        "expired": (claim(iat=now - 2 * HOUR_SECONDS, nbf=None, exp=now - HOUR_SECONDS), Expected("token_expired")),
        "no expiry": (claim(exp=None), Expected("claim_missing")),
        "expiry as text": (claim(exp=str(now + HOUR_SECONDS)), Expected("claim_malformed")),
        "good in an hour": (claim(nbf=now + HOUR_SECONDS), Expected("token_not_yet_valid")),
        "good for two days": (claim(exp=now + 48 * HOUR_SECONDS), Expected("lifetime_too_long")),
        "nobody's": (claim(sub=None), Expected("claim_missing")),
        "bound to a key": (claim(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), Expected("token_bound")),
        "marked as an ID token": (claim(nonce="n-0S6_WzA2Mj"), Expected("type_mismatch")),
        "typ JWT": ({"header": {"typ": "JWT"}}, Expected("type_mismatch")),
        "without a scope": (claim(scope=None), TOO_LITTLE),
        "of an unknown key": ({"header": {"kid": "nobody"}}, Expected("key_unknown")),
    }


async def visit_of_oauth2_mock(lane: Lane) -> None:
    """Tokens of every key are let in; each edited one is refused for what is wrong with it."""
    with lane.row(oauth2_mock.PACKAGE, package_version(oauth2_mock.PACKAGE), "claims") as row:
        async with running_oauth2_mock(lane.node, lane.home) as issuer, running_proxy() as proxy:
            settings = {"MCP_JWT_ISSUER": issuer.url, "MCP_SCOPES": SCOPE}
            async with trusting_server(lane.cloud, proxy, lane.home, settings) as server:
                good = rfc9068(public_url(proxy))
                for _ in ALGORITHMS:
                    token = await issuer.token(good)
                    await show(server, row, f"signed with {jwt.get_unverified_header(token)['alg']}", token, LET_IN)
                for name, (edit, expected) in edited(int(time.time())).items():
                    token = await issuer.token({part: {**good[part], **edit.get(part, {})} for part in good})
                    await show(server, row, name, token, expected)
                await show(server, row, "as the mock makes it", await issuer.token({}), Expected("type_mismatch"))


async def visit_of_cognito(lane: Lane) -> None:
    """The access token of the one app client is let in, and no other token that comes with a login."""
    with lane.row(cognito.PACKAGE, version(cognito.PACKAGE), "cognito") as row:
        issued = await cognito_tokens(lane.home)
        settings = {
            "MCP_JWT_PROFILE": "cognito",
            "MCP_JWT_ISSUER": issued.issuer,
            "MCP_JWT_JWKS": json.dumps(issued.jwks),
            "MCP_JWT_AUDIENCE": issued.app,
        }
        async with running_proxy() as proxy, trusting_server(lane.cloud, proxy, lane.home, settings) as server:
            for name, token, expected in (
                ("access token", issued.login["AccessToken"], LET_IN),
                ("ID token of the same login", issued.login["IdToken"], Expected("claim_missing")),
                ("refresh token of the same login", issued.login["RefreshToken"], Expected("token_malformed")),
                (
                    "access token of another app client",
                    issued.another_app["AccessToken"],
                    Expected("audience_mismatch"),
                ),
                ("access token of another user pool", issued.another_pool["AccessToken"], Expected("issuer_mismatch")),
            ):
                await show(server, row, name, token, expected)
