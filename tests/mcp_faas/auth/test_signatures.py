"""The checks that are prepared once: they say what PyJWT's say, and take every signature that `cryptography` makes."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.signatures import check_with
from support.jwts import ec_key, ed_key, rsa_key, signature

TEXT = b"eyJhbGciOiJub25lIn0.e30"
KEYS: dict[str, Any] = {name: rsa_key() for name in ASYMMETRIC_ALGORITHMS if name[:2] in ("RS", "PS")}
KEYS |= {"ES256": ec_key("P-256"), "ES384": ec_key("P-384"), "ES512": ec_key("P-521"), "EdDSA": ed_key()}
SIGNATURES = {name: signature(name, KEYS[name], TEXT) for name in ASYMMETRIC_ALGORITHMS}
CHECKS = {name: check_with(key.public_key(), name) for name, key in KEYS.items()}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


def fits(algorithm: str, signed: bytes, text: bytes = TEXT) -> bool:
    try:
        CHECKS[algorithm](signed, text)
    # What the library raises on a form that is no signature's is no one type: any of it is a no.
    except Exception:  # noqa: BLE001
        return False
    return True


@pytest.mark.parametrize("algorithm", ASYMMETRIC_ALGORITHMS)
def test_signature_fits_its_text_its_key_and_its_algorithm_alone(algorithm: str) -> None:
    assert {name for name in ASYMMETRIC_ALGORITHMS if fits(name, SIGNATURES[algorithm])} == {algorithm}
    assert not fits(algorithm, SIGNATURES[algorithm], TEXT + b"x")
    assert not fits(algorithm, signature(algorithm, rsa_key(name="evil"), TEXT))


def test_ed448_has_its_own_signatures() -> None:
    key = ed448.Ed448PrivateKey.generate()
    check = check_with(key.public_key(), "EdDSA")
    check(key.sign(TEXT), TEXT)
    with pytest.raises(InvalidSignature):
        check(SIGNATURES["EdDSA"].ljust(114, b"\0"), TEXT)


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 64])
def test_salt_is_as_long_as_the_hash(salt: int) -> None:
    """RFC 7518 §3.5, and not as long as the signature says."""
    padded = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    assert not fits("PS256", rsa_key().sign(TEXT, padded, hashes.SHA256()))


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_numbers_of_a_curve_signature_are_in_range_and_at_full_length(algorithm: str) -> None:
    good = SIGNATURES[algorithm]
    size = len(good) // 2
    r, s = good[:size], good[size:]
    zero, full = bytes(size), b"\xff" * size
    out_of_range = (zero + s, r + zero, zero + zero, full + s, r + full)
    for other in (*out_of_range, b"", r, r + s[:-1], b"\0" + r + s, r + s + b"\0"):
        assert not fits(algorithm, other)
    # With zeros before a number it is the same one to whoever does not look at the length.
    assert not fits(algorithm, r + b"\0" + s)
    assert not fits(algorithm, b"\0" + r + b"\0" + s)
    assert fits(algorithm, good)


def test_second_spelling_of_a_curve_signature_by_the_order_is_refused() -> None:
    """r + n is r to everybody who reckons before looking at the range; a small r leaves room for it in 32 bytes."""
    numbers = ec.generate_private_key(ec.SECP256R1())
    check = check_with(numbers.public_key(), "ES256")
    good = signature("ES256", numbers, TEXT)
    r, s = int.from_bytes(good[:32], "big"), int.from_bytes(good[32:], "big")
    for one, other in ((ORDER, s), (r, ORDER), (r, (s + ORDER) % 2**256), ((r + ORDER) % 2**256, s)):
        with pytest.raises(InvalidSignature):
            check(one.to_bytes(32, "big") + other.to_bytes(32, "big"), TEXT)
    check(good, TEXT)
    check(good[:32] + (ORDER - s).to_bytes(32, "big"), TEXT)  # the other solution, which ECDSA has by its nature


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, bytes]:
    """An algorithm, and a signature of it with a piece replaced, or of another algorithm."""
    algorithm = draw(st.sampled_from(ASYMMETRIC_ALGORITHMS))
    signed = SIGNATURES[draw(st.sampled_from([algorithm] * 3 + [*ASYMMETRIC_ALGORITHMS]))]
    at, length = draw(st.integers(0, len(signed))), draw(st.integers(0, 4))
    return algorithm, signed[:at] + draw(st.binary(max_size=4)) + signed[at + length :]


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(edited())
def test_verdict_is_that_of_pyjwt(case: tuple[str, bytes]) -> None:
    algorithm, signed = case
    try:
        theirs = get_default_algorithms()[algorithm].verify(TEXT, KEYS[algorithm].public_key(), signed)
    # As above: whatever it raises is a no.
    except Exception:  # noqa: BLE001
        theirs = False
    assert fits(algorithm, signed) == theirs
