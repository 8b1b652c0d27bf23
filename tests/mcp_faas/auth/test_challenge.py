"""What a refused caller hears, byte for byte."""

from __future__ import annotations

import json

import pytest

from mcp_faas.auth import errors
from mcp_faas.auth.challenge import refuse

METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"


def every(kind: type[errors.AuthError]) -> list[type[errors.AuthError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every(below))]


def make(kind: type[errors.AuthError]) -> errors.AuthError:
    return kind(frozenset({"b", "a"})) if kind is errors.ScopeMissing else kind("detail")


@pytest.mark.parametrize("kind", every(errors.AuthError), ids=lambda kind: kind.__name__)
def test_every_reason_has_an_answer_that_lets_nobody_in(kind: type[errors.AuthError]) -> None:
    refusal = refuse(make(kind), resource_metadata=METADATA)
    assert refusal.status in (400, 401, 403, 503)
    assert dict(refusal.headers)[b"cache-control"] == b"no-store"
    assert b"detail" not in refusal.body
    assert kind.reason.encode() not in refusal.body
    assert b"MCP_" not in refusal.body  # how this function is set up is nobody's business outside
    assert "detail" not in str(refusal.headers)


def test_reasons_are_told_apart() -> None:
    reasons = [kind.reason for kind in every(errors.AuthError)]
    assert len(set(reasons)) == len(reasons)


CHALLENGES = {
    "no credentials": (
        errors.TokenMissing(""),
        401,
        f'Bearer scope="a b", resource_metadata="{METADATA}"',
    ),
    "bad token": (
        errors.TokenExpired(""),
        401,
        'Bearer error="invalid_token", error_description="The access token is not accepted.", '
        f'scope="a b", resource_metadata="{METADATA}"',
    ),
    "malformed request": (
        errors.RequestMalformed(""),
        400,
        'Bearer error="invalid_request", '
        'error_description="Send exactly one Authorization header: Bearer, one blank and the token.", '
        f'scope="a b", resource_metadata="{METADATA}"',
    ),
    "scope of the operation": (
        errors.ScopeMissing(frozenset({"x:2", "x:1"})),
        403,
        'Bearer error="insufficient_scope", error_description="The operation needs a wider scope.", '
        f'scope="x:1 x:2", resource_metadata="{METADATA}"',
    ),
}


@pytest.mark.parametrize(("error", "status", "challenge"), CHALLENGES.values(), ids=CHALLENGES)
def test_challenge_of_door_jwt(error: errors.AuthError, status: int, challenge: str) -> None:
    refusal = refuse(error, resource_metadata=METADATA, scopes=["b", "a"])
    assert refusal.status == status
    assert dict(refusal.headers)[b"www-authenticate"].decode() == challenge
    # AWS renames the header of a function, so every parameter stands in the body as well.
    said = json.loads(refusal.body)
    assert said["resource_metadata"] == METADATA
    assert f'scope="{said["scope"]}"' in challenge


def test_caller_without_credentials_hears_no_error() -> None:
    refusal = refuse(errors.TokenMissing(""), resource_metadata=METADATA)
    assert "error" not in json.loads(refusal.body)
    assert b"error" not in dict(refusal.headers)[b"www-authenticate"]


def test_token_door_names_no_metadata() -> None:
    for error in (errors.TokenMissing(""), errors.TokenUnknown(""), errors.RequestMalformed("")):
        refusal = refuse(error, resource_metadata=None)
        assert b"resource_metadata" not in refusal.body + dict(refusal.headers)[b"www-authenticate"]
    assert dict(refuse(errors.TokenMissing(""), resource_metadata=None).headers)[b"www-authenticate"] == (
        b'Bearer realm="mcp"'
    )


def test_silent_issuer_is_503_with_a_time() -> None:
    refusal = refuse(errors.KeysUnavailable(""), resource_metadata=METADATA)
    assert (refusal.status, dict(refusal.headers)[b"retry-after"]) == (503, b"30")
