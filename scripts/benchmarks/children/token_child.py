"""Runs in the artifact: times the check of a token by the door, by `cryptography` alone and by PyJWT, in batches.

What it is asked for comes as one line of JSON on its standard input, and the answers leave as lines of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path[0] = sys.argv[1]

import jwt  # noqa: E402 - of the artifact, whose folder is on the path from here on
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, padding  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: E402

from mcp_faas.auth.errors import AuthError  # noqa: E402
from mcp_faas.call import Call  # noqa: E402
from mcp_faas.doors import Door, open_door  # noqa: E402
from mcp_faas.settings import read_settings  # noqa: E402


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def raw(key: Any, algorithm: str) -> Callable[[str], None]:
    """The floor: take the token apart, read its JSON, verify the signature. No claim is looked at."""

    def signature_of(text: str) -> tuple[bytes, bytes]:
        header, claims, signature = text.split(".")
        json.loads(decoded(header))
        json.loads(decoded(claims))
        return text[: text.rindex(".")].encode(), decoded(signature)

    def rsa(text: str) -> None:
        signed, signature = signature_of(text)
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())

    def ecdsa(text: str) -> None:
        signed, signature = signature_of(text)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))

    def eddsa(text: str) -> None:
        signed, signature = signature_of(text)
        key.verify(signature, signed)

    return {"RS256": rsa, "ES256": ecdsa, "EdDSA": eddsa}[algorithm]


async def through_door(door: Door, text: str, call: Call, accepted: bool, count: int) -> tuple[int, int]:
    """Time `count` checks of one token; each must end as it should."""
    authorization = [f"Bearer {text}"]
    ended_so = 0
    cpu_began, began = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(count):
        try:
            await door.admit(authorization, call)
        except AuthError:
            ended_so += not accepted
        else:
            ended_so += accepted
    took = time.perf_counter_ns() - began, time.process_time_ns() - cpu_began
    if ended_so != count:
        raise SystemExit(f"a token was {'refused' if accepted else 'accepted'}: {text[:40]}")
    return took


def plainly(check: Callable[[str], object], text: str, count: int) -> tuple[int, int]:
    cpu_began, began = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(count):
        check(text)
    return time.perf_counter_ns() - began, time.process_time_ns() - cpu_began


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    asked = json.loads(sys.stdin.readline())
    algorithm, good, refused = asked["algorithm"], asked["good"], asked["refused"]
    call = Call(request_id="bench", public_url=asked["resource"])
    door = open_door(read_settings(asked["settings"]), background=False)
    set_of_keys = json.loads(asked["settings"]["MCP_JWT_JWKS"])
    key = jwt.PyJWK.from_dict(set_of_keys["keys"][0]).key
    client = jwt.PyJWKClient(asked["jwks_url"])
    options: Any = {"require": ["exp", "iat", "iss", "aud", "sub"]}
    claims: dict[str, Any] = {"audience": asked["resource"], "issuer": asked["issuer"], "options": options}

    def pyjwt(text: str) -> object:
        return jwt.decode(text, key, algorithms=[algorithm], **claims)

    def pyjwkclient(text: str) -> object:
        return jwt.decode(text, client.get_signing_key_from_jwt(text), algorithms=[algorithm], **claims)

    loop = asyncio.new_event_loop()

    def batch(count: int) -> dict[str, tuple[int, int]]:
        took = {"raw": plainly(raw(key, algorithm), good, count)}
        took["accept"] = loop.run_until_complete(through_door(door, good, call, True, count))
        for name, text in refused.items():
            took[f"refuse {name}"] = loop.run_until_complete(through_door(door, text, call, False, count))
        took["pyjwt"] = plainly(pyjwt, good, count)
        took["pyjwkclient"] = plainly(pyjwkclient, good, count)
        return took

    batch(20)
    for line in sys.stdin:
        count = int(line)
        took = batch(count)
        answers.write(json.dumps({name: [wall / count, cpu / count] for name, (wall, cpu) in took.items()}) + "\n")


if __name__ == "__main__":
    main()
