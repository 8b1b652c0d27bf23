"""Which keys of an issuer's set are used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from mcp_faas.auth.errors import KeyUnknown
from mcp_faas.auth.keys import SET_MAX_KEYS, KeySetMalformed, parse_key_set
from support.jwts import ec_key, ed_key, jwk, key_set, rsa_key

GOOD = jwk(rsa_key(name="good"), kid="good")

LEFT_OUT: dict[str, Any] = {
    "RSA with 1024 bits": jwk(rsa_key(1024)),
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
    "private": {**RSAAlgorithm.to_jwk(rsa_key(), as_dict=True), "kid": "k1", "key_ops": ["verify"]},
    "for encryption": jwk(rsa_key(), use="enc"),
    "key_ops without verify": jwk(rsa_key(), key_ops=["encrypt"]),
    "alg of another type": jwk(rsa_key(), alg="ES256"),
    "alg of a symmetric kind": jwk(rsa_key(), alg="HS256"),
    "alg not text": jwk(rsa_key(), alg=["RS256"]),
    "unknown type": {"kty": "XYZ", "kid": "k1"},
    "unknown curve": {**jwk(ec_key()), "crv": "secp256k1"},
    "point off the curve": {**jwk(ec_key()), "y": jwk(ec_key())["x"]},
    "broken modulus": {**jwk(rsa_key()), "n": "!"},
    "exponent one": {**jwk(rsa_key()), "e": "AQ"},
    "even exponent": {**jwk(rsa_key()), "e": "AQAA"},
    "missing parts": {"kty": "RSA", "kid": "k1"},
    "kid a number": jwk(rsa_key(), kid=1),
    "not an object": "key",
    "null": None,
}


@pytest.mark.parametrize("entry", LEFT_OUT.values(), ids=LEFT_OUT)
def test_bad_key_is_left_out_and_the_good_one_works(entry: Any) -> None:
    keys = parse_key_set(json.dumps({"keys": [entry, GOOD]}).encode())
    assert [key.kid for key in keys.keys] == ["good"]
    assert len(keys.left_out) == 1


@pytest.mark.parametrize("name", ["symmetric", "private"])
def test_key_that_must_never_be_published_is_named_in_the_log(name: str) -> None:
    keys = parse_key_set(json.dumps({"keys": [LEFT_OUT[name], GOOD]}).encode())
    assert keys.left_out == ("key 0: symmetric or private: an issuer must never publish it",)


def test_two_keys_with_one_kid_are_both_left_out() -> None:
    keys = parse_key_set(key_set(jwk(rsa_key()), jwk(rsa_key(name="second")), GOOD))
    assert [key.kid for key in keys.keys] == ["good"]


def test_two_keys_with_one_kid_and_different_algorithms_are_told_apart() -> None:
    keys = parse_key_set(key_set(jwk(rsa_key()), jwk(ec_key()), jwk(ed_key())))
    assert keys.find("k1", "ES256").algorithms == {"ES256"}
    assert keys.find("k1", "EdDSA").algorithms == {"EdDSA"}


def test_alg_of_a_key_narrows_what_it_verifies() -> None:
    keys = parse_key_set(key_set(jwk(rsa_key(), alg="PS256")))
    with pytest.raises(KeyUnknown):
        keys.find("k1", "RS256")
    assert keys.find("k1", "PS256").kid == "k1"


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"<html>", b"\xff", b"[]", b"{}", b'{"keys":null}', b'{"keys":{}}', b'{"keys":[]}', b"[" * 200_000),
        json.dumps({"keys": [GOOD] * 101}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeySetMalformed):
        parse_key_set(document)


def test_public_rsa_key_is_what_comes_out() -> None:
    assert isinstance(parse_key_set(key_set(GOOD)).find("good", "RS256").public, rsa.RSAPublicKey)


def test_set_of_too_many_keys_is_refused_before_any_is_read() -> None:
    assert len(parse_key_set(key_set(*[{"kty": "XYZ"}] * (SET_MAX_KEYS - 1), GOOD)).keys) == 1
    with pytest.raises(KeySetMalformed, match="the limit is"):
        parse_key_set(key_set(*[{"kty": "XYZ"}] * SET_MAX_KEYS, GOOD))
