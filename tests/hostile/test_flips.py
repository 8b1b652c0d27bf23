"""No byte of a token is without meaning: each bit of a signature, and each character of a token, through the gate."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable

import pytest

from hostile.canary import REACHED
from hostile.case import KEYS, World, bearer, invalid_token
from hostile.checks import complaints, decisions_by_call, leaks
from hostile.ways_in import WAYS, call_app, function, gate
from mcp_faas.call import Call
from support.jwts import RESOURCE, b64

ASGI = WAYS[0]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# A character of header or payload may make another text, algorithm or claim, which is noticed before the signature.
ANY = invalid_token(
    *("token_malformed", "signature_invalid", "algorithm_refused", "header_refused", "type_mismatch", "key_unknown"),
    *("issuer_mismatch", "claim_missing", "claim_malformed"),
)
SIGNATURE = invalid_token("signature_invalid")


def flipped(token: str) -> Iterable[tuple[str, str]]:
    """The token with each bit of its signature turned over."""
    text, _, tail = token.rpartition(".")
    signature = base64.urlsafe_b64decode(tail + "==")
    for place in range(len(signature)):
        for bit in range(8):
            turned = bytearray(signature)
            turned[place] ^= 1 << bit
            yield f"byte {place} bit {bit}", f"{text}.{b64(bytes(turned))}"


def replaced(token: str) -> Iterable[tuple[str, str]]:
    """The token with each of its characters replaced: by its neighbour, by one far away, by none."""
    for place, letter in enumerate(token):
        index = LETTERS.find(letter)
        for other in (LETTERS[(index + 1) % 64], LETTERS[(index + 31) % 64], ""):
            yield f"character {place} by {other or 'nothing'}", token[:place] + other + token[place + 1 :]


def try_all(tokens: Iterable[tuple[str, str]], expect: object) -> list[str]:
    """What is wrong with the answers."""

    async def asked() -> list[str]:
        wrong = []
        async with gate() as app:
            for name, text in tokens:
                answer = await call_app(app, bearer(text), Call("r", RESOURCE))
                decisions = decisions_by_call(output.stdout.getvalue().splitlines())["r"]
                output.stdout.seek(0)
                output.stdout.truncate()
                wrong += [f"{name}: {what}" for what in complaints(expect, answer, decisions, RESOURCE)]  # type: ignore[arg-type]
        return wrong

    REACHED.clear()
    with function(ASGI.environment()) as output:
        wrong = asyncio.run(asked())
    assert not leaks(output.lines, [text for _, text in tokens])
    assert not REACHED
    return wrong


@pytest.mark.parametrize(
    ("kid", "flips"), [("k-rsa", 2048), ("k-p256", 512), ("k-p384", 768), ("k-p521", 1056), ("k-ed", 512)]
)
def test_every_bit_of_a_signature_counts(kid: str, flips: int) -> None:
    tokens = list(flipped(World(RESOURCE).token(kid=kid)))
    assert len(tokens) == flips, KEYS[kid][0]
    assert try_all(tokens, SIGNATURE) == []


@pytest.mark.parametrize("kid", ["k-rsa", "k-p256", "k-ed"])
def test_every_character_of_a_token_counts(kid: str) -> None:
    tokens = list(replaced(World(RESOURCE).token(kid=kid)))
    assert len(tokens) > 1000
    assert try_all(tokens, ANY) == []
