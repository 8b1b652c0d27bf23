"""The check of a token by door jwt against the bare minimum: base64, JSON and the signature by `cryptography` alone.

Each kind of refusal is set against the acceptance of a good token: strangers must not cost more than callers.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from benchmarks.child import Child
from benchmarks.events import ISSUER, RESOURCE

ALGORITHMS = ("RS256", "ES256", "EdDSA")


@dataclass(frozen=True)
class Signer:
    """One algorithm with a key of its own."""

    algorithm: str
    key: Any

    @classmethod
    def of(cls, algorithm: str) -> Signer:
        keys: dict[str, Callable[[], Any]] = {
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        return cls(algorithm, keys[algorithm]())

    @property
    def key_set(self) -> str:
        makers: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
        public = makers[self.algorithm].to_jwk(self.key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        return json.dumps({"keys": [{**public, "kid": "bench-2026", "use": "sig", "alg": self.algorithm}]})

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        full: dict[str, Any] = {
            "iss": ISSUER,
            "aud": RESOURCE,
            "sub": "6f1f2a3c-5d1b-4f0e-9c0a-2b8f9f1f7f10",
            "client_id": "s6BhdRkqt3",
            "iat": now,
            "exp": now + 3600,
            "jti": "0c5b4d9e-7f2a-4c38-8a53-0f3a3f0c9d11",
            "scope": "mcp:tools mcp:resources openid profile",
            **claims,
        }
        return jwt.encode(
            full, self.key, self.algorithm, headers={"kid": "bench-2026", "typ": "at+jwt", **(header or {})}
        )


def refused(signer: Signer) -> dict[str, str]:
    """One token for each thing that can be wrong; all but the first three are well formed and signed."""
    good, now = signer.token(), int(time.time())
    head, claims, signature = good.split(".")
    other = base64.urlsafe_b64decode(signature + "==")
    flipped = base64.urlsafe_b64encode(other[:-1] + bytes([other[-1] ^ 1])).rstrip(b"=").decode()
    return {
        "too long": good + "a" * 8192,
        "malformed": good.replace(".", "!", 1),
        "not JSON": f"{head}.{claims[:-8]}AAAAAAAA.{signature}",
        "bad signature": f"{head}.{claims}.{flipped}",
        "another algorithm": jwt.encode({"iss": ISSUER}, "k" * 64, "HS256", headers={"typ": "at+jwt"}),
        "unknown key": signer.token({"kid": "another"}),
        "expired": signer.token(iat=now - 7200, exp=now - 3600),
        "another audience": signer.token(aud="https://other.example.com/mcp"),
        "another issuer": signer.token(iss="https://other.example.com"),
        "another type": signer.token({"typ": "JWT"}),
    }


def measure(
    python: Path, folder: Path, *, rounds: int, count: int, step: Callable[[], None] = lambda: None
) -> dict[str, list[dict[str, list[float]]]]:
    """For each algorithm and round: nanoseconds of wall and CPU time for each way of checking."""
    found: dict[str, list[dict[str, list[float]]]] = {}
    for algorithm in ALGORITHMS:
        signer = Signer.of(algorithm)
        settings = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": ISSUER, "MCP_JWT_JWKS": signer.key_set}
        with published(signer.key_set) as url, Child("token_child.py", python, folder) as child:
            asked = {"algorithm": algorithm, "good": signer.token(), "refused": refused(signer), "settings": settings}
            child.tell({**asked, "resource": RESOURCE, "issuer": ISSUER, "jwks_url": url})
            found[algorithm] = []
            for _ in range(rounds):
                step()
                found[algorithm].append(child.ask(count))
    return found


@contextmanager
def published(key_set: str) -> Iterator[str]:
    """The key set at a URL, for PyJWKClient."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(key_set.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: standard error is for the progress line."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
