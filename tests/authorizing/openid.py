"""A stand-in for an OpenID provider that can be told to do wrong: `claims`, `header` and the key of its ID tokens."""

from __future__ import annotations

import base64
import secrets
from typing import Any
from urllib.parse import unquote

from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from authorizing.stand_in import CLIENT_ID, SECRET, Answer, Asked, StandIn
from authorizing.world import NOON


class OpenIdProvider(StandIn):
    def __init__(self) -> None:
        super().__init__()
        self.key = self.published = ECKey.generate_key("P-256", {"kid": "first"})
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.subject = "248289761001"
        self.access_token = secrets.token_urlsafe(24)
        self.routes = {
            "/.well-known/openid-configuration": lambda _: Answer(200, {**self._metadata(), **self.metadata}),
            "/authorize": self.authorize,
            "/token": self.token,
            "/keys": lambda _: Answer(200, {"keys": [{**self.published.as_dict(private=False), "use": "sig"}]}),
            "/me": self._me,
        }

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/me",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        }

    def token(self, asked: Asked) -> Answer:
        if self.client_of(asked) != (CLIENT_ID, SECRET):
            return Answer(401, {"error": "invalid_client"})
        query = self.redeem(asked.form)
        if query is None or asked.form.get("grant_type") != "authorization_code":
            return Answer(400, {"error": "invalid_grant"})
        return Answer(
            200, {"access_token": self.access_token, "token_type": "Bearer", "id_token": self.id_token(query["nonce"])}
        )

    def client_of(self, asked: Asked) -> tuple[str, str]:
        scheme, _, given = asked.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(given).decode().partition(":")
            return unquote(name), unquote(secret)
        return asked.form.get("client_id", ""), asked.form.get("client_secret", "")

    def id_token(self, nonce: str) -> str:
        claims = {
            "iss": self.url,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "exp": NOON + 300,
            "iat": NOON,
            "nonce": nonce,
            **self.claims,
        }
        body = Answer(200, {name: value for name, value in claims.items() if value is not None}).bytes
        header = {"alg": "ES256", "kid": self.key.kid, **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        if header["alg"] == "none":
            return f"{_encoded(Answer(200, header).bytes)}.{_encoded(body)}."
        key = OctKey.import_key(SECRET.encode()) if header["alg"].startswith("HS") else self.key
        return jws.serialize_compact(header, body, key, algorithms=[header["alg"]])

    def _me(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.access_token}":
            return Answer(401, {"error": "invalid_token"})
        return Answer(200, {"sub": self.subject, **self.userinfo})


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
