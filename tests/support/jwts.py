"""Keys and access tokens for tests: good ones, and ones with any single thing wrong. No rule of the verifier enters."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = 1_800_000_000
ISSUER = "https://issuer.example.com"
RESOURCE = "https://mcp.example.com/mcp"

GOOD_HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": "k1"}
GOOD_CLAIMS = {
    "iss": ISSUER,
    "aud": RESOURCE,
    "sub": "alice",
    "client_id": "client-1",
    "iat": NOW - 10,
    "exp": NOW + 600,
    "jti": "id-1",
    "scope": "mcp:tools mcp:notes:read",
}


@cache
def rsa_key(bits: int = 2048, name: str = "first") -> rsa.RSAPrivateKey:
    """A key that is made once per test run; another name is another key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    curves: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[curve])


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """The public JWK of a private key, with further members; a member that is None is left out."""
    public = key.public_key()
    algorithm: Any = RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = OKPAlgorithm
    made = {**algorithm.to_jwk(public, as_dict=True), "kid": "k1", "use": "sig", **members}
    made.pop("key_ops", None) if "key_ops" not in members else None
    return {name: value for name, value in made.items() if value is not None}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(algorithm: str, key: Any, text: bytes) -> bytes:
    """A JWS signature by `cryptography` alone; the key decides where the algorithm is none of its own."""
    digests: dict[str, Any] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    digest = digests.get(algorithm[2:], hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return key.sign(text, salted if algorithm.startswith("PS") else padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(text, ec.ECDSA(digest)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return bytes(key.sign(text))


def sign_parts(header: bytes, payload: bytes, *, algorithm: str = "RS256", key: Any = None) -> str:
    """A compact JWS over these very bytes."""
    text = f"{b64(header)}.{b64(payload)}"
    return f"{text}.{b64(signature(algorithm, key or rsa_key(), text.encode()))}"


def token(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, *, key: Any = None) -> str:
    """The good token with these members changed; a member that is `...` is left out."""
    full_header = {name: value for name, value in {**GOOD_HEADER, **(header or {})}.items() if value is not ...}
    full_claims = {name: value for name, value in {**GOOD_CLAIMS, **(claims or {})}.items() if value is not ...}
    return sign_parts(
        json.dumps(full_header).encode(),
        json.dumps(full_claims).encode(),
        algorithm=str(full_header.get("alg")),
        key=key,
    )
