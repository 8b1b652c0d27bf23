"""The text of a token: what the quick way of reading it takes is what the slow way takes."""

from __future__ import annotations

import base64
import binascii
import itertools
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_faas.auth import errors
from mcp_faas.auth.compact import PIECES_MAX, _header, parse
from support.jwts import b64, token

ALPHABET = string.ascii_letters + string.digits + "-_"
HEAD, CLAIMS, _ = token().split(".")


def slowly(part: str) -> bytes | None:
    """RFC 7515 appendix C, and encoded again: None where that gives another text."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        return None
    return decoded if b64(decoded) == part else None


def quickly(part: str) -> bytes | None:
    try:
        return parse(f"{HEAD}.{CLAIMS}.{part}").signature
    except errors.TokenMalformed:
        return None


def test_every_ending_of_a_part_is_read_as_the_slow_way_reads_it() -> None:
    """All texts of one and two characters, and every last pair behind none to four others."""
    texts = [*ALPHABET, *map("".join, itertools.product(ALPHABET, repeat=2))]
    for text in texts:
        for length in range(5):
            part = "Qm-_"[:length] + text
            assert quickly(part) == slowly(part), part


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(alphabet=ALPHABET, min_size=1, max_size=60))
@example("____")
@example("----")
def test_every_part_is_read_as_the_slow_way_reads_it(part: str) -> None:
    assert quickly(part) == slowly(part)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=80))
def test_all_bytes_come_through(signature: bytes) -> None:
    assert quickly(b64(signature)) == signature


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_nothing_but_the_alphabet_is_in_a_part(text: str) -> None:
    if not text or set(text) - set(ALPHABET):
        assert quickly(text) is None


def test_what_is_signed_is_the_text_as_it_came() -> None:
    text = token(claims={"sub": "?>??>>" * 20})  # with both characters that base64 spells otherwise
    assert "-" in text.rpartition(".")[0]
    assert "_" in text.rpartition(".")[0]
    assert parse(text).signing_input == text.rpartition(".")[0].encode()


def told(text: str) -> tuple[str, str | None, str | None]:
    header = parse(text).header
    return header.algorithm, header.kid, header.kind


def test_header_tells_what_is_needed_to_find_a_key() -> None:
    assert told(token()) == ("RS256", "k1", "at+jwt")
    assert told(token({"kid": ..., "typ": ...})) == ("RS256", None, "")
    assert told(token({"typ": "application/"})) == ("RS256", "k1", None)


@pytest.mark.parametrize("header", [{"alg": "none"}, {"kid": 1}, {"crit": ["x"]}, {"cty": "JWT"}], ids=str)
def test_header_is_refused_each_time_that_it_comes(header: dict[str, object]) -> None:
    """Reading one header once for many tokens must not mean that it is let in at the second try."""
    for _ in range(3):
        with pytest.raises((errors.AlgorithmRefused, errors.HeaderRefused)):
            told(token(header))
    assert told(token())[1] == "k1"


def test_headers_of_strangers_do_not_pile_up() -> None:
    for number in range(100):
        parse(token({"kid": f"k{number}"}))
    assert _header.cache_info().currsize <= 16


@pytest.mark.parametrize("piece", ["{}", "[]", "0"])
def test_more_pieces_than_a_token_has_are_not_read(piece: str) -> None:
    """6 KB of JSON can hold 2,000 values, and reading those takes longer than checking a signature."""
    fitting = (PIECES_MAX - 1) // (len(piece))  # each with its comma, but for the outer two brackets and the last comma
    most = '{"b":[' + ",".join([piece] * fitting) + "]}"
    assert len(parse(f"{HEAD}.{b64(most.encode())}.AAAA").claims["b"]) == fitting
    with pytest.raises(errors.TokenMalformed):
        parse(f"{HEAD}.{b64(most.replace(']}', f',{piece}]}}').encode())}.AAAA")
