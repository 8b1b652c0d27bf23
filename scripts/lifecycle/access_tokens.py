"""Sign access tokens for local tests of door `jwt`, with a key of one's own. No issuer but this enters here."""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from lifecycle.errors import UsageError
from lifecycle.output import show
from mcp_faas.stores.private_file import replace_private

ALGORITHM = "ES256"
LOCK_SECONDS = 5.0


def run_jwt(arguments: argparse.Namespace) -> int:
    key = signing_key(Path(arguments.keys).expanduser())
    if arguments.jwks:
        public = {name: value for name, value in key.items() if name != "d"}
        show(json.dumps({"keys": [public]}))
    else:
        show(access_token(key, arguments, int(time.time())))
    return 0


def access_token(key: dict[str, Any], arguments: argparse.Namespace, now: int) -> str:
    """An access token as RFC 9068 has it."""
    claims = {
        "iss": arguments.issuer,
        "aud": arguments.audience,
        "sub": arguments.subject,
        "client_id": arguments.client_id,
        "iat": now,
        "exp": now + int(arguments.ttl.total_seconds()),
        "jti": secrets.token_hex(16),
    }
    if arguments.scope:
        claims["scope"] = arguments.scope
    headers = {"typ": "at+jwt", "kid": key["kid"]}
    return jwt.encode(claims, jwt.PyJWK(key).key, algorithm=ALGORITHM, headers=headers)


def signing_key(path: Path) -> dict[str, Any]:
    """The private key in this file, which is made if it is missing."""
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        key = _new_key()
        try:
            replace_private(path, json.dumps(key) + "\n", LOCK_SECONDS)
        except OSError as error:
            raise UsageError(f"--keys {path} cannot be written: {error.strerror}") from None
    except (OSError, ValueError):
        raise UsageError(f"--keys {path} cannot be read as JSON") from None
    if not isinstance(key, dict) or key.get("crv") != "P-256" or "d" not in key or "kid" not in key:
        raise UsageError(f"--keys {path} holds no private P-256 key as a JWK; name a file that does not exist yet")
    return key


def _new_key() -> dict[str, Any]:
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "kid": secrets.token_hex(8),
        "use": "sig",
        "alg": ALGORITHM,
        "x": _field(numbers.public_numbers.x),
        "y": _field(numbers.public_numbers.y),
        "d": _field(numbers.private_value),
    }


def _field(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
