"""The local issuer, read by PyJWT as any resource server would, and its tokens by the function's own check."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import jwt
import pytest
from jwt.types import Options

from edges.issuer import METADATA_PATHS, Issuer, SigningKey, mint
from edges.serving import running

AUDIENCE = "http://127.0.0.1:8787/mcp"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running(Issuer()) as issuer:
        yield issuer


@pytest.fixture
def client(issuer: Issuer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=issuer.url, trust_env=False, timeout=30) as client:
        yield client


def test_mint_is_a_pure_function_of_what_it_is_given() -> None:
    key = SigningKey.generate()
    token = mint(
        key,
        issuer="https://issuer.example",
        audience=AUDIENCE,
        subject="alice",
        client_id="cli",
        scopes=["notes:read", "dice"],
        now=1_700_000_000.9,
        lifetime_seconds=60,
        token_id="t-1",
    )
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    options: Options = {"verify_exp": False}
    assert jwt.decode(token, key.private.public_key(), algorithms=["ES256"], audience=AUDIENCE, options=options) == {
        "iss": "https://issuer.example",
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "cli",
        "iat": 1_700_000_000,
        "exp": 1_700_000_060,
        "jti": "t-1",
        "scope": "notes:read dice",
    }


@pytest.mark.parametrize("path", METADATA_PATHS)
def test_metadata_leads_to_the_keys_that_verify_a_token(issuer: Issuer, client: httpx2.Client, path: str) -> None:
    metadata = client.get(path).json()
    assert metadata["issuer"] == issuer.url
    token = issuer.token(audience=AUDIENCE, scopes=["dice"])
    keys = jwt.PyJWKSet.from_dict(client.get(metadata["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=issuer.url)
    assert (claims["sub"], claims["client_id"], claims["scope"]) == ("dev", "local", "dice")
    assert claims["iat"] <= time.time() < claims["exp"]


def test_the_key_set_holds_no_private_half(client: httpx2.Client) -> None:
    (key,) = client.get("/jwks.json").json()["keys"]
    assert {*key} == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_two_tokens_differ_and_have_no_empty_scope(issuer: Issuer) -> None:
    one, two = (issuer.token(audience=AUDIENCE) for _ in range(2))
    claims = jwt.decode(one, options={"verify_signature": False})
    assert claims["jti"] != jwt.decode(two, options={"verify_signature": False})["jti"]
    assert "scope" not in claims


def test_nothing_else_is_served(client: httpx2.Client) -> None:
    assert client.get("/").status_code == 404
    assert client.post("/token").status_code == 404
    assert client.post("/jwks.json").status_code == 405


def test_the_key_does_not_show_when_printed() -> None:
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey(kid={key.kid!r})"
