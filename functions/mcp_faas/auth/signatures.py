"""Prepare a public key to check the signatures of one algorithm (RFC 7518 §3, RFC 8037 §3). No I/O, no token, no JWK.

The check itself is `cryptography`'s. What it needs beside the key is made once for a key, and not again in every call.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
# Takes a signature and the text that it is said to be of, and raises unless it is.
Check = Callable[[bytes, bytes], None]

_DIGESTS: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}


def check_with(public: PublicKey, algorithm: str) -> Check:
    """The check of `algorithm`, which must be one that fits the key.

    A signature that does not fit raises `InvalidSignature`, one that cannot be a signature may raise anything.
    """
    if isinstance(public, RSAPublicKey):
        return _check_with_rsa(public, algorithm)
    if isinstance(public, EllipticCurvePublicKey):
        return _check_on_curve(public, ECDSA(_DIGESTS[algorithm[2:]]))
    return public.verify


def _check_with_rsa(public: RSAPublicKey, algorithm: str) -> Check:
    digest = _DIGESTS[algorithm[2:]]
    # RFC 7518 §3.5: the salt is as long as the hash, and MGF1 uses the same one.
    padding = PSS(MGF1(digest), digest.digest_size) if algorithm.startswith("PS") else PKCS1v15()

    def check(signature: bytes, text: bytes) -> None:
        public.verify(signature, text, padding, digest)

    return check


def _check_on_curve(public: EllipticCurvePublicKey, scheme: ECDSA) -> Check:
    size = (public.curve.key_size + 7) // 8

    def check(signature: bytes, text: bytes) -> None:
        # RFC 7518 §3.4: r and s at full length; any other length would be another text of the same two numbers.
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        public.verify(encode_dss_signature(r, s), text, scheme)

    return check
