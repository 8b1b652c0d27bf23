"""A token issuer for door `jwt` on this machine: metadata, a key set, and access tokens as RFC 9068 has them.

`mint` is pure. `Issuer` serves what a resource server reads; there is no login and no token endpoint, and the key lives
and dies with the object.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from edges.listener import Answer, Listener, Request

ALGORITHM = "ES256"
LIFETIME_SECONDS = 12 * 3600.0  # a working day at the desk
BODY_LIMIT_BYTES = 1024
METADATA_PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
KEYS_PATH = "/jwks.json"


@dataclass(frozen=True)
class SigningKey:
    """A private key and the name by which its public half is found. Printing it shows the name."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        private = ec.generate_private_key(ec.SECP256R1())
        return cls(str(uuid.uuid4()), private)

    def public_jwk(self) -> dict[str, Any]:
        jwk: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


def mint(
    key: SigningKey,
    *,
    issuer: str,
    audience: str,
    subject: str,
    client_id: str,
    scopes: Iterable[str],
    now: float,
    lifetime_seconds: float,
    token_id: str,
) -> str:
    """A signed access token with every claim that RFC 9068 §2.2 requires, and `scope` where there is one."""
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "client_id": client_id,
        "iat": int(now),
        "exp": int(now + lifetime_seconds),
        "jti": token_id,
    }
    if scope := " ".join(scopes):
        claims["scope"] = scope
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"typ": "at+jwt", "kid": key.kid})


class Issuer:
    """Listens on `port`; 0 takes a free one, known after `start`. `url` is what its tokens have as `iss`."""

    def __init__(self, *, port: int = 0, key: SigningKey | None = None) -> None:
        self.key = key or SigningKey.generate()
        self._listener = Listener(self._answer, port=port, body_limit_bytes=BODY_LIMIT_BYTES)

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    def token(
        self,
        *,
        audience: str,
        subject: str = "dev",
        client_id: str = "local",
        scopes: Iterable[str] = (),
        lifetime_seconds: float = LIFETIME_SECONDS,
    ) -> str:
        """A token of this issuer that is valid from now on."""
        return mint(
            self.key,
            issuer=self.url,
            audience=audience,
            subject=subject,
            client_id=client_id,
            scopes=scopes,
            now=time.time(),
            lifetime_seconds=lifetime_seconds,
            token_id=str(uuid.uuid4()),
        )

    async def _answer(self, request: Request) -> Answer:
        documents = {KEYS_PATH: {"keys": [self.key.public_jwk()]}, **dict.fromkeys(METADATA_PATHS, self._metadata())}
        if request.path not in documents:
            return Answer(404)
        if request.method not in ("GET", "HEAD"):
            return Answer(405, (("allow", "GET, HEAD"),))
        return Answer(200, (("content-type", "application/json"),), json.dumps(documents[request.path]).encode())

    def _metadata(self) -> dict[str, Any]:
        """RFC 8414 §2 as far as it applies to an issuer without endpoints."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS_PATH,
            "response_types_supported": [],
            "grant_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
