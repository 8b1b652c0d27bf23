"""Family `keys`: tokens by keys that must not count, and the key set that every function of the corpus is given.

Each bad key of the set has a `kid` of its own, and a token that its holder could make.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from hostile.case import KEYS, STRANGERS_KEY, Case, World, invalid_token, token_case
from support.jwts import ISSUER, b64, ec_key, ed_key, jwk, rsa_key, signature

UNKNOWN_KEY = invalid_token("key_unknown")
SIGNATURE = invalid_token("signature_invalid")
ALGORITHM = invalid_token("algorithm_refused")

SECRET = b"k" * 32


@dataclass(frozen=True)
class BadKey:
    """An entry of the set that must be left out, and how its holder would sign."""

    entry: Any
    algorithm: str = "RS256"
    key: Any = None  # bytes are a secret, an int the factor of a forgery, None signs nothing


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


@cache
def bad_keys() -> dict[str, BadKey]:
    """Name -> key. The name becomes the `kid`, unless the entry says otherwise."""
    rsa, curve, edwards = rsa_key(), ec_key("P-256"), ed_key()
    numbers = rsa.public_key().public_numbers()
    point = curve.public_key().public_numbers()
    koblitz = ec.generate_private_key(ec.SECP256K1())
    koblitz_point = koblitz.public_key().public_numbers()
    montgomery = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
    private = rsa.private_numbers()
    made = {
        **{
            f"RSA of {bits} bits": BadKey(jwk(rsa_key(bits, "weak")), key=rsa_key(bits, "weak"))
            for bits in (1024, 1536, 2040)
        },
        "RSA of 8200 bits": BadKey({"kty": "RSA", "n": _number((1 << 8199) + 1), "e": "AQAB"}),
        "exponent 1": BadKey(jwk(rsa, e="AQ"), key=1),
        "exponent 0": BadKey(jwk(rsa, e="AA"), key=rsa),
        "exponent 2": BadKey(jwk(rsa, e="Ag"), key=rsa),
        "modulus 0": BadKey(jwk(rsa, n="AA"), key=rsa),
        "modulus missing": BadKey(jwk(rsa, n=None), key=rsa),
        "exponent missing": BadKey(jwk(rsa, e=None), key=rsa),
        "modulus a number": BadKey(jwk(rsa, n=numbers.n % 1000), key=rsa),
        "modulus not base64": BadKey(jwk(rsa, n="!" * 342), key=rsa),
        "twice the good modulus": BadKey(jwk(rsa, n=_number(numbers.n * 2)), key=rsa),
        "use enc": BadKey(jwk(rsa, use="enc"), key=rsa),
        "use empty": BadKey(jwk(rsa, use=""), key=rsa),
        "use SIG": BadKey(jwk(rsa, use="SIG"), key=rsa),
        "use a list": BadKey(jwk(rsa, use=["sig"]), key=rsa),
        "key_ops encrypt": BadKey(jwk(rsa, key_ops=["encrypt"]), key=rsa),
        "key_ops sign": BadKey(jwk(rsa, key_ops=["sign"]), key=rsa),
        "key_ops wrapKey": BadKey(jwk(rsa, key_ops=["wrapKey"]), key=rsa),
        "key_ops empty": BadKey(jwk(rsa, key_ops=[]), key=rsa),
        "key_ops text": BadKey(jwk(rsa, key_ops="verify"), key=rsa),
        "key_ops an object": BadKey(jwk(rsa, key_ops={"verify": 1}), key=rsa),
        "key_ops of an EC key": BadKey(jwk(curve, key_ops=["deriveKey"]), "ES256", curve),
        **{
            f"alg {name}": BadKey(jwk(rsa, alg=name), key=rsa)
            for name in ("none", "HS256", "ES256", "RSA-OAEP", "RS1", "rs256", "")
        },
        "alg a list": BadKey(jwk(rsa, alg=["RS256"]), key=rsa),
        "alg a number": BadKey(jwk(rsa, alg=256), key=rsa),
        "alg RS256 of an EC key": BadKey(jwk(curve, alg="RS256"), "ES256", curve),
        "alg ES384 of P-256": BadKey(jwk(curve, alg="ES384"), "ES256", curve),
        "alg ES256 of an Ed25519 key": BadKey(jwk(edwards, alg="ES256"), "EdDSA", edwards),
        "private RSA": BadKey(jwk(rsa, d=_number(private.d), p=_number(private.p), q=_number(private.q)), key=rsa),
        "private RSA, d alone": BadKey(jwk(rsa, d=_number(private.d)), key=rsa),
        "private EC": BadKey(jwk(curve, d=_number(curve.private_numbers().private_value)), "ES256", curve),
        "private Ed25519": BadKey(jwk(edwards, d=b64(edwards.private_bytes_raw())), "EdDSA", edwards),
        "oct": BadKey({"kty": "oct", "k": b64(SECRET)}, "HS256", SECRET),
        "oct for HS256": BadKey({"kty": "oct", "k": b64(SECRET), "alg": "HS256", "use": "sig"}, "HS256", SECRET),
        "oct that says RS256": BadKey({"kty": "oct", "k": b64(SECRET), "alg": "RS256"}, "RS256", SECRET),
        "RSA with a secret": BadKey(jwk(rsa, k=b64(SECRET)), key=rsa),
        "kty missing": BadKey(jwk(rsa, kty=None), key=rsa),
        "kty rsa": BadKey(jwk(rsa, kty="rsa"), key=rsa),
        "kty EC with RSA's members": BadKey(jwk(rsa, kty="EC"), key=rsa),
        "kty a list": BadKey(jwk(rsa, kty=["RSA"]), key=rsa),
        "kty AKP": BadKey({"kty": "AKP", "alg": "ML-DSA-44", "pub": b64(b"p" * 1312)}),
        "secp256k1": BadKey(
            {"kty": "EC", "crv": "secp256k1", "x": _number(koblitz_point.x), "y": _number(koblitz_point.y)},
            "ES256",
            koblitz,
        ),
        "secp256k1 that says P-256": BadKey(
            {"kty": "EC", "crv": "P-256", "x": _number(koblitz_point.x), "y": _number(koblitz_point.y)},
            "ES256",
            koblitz,
        ),
        "P-256 that says P-384": BadKey(jwk(curve, crv="P-384"), "ES384", curve),
        "P-256 without a curve": BadKey(jwk(curve, crv=None), "ES256", curve),
        "P-192": BadKey({"kty": "EC", "crv": "P-192", "x": b64(b"x" * 24), "y": b64(b"y" * 24)}, "ES256"),
        "point off the curve": BadKey(jwk(curve, y=_number(point.y + 1)), "ES256", curve),
        "point zero": BadKey(jwk(curve, x=b64(bytes(32)), y=b64(bytes(32))), "ES256", curve),
        "point without y": BadKey(jwk(curve, y=None), "ES256", curve),
        "point with a short x": BadKey(jwk(curve, x=b64(b"x" * 16)), "ES256", curve),
        "X25519": BadKey({"kty": "OKP", "crv": "X25519", "x": b64(montgomery)}, "EdDSA"),
        "Ed25519 that says X25519": BadKey(jwk(edwards, crv="X25519"), "EdDSA", edwards),
        "Ed25519 that is short": BadKey(jwk(edwards, x=b64(b"x" * 31)), "EdDSA", edwards),
        "kid a number": BadKey(jwk(rsa, kid=7), key=rsa),
        "kid a list": BadKey(jwk(rsa, kid=["x"]), key=rsa),
        "kid empty": BadKey(jwk(rsa, kid=""), key=rsa),
        "a list": BadKey([jwk(rsa, kid="a list")], key=rsa),
        "a text": BadKey(json.dumps(jwk(rsa, kid="a text")), key=rsa),
        "null": BadKey(None, key=rsa),
    }
    return {name: BadKey(_named(name, bad.entry), bad.algorithm, bad.key) for name, bad in made.items()}


def _named(name: str, entry: Any) -> Any:
    own = isinstance(entry, dict) and not name.startswith("kid ")
    return {**entry, "kid": name} if own else entry


@cache
def served() -> str:
    """The key set of every function of the corpus: good keys among bad ones, and one `kid` that two keys have."""
    good = [jwk(key, kid=kid, alg="RS256" if kid == "k-rs256" else None) for kid, (_, key) in KEYS.items()]
    twice = [jwk(rsa_key(name="twice"), kid="twice"), jwk(STRANGERS_KEY, kid="twice")]
    bad = [bad.entry for bad in bad_keys().values()]
    return json.dumps({"keys": [*bad[::2], *good, *twice, *bad[1::2]]})


def cases(world: World) -> Iterator[Case]:
    for name, bad in bad_keys().items():
        text = _sign(world.header(alg=bad.algorithm, kid=name), world.claims(), bad.algorithm, bad.key)
        expect = ALGORITHM if bad.algorithm == "HS256" else UNKNOWN_KEY
        if name == "twice the good modulus":
            expect = invalid_token("key_unknown", "signature_invalid")  # as good as no key: nothing fits it
        yield token_case(f"keys/{name}", "P13 P14 P15 P17 8725-3.1 8725-3.4", text, expect)
    for name, key in {"the first": rsa_key(name="twice"), "the second": STRANGERS_KEY}.items():
        text = _sign(world.header(kid="twice"), world.claims(), "RS256", key)
        yield token_case(f"keys/a kid that two keys have, {name}", "P16", text, UNKNOWN_KEY)
    yield from _strangers(world)
    yield from _confusion(world)


def _strangers(world: World) -> Iterator[Case]:
    """Well made tokens by keys of others under a kid of ours."""
    others: dict[str, Any] = {
        "k-rsa": STRANGERS_KEY,
        "k-rs256": STRANGERS_KEY,
        "k-p256": ec.generate_private_key(ec.SECP256R1()),
        "k-p384": ec.generate_private_key(ec.SECP384R1()),
        "k-p521": ec.generate_private_key(ec.SECP521R1()),
        "k-ed": ed25519.Ed25519PrivateKey.generate(),
    }
    for kid, key in others.items():
        text = _sign(world.header(kid), world.claims(), KEYS[kid][0], key)
        yield token_case(f"keys/a stranger's key under {kid}", "8725-3.3 8725-3.8", text, SIGNATURE)
        text = _sign(world.header(kid, kid="unheard of"), world.claims(), KEYS[kid][0], key)
        yield token_case(
            f"keys/a stranger's {KEYS[kid][0]} key under a kid of its own, like {kid}", "8725-3.8", text, UNKNOWN_KEY
        )
    for kid, signer in (("k-rsa", "k-rs256"), ("k-rs256", "k-rsa")):
        text = _sign(world.header(kid), world.claims(), "RS256", KEYS[signer][1])
        yield token_case(f"keys/the key of {signer} under {kid}", "8725-3.1", text, SIGNATURE)


def _confusion(world: World) -> Iterator[Case]:
    """A public key as the secret of an HMAC: everybody has it (CVE-2022-29217, CVE-2026-48526)."""
    for digest in ("HS256", "HS384", "HS512"):
        for name, secret in public_texts().items():
            text = _sign(world.header(alg=digest), world.claims(), digest, secret)
            yield token_case(f"keys/{digest} with {name}", "8725-3.1 CVE-2022-29217 CVE-2026-48526", text, ALGORITHM)
    for name, secret in public_texts().items():
        text = _sign(world.header(), world.claims(), "HS256", secret)
        yield token_case(f"keys/RS256 that is an HMAC with {name}", "8725-3.1 CVE-2022-29217", text, SIGNATURE)
    for kid, expect in (("k-p256", SIGNATURE), ("k-ed", SIGNATURE)):
        secret = (
            KEYS[kid][1]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        text = _sign(world.header(kid), world.claims(), "HS512", secret)
        yield token_case(f"keys/{KEYS[kid][0]} that is an HMAC with its PEM", "8725-3.1", text, expect)


@cache
def public_texts() -> dict[str, bytes]:
    """What everybody knows and somebody may take for a secret."""
    from hostile.families.header import certificate

    public = rsa_key().public_key()
    encoding, form = serialization.Encoding, serialization.PublicFormat
    entry = jwk(rsa_key(), kid="k-rsa")
    der = certificate()
    lines = base64.encodebytes(der).decode().strip()
    return {
        "the PEM": public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo),
        "the PEM without its last line end": public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo).strip(),
        "the DER": public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo),
        "the PKCS#1 PEM": public.public_bytes(encoding.PEM, form.PKCS1),
        "the PKCS#1 DER": public.public_bytes(encoding.DER, form.PKCS1),
        "the OpenSSH line": public.public_bytes(encoding.OpenSSH, form.OpenSSH),
        "the JWK": json.dumps(entry).encode(),
        "the JWK without blanks": json.dumps(entry, separators=(",", ":")).encode(),
        "the JWK sorted": json.dumps(entry, separators=(",", ":"), sort_keys=True).encode(),
        "the whole key set": served().encode(),
        "the modulus": entry["n"].encode(),
        "the modulus as bytes": public.public_numbers().n.to_bytes(256, "big"),
        "the certificate": f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode(),
        "the certificate in DER": der,
        "nothing": b"",
        "the kid": b"k-rsa",
        "the issuer": ISSUER.encode(),
        "a weak word": b"secret",
        "zeros": bytes(32),
    }


def _sign(header: dict[str, Any], claims: dict[str, Any], algorithm: str, key: Any) -> str:
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    if key is None:
        made = b"s" * 64
    elif isinstance(key, bytes):
        made = hmac.new(key, text.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    elif isinstance(key, int):
        # With the exponent 1 a signature is the padded digest itself (RFC 8017 §9.2): anybody can write it down.
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")
        digest = prefix + hashlib.sha256(text.encode()).digest()
        made = b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest
    else:
        made = signature(algorithm, key, text.encode())
    return f"{text}.{b64(made)}"
