"""Refusing a token is never more work than letting one in: counted, because time depends on the machine.

The steps that cost something are counted: JSON texts read, key sets asked for, signatures checked.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mcp_faas import strict_json
from mcp_faas.auth import errors
from mcp_faas.auth.compact import PIECES_MAX, TOKEN_MAX_CHARACTERS, _header
from mcp_faas.auth.jwt import Policy
from mcp_faas.call import Call
from mcp_faas.jwks import KeySource
from mcp_faas.jwt_door import JwtDoor
from support.jwts import GOOD_HEADER, ISSUER, NOW, RESOURCE, b64, jwk, key_set, rsa_key, sign_parts, token

CALL = Call("r-1", RESOURCE)
Work = tuple[int, int, int]  # texts read, key sets asked for, signatures checked
EVERYTHING: Work = (2, 1, 1)
HEAD, CLAIMS, SIGNATURE = token().split(".")


def payload(text: str) -> str:
    """Signed, so that nothing but what was counted keeps it out."""
    return sign_parts(json.dumps(GOOD_HEADER).encode(), text.encode())


# Kind of refusal: the token, its reason, and the work that it may cost.
REFUSALS: dict[str, tuple[str, type[errors.AuthError], Work]] = {
    "too long": ("a." * TOKEN_MAX_CHARACTERS, errors.TokenTooLong, (0, 0, 0)),
    "8 KB of one part": ("a" * TOKEN_MAX_CHARACTERS, errors.TokenMalformed, (0, 0, 0)),
    "8 KB of dots": ("." * TOKEN_MAX_CHARACTERS, errors.TokenMalformed, (0, 0, 0)),
    "four parts": (token() + ".AAAA", errors.TokenMalformed, (0, 0, 0)),
    "not canonical": (HEAD[:-1] + "B." + CLAIMS + "." + SIGNATURE, errors.TokenMalformed, (0, 0, 0)),
    "header of many objects": (
        f"{b64(b'{' * (PIECES_MAX + 1))}.{CLAIMS}.{SIGNATURE}",
        errors.TokenMalformed,
        (0, 0, 0),
    ),
    "header that is no JSON": (f"AAAA.{CLAIMS}.{SIGNATURE}", errors.TokenMalformed, (1, 0, 0)),
    "alg none": (token({"alg": "none"}), errors.AlgorithmRefused, (2, 0, 0)),
    "symmetric alg": (token({"alg": "HS256"}), errors.AlgorithmRefused, (2, 0, 0)),
    "crit": (token({"crit": ["x"]}), errors.HeaderRefused, (2, 0, 0)),
    "kid of many characters": (token({"kid": "k" * 4000}), errors.HeaderRefused, (2, 0, 0)),
    "payload of many objects": (payload('{"a":[' + "{}," * 1500 + "0]}"), errors.TokenMalformed, (1, 0, 0)),
    "payload of many levels": (payload('{"a":' * 900), errors.TokenMalformed, (1, 0, 0)),
    "payload of many numbers": (payload('{"a":[' + "1e9," * 1400 + "0]}"), errors.TokenMalformed, (1, 0, 0)),
    "payload of many lists": (payload("[" * 4000), errors.TokenMalformed, (1, 0, 0)),
    "payload that is no JSON": (payload("{"), errors.TokenMalformed, (2, 0, 0)),
    "member twice": (payload('{"iss":"a","iss":"b"}'), errors.TokenMalformed, (2, 0, 0)),
    "iss of another": (token(claims={"iss": "https://evil.example"}), errors.IssuerMismatch, (2, 0, 0)),
    "no iss": (token(claims={"iss": ...}), errors.ClaimMissing, (2, 0, 0)),
    "typ of another kind": (token({"typ": "JWT"}), errors.TypeMismatch, (2, 0, 0)),
    "unknown kid": (token({"kid": "k2"}), errors.KeyUnknown, (2, 1, 0)),
    "alg of another key": (token({"alg": "ES256"}), errors.KeyUnknown, (2, 1, 0)),
    "forged": (token(key=rsa_key(name="evil")), errors.SignatureInvalid, EVERYTHING),
    "short signature": (f"{HEAD}.{CLAIMS}.AAAA", errors.SignatureInvalid, EVERYTHING),
    "expired": (token(claims={"iat": NOW - 600, "exp": NOW - 60}), errors.TokenExpired, EVERYTHING),
    "not yet valid": (token(claims={"nbf": NOW + 60}), errors.TokenNotYetValid, EVERYTHING),
    "aud of another": (token(claims={"aud": "https://other.example"}), errors.AudienceMismatch, EVERYTHING),
    "bound": (token(claims={"cnf": {}}), errors.TokenBound, EVERYTHING),
    "no client": (token(claims={"client_id": ...}), errors.ClaimMissing, EVERYTHING),
    "ID token": (token(claims={"nonce": "n"}), errors.TypeMismatch, EVERYTHING),
    "scope that is none": (token(claims={"scope": "a\tb"}), errors.ClaimMalformed, EVERYTHING),
}


class Counted:
    """A door whose steps are counted, with everything warm but the one header that comes next."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._done: Counter[str] = Counter()
        self._source = KeySource(ISSUER, jwks=key_set(jwk(rsa_key())))
        self._door = JwtDoor([(Policy(ISSUER, frozenset()), self._source)], clock=lambda: NOW)
        key = self._source._fixed.keys[0] if self._source._fixed else None
        assert key is not None
        monkeypatch.setattr(strict_json, "loads", self._counted("text", strict_json.loads))
        monkeypatch.setattr(self._source, "keys_for", self._counted("key set", self._source.keys_for))
        for algorithm, check in key.checks.items():
            monkeypatch.setitem(key.checks, algorithm, self._counted("signature", check))

    def _counted(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self._done[step] += 1
            return function(*arguments, **more)

        return counted

    def work(self, text: str) -> tuple[Work, type[errors.AuthError] | None]:
        """What one token costs, and why it is refused, if it is."""
        self._done.clear()
        _header.cache_clear()
        reason: type[errors.AuthError] | None = None
        try:
            asyncio.run(self._door.admit([f"Bearer {text}"], CALL))
        except errors.AuthError as error:
            reason = type(error)
        return (self._done["text"], self._done["key set"], self._done["signature"]), reason


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    yield Counted(monkeypatch)
    _header.cache_clear()


def test_good_token_costs_each_step_once(door: Counted) -> None:
    assert door.work(token()) == (EVERYTHING, None)


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusal_stops_at_its_step(kind: str, door: Counted) -> None:
    text, reason, work = REFUSALS[kind]
    assert door.work(text) == (work, reason)
    assert all(spent <= allowed for spent, allowed in zip(work, EVERYTHING, strict=True))


def test_a_known_fresh_key_is_handed_out_without_a_loop() -> None:
    """No task, no lock, no wait: the coroutine ends at its first step, where no event loop is running at all."""
    source = KeySource(ISSUER, jwks_url=f"{ISSUER}/jwks", clock=lambda: NOW)
    fixed = KeySource(ISSUER, jwks=key_set(jwk(rsa_key())))
    source._keys, source._loaded_at = fixed._fixed, NOW - 200
    for warm in (source, fixed):
        with pytest.raises(StopIteration) as ended:
            warm.keys_for("k1", "RS256").send(None)
        assert ended.value.value is fixed._fixed
