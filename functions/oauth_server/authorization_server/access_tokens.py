"""Access tokens as RFC 9068 has them: made with a key and a clock reading, and read again. No I/O.

`typ` at+jwt, ES256, one audience. A token of a person's grant carries the key of the grant's record, a hash, so that
/introspect and /revoke find it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, cast

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from authorization_server.metadata import SIGNING_ALGORITHM
from authorization_server.signing_keys import SigningKey

GRANT_CLAIM = "mcp_faas_grant"
TOKEN_MAX_CHARACTERS = 8192
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KINDS = ("at+jwt", "application/at+jwt")


def mint(
    key: SigningKey,
    *,
    issuer: str,
    audience: str,
    subject: str,
    client_id: str,
    scopes: Iterable[str],
    now: int,
    expires_at: int,
    auth_time: int | None = None,
    grant: str | None = None,
) -> str:
    """A signed access token with every claim that RFC 9068 §2.2 requires."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "client_id": client_id,
        "iat": now,
        "exp": expires_at,
        "jti": secrets.token_urlsafe(16),
    }
    if scope := " ".join(scopes):
        claims["scope"] = scope
    if auth_time is not None:
        claims["auth_time"] = auth_time
    if grant is not None:
        claims[GRANT_CLAIM] = grant
    header = {"alg": SIGNING_ALGORITHM, "typ": "at+jwt", "kid": key.kid}
    private: Any = key.private_jwk()
    return jwt.encode(header, claims, jwk.ECKey.import_key(private), algorithms=[SIGNING_ALGORITHM])


def read(token: str, key_set: Mapping[str, Any], issuer: str) -> Mapping[str, Any] | None:
    """The claims of an access token that this server has signed, expired or not; None for any other text."""
    if len(token) > TOKEN_MAX_CHARACTERS or not _COMPACT.fullmatch(token):
        return None
    try:
        public: Any = jwk.KeySet.import_key_set(cast(Any, key_set))
        decoded = jwt.decode(token, public, algorithms=[SIGNING_ALGORITHM])
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None  # whatever the text is, it is no token of ours
    kind = decoded.header.get("typ")
    if kind not in _KINDS or not isinstance(decoded.claims, dict) or decoded.claims.get("iss") != issuer:
        return None
    return decoded.claims
