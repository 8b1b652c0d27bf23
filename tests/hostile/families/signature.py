"""Family `signature`: well made tokens whose signature is not one of theirs. `test_flips.py` adds every single bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hostile.case import KEYS, Case, World, invalid_token, token_case
from support.jwts import b64, rsa_key, signature

SIGNATURE = invalid_token("signature_invalid")
# DER of the DigestInfo before a SHA-256 digest (RFC 8017 §9.2, note 1).
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
ORDERS = {
    "k-p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "k-p384": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
    ),
    "k-p521": int(
        "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SIZES = {"k-p256": 32, "k-p384": 48, "k-p521": 66}


def cases(world: World) -> Iterator[Case]:
    yield from _changed_contents(world)
    yield from _of_other_texts(world)
    yield from _rsa(world)
    yield from _pss(world)
    yield from _ecdsa(world)
    yield from _ed25519(world)


def _changed_contents(world: World) -> Iterator[Case]:
    """A good signature under contents that were changed after it."""
    changes: dict[str, dict[str, Any]] = {
        "another subject": {"sub": "root"},
        "wider scopes": {"scope": "mcp:tools mcp:vault:open"},
        "a longer life": {"exp": world.now + 12 * 3600},
        "another client": {"client_id": "admin"},
        "one more claim": {"admin": True},
        "one claim less": {"email": ...},
    }
    for kid in KEYS:
        head, _, tail = world.token(kid=kid).split(".")
        for name, change in changes.items():
            body = b64(json.dumps(world.claims(**change)).encode())
            yield token_case(f"signature/{kid}: {name}", "8725-3.3", f"{head}.{body}.{tail}", SIGNATURE)
        _, body, tail = world.token(kid=kid).split(".")
        headers: dict[str, dict[str, Any]] = {
            "a longer typ": {"typ": "application/at+jwt"},
            "one more parameter": {"x": 1},
        }
        for name, header in headers.items():
            head = b64(json.dumps(world.header(kid, **header)).encode())
            yield token_case(f"signature/{kid}: {name}", "8725-3.3", f"{head}.{body}.{tail}", SIGNATURE)


def _of_other_texts(world: World) -> Iterator[Case]:
    for kid in ("k-rsa", "k-p256", "k-ed"):
        algorithm, key = KEYS[kid]
        good = world.token(kid=kid)
        text = good.rpartition(".")[0]
        head, body = text.split(".")
        others = {
            "the payload": body.encode(),
            "the header": head.encode(),
            "the claims as JSON": json.dumps(world.claims()).encode(),
            "header and payload without the dot": (head + body).encode(),
            "payload and header": f"{body}.{head}".encode(),
            "a dot too many": f"{text}.".encode(),
            "a line end behind": f"{text}\n".encode(),
            "upper case": text.upper().encode(),
            "nothing": b"",
            "the digest": hashlib.sha256(text.encode()).digest(),
            "the digest in hexadecimal": hashlib.sha256(text.encode()).hexdigest().encode(),
            "another good token": world.token(claims={"jti": "another"}, kid=kid).rpartition(".")[0].encode(),
        }
        for name, other in others.items():
            made = b64(signature(algorithm, key, other))
            yield token_case(f"signature/{kid}: of {name}", "8725-3.3", f"{text}.{made}", SIGNATURE)


def _text(world: World, kid: str, **header: Any) -> str:
    return world.token(header, kid=kid).rpartition(".")[0]


def _rsa(world: World) -> Iterator[Case]:
    text = _text(world, "k-rsa")
    key = rsa_key()
    numbers = key.private_numbers()
    n, d = numbers.public_numbers.n, numbers.d
    good = signature("RS256", key, text.encode())
    value = int.from_bytes(good, "big")
    digest = hashlib.sha256(text.encode()).digest()
    info = SHA256_INFO + digest

    def raw(padded: bytes) -> bytes:
        return pow(int.from_bytes(padded, "big"), d, n).to_bytes(256, "big")

    def block(tail: bytes, *, kind: bytes = b"\x01", fill: int | None = None, sign: bytes = b"\xff") -> bytes:
        length = 253 - len(tail) if fill is None else fill
        return (b"\x00" + kind + sign * length + b"\x00" + tail).ljust(256, b"\x77")

    signatures = {
        "one zero byte": b"\0",
        "256 zero bytes": bytes(256),
        "the number one": (1).to_bytes(256, "big"),
        "256 bytes of ones": b"\xff" * 256,
        "the modulus": n.to_bytes(256, "big"),
        "the modulus less one": (n - 1).to_bytes(256, "big"),
        "the first byte missing": good[1:],
        "the last byte missing": good[:-1],
        "a zero in front": b"\0" + good,
        "a zero behind": good + b"\0",
        "the modulus added": (value + n).to_bytes(257, "big"),
        "its negative": (n - value).to_bytes(256, "big"),
        "backwards": good[::-1],
        "twice": good + good,
        "in hexadecimal": good.hex().encode(),
        "the padded digest itself": block(info),
        "the digest alone": digest,
        "the digest without its name": raw(block(digest)),
        "a garbage tail": raw(block(info, fill=8)),
        "block type 2": raw(block(info, kind=b"\x02")),
        "block type 0": raw(block(info, kind=b"\x00", sign=b"\x00")),
        "padding of other bytes": raw(block(info, sign=b"\xfe")),
        "no NULL in the digest's name": raw(
            block(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest)
        ),
        "SHA-1's name": raw(block(bytes.fromhex("3021300906052b0e03021a05000414") + digest[:20])),
        "MD5": key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303 - a signature that must not count
        "SHA-384": key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA384()),
        "SHA3-256": key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA3_256()),
    }
    for name, made in signatures.items():
        yield token_case(f"signature/RS256: {name}", "8725-3.3 RFC 8017 §8.2.2", f"{text}.{b64(made)}", SIGNATURE)


def _pss(world: World) -> Iterator[Case]:
    text = _text(world, "k-rsa", alg="PS256")
    key: rsa.RSAPrivateKey = rsa_key()
    sha256, sha1 = hashes.SHA256(), hashes.SHA1()  # noqa: S303 - a signature that must not count
    variants = {
        "no salt": (padding.PSS(padding.MGF1(sha256), 0), sha256),
        "a salt of 20 bytes": (padding.PSS(padding.MGF1(sha256), 20), sha256),
        "a salt of 33 bytes": (padding.PSS(padding.MGF1(sha256), 33), sha256),
        "the longest salt": (padding.PSS(padding.MGF1(sha256), padding.PSS.MAX_LENGTH), sha256),
        "a mask by SHA-1": (padding.PSS(padding.MGF1(sha1), 32), sha256),
        "SHA-1 throughout": (padding.PSS(padding.MGF1(sha1), 20), sha1),
        "SHA-512": (padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()),
    }
    for name, (form, digest) in variants.items():
        made = key.sign(text.encode(), form, digest)
        yield token_case(f"signature/PS256: {name}", "RFC 7518 §3.5", f"{text}.{b64(made)}", SIGNATURE)


def _ecdsa(world: World) -> Iterator[Case]:
    for kid, order in ORDERS.items():
        algorithm, key = KEYS[kid]
        size, text = SIZES[kid], _text(world, kid)
        good = signature(algorithm, key, text.encode())
        r, s = int.from_bytes(good[:size], "big"), int.from_bytes(good[size:], "big")

        def pair(first: int, second: int, length: int = size) -> bytes:
            return first.to_bytes(length, "big") + second.to_bytes(length, "big")

        wrong = hashes.SHA1() if kid != "k-p256" else hashes.SHA384()  # noqa: S303 - a signature that must not count
        signatures = {
            "r and s zero": pair(0, 0),
            "r zero": pair(0, s),
            "s zero": pair(r, 0),
            "r and s one": pair(1, 1),
            "r the order": pair(order, s),
            "s the order": pair(r, order),
            "both the order": pair(order, order),
            "s of all ones": good[:size] + b"\xff" * size,
            "r and s swapped": pair(s, r),
            "r negated": pair(order - r, s),
            "DER": encode_dss_signature(r, s),
            "DER with zeros": encode_dss_signature(0, 0),
            "one byte short": good[:-1],
            "one byte long": good + b"\0",
            "a zero in front": b"\0" + good,
            "each half padded": pair(r, s, size + 1),
            "half of it": good[:size],
            "twice": good + good,
            "one byte": b"\0",
            "of another digest": _fixed(key, text, wrong, size),
        }
        for name, made in signatures.items():
            yield token_case(
                f"signature/{algorithm}: {name}",
                "8725-3.3 RFC 7518 §3.4 CVE-2022-21449",
                f"{text}.{b64(made)}",
                SIGNATURE,
            )


def _fixed(key: ec.EllipticCurvePrivateKey, text: str, digest: hashes.HashAlgorithm, size: int) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _ed25519(world: World) -> Iterator[Case]:
    text = _text(world, "k-ed")
    key = KEYS["k-ed"][1]
    good = key.sign(text.encode())
    s = int.from_bytes(good[32:], "little")
    identity = (1).to_bytes(32, "little")
    signatures = {
        "64 zero bytes": bytes(64),
        "64 bytes of ones": b"\xff" * 64,
        "the order added to S": good[:32] + (s + ED25519_ORDER).to_bytes(32, "little"),
        "S the order": good[:32] + ED25519_ORDER.to_bytes(32, "little"),
        "S zero": good[:32] + bytes(32),
        "R the identity and S zero": identity + bytes(32),
        "R not canonical": (2**255 - 18).to_bytes(32, "little") + bytes(32),
        "halves swapped": good[32:] + good[:32],
        "one byte short": good[:-1],
        "one byte long": good + b"\0",
        "half of it": good[:32],
        "twice": good + good,
        "the public key": key.public_key().public_bytes_raw() * 2,
        "of the digest": key.sign(hashlib.sha512(text.encode()).digest()),
    }
    for name, made in signatures.items():
        yield token_case(f"signature/EdDSA: {name}", "8725-3.3 RFC 8032 §5.1.7", f"{text}.{b64(made)}", SIGNATURE)
