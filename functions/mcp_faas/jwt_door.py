"""Door `jwt`: where the checks of `auth/jwt.py` meet key sets and the clock. Imported where that door is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mcp_faas.auth.bearer import token_of
from mcp_faas.auth.compact import parse
from mcp_faas.auth.errors import IssuerMismatch
from mcp_faas.auth.jwt import Policy, check_header, issuer_of, verify
from mcp_faas.auth.keys import KeySetMalformed
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.profiles import Profile
from mcp_faas.call import Call
from mcp_faas.jwks import KeySource
from mcp_faas.settings.issuers import JwtSettings
from mcp_faas.settings.values import SettingsError


class JwtDoor:
    """The function is an OAuth 2.1 resource server: it verifies the token with the issuer's keys (RFC 9068 §4)."""

    def __init__(
        self,
        policies: Sequence[tuple[Policy, KeySource]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policies = {policy.issuer: (policy, keys) for policy, keys in policies}
        self._clock = clock

    async def admit(self, authorization: Sequence[str], call: Call) -> Principal:
        token = parse(token_of(authorization))
        chosen = self._policies.get(issuer_of(token))
        if chosen is None:
            raise IssuerMismatch("iss is not a configured issuer")
        policy, source = chosen
        check_header(token.header, policy)
        keys = await source.keys_for(token.header.kid, token.header.algorithm)
        return verify(token, keys, policy, self._clock(), resource=call.public_url)


def jwt_door(jwt: JwtSettings, *, background: bool) -> JwtDoor:
    """The door for the issuers that the settings trust. Raises `SettingsError` where the key set in them is none."""
    return JwtDoor([_issuer(issuer, profile, jwt, background) for issuer, profile in jwt.trusted])


def _issuer(issuer: str, profile: Profile, jwt: JwtSettings, background: bool) -> tuple[Policy, KeySource]:
    try:
        keys = KeySource(
            issuer, jwks_url=jwt.jwks_url, jwks=jwt.jwks, private=jwt.private_issuer, background=background
        )
    except KeySetMalformed as error:
        raise SettingsError(f"MCP_JWT_JWKS is no key set: {error}.") from None
    return Policy(issuer, jwt.audiences, jwt.algorithms, profile, subjects=jwt.subjects), keys
