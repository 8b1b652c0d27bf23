"""Secrets that find their record: their form, their entropy, and what of them may be printed or stored."""

from __future__ import annotations

import re

import pytest

from authorization_server.records import handles
from authorization_server.records.handles import Purpose, derive, digest, mint, read, s256, same

PURPOSES: tuple[Purpose, ...] = ("authorization", "login", "code", "refresh")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_handle_comes_back_from_its_text(purpose: Purpose) -> None:
    minted = mint(purpose)
    assert read(purpose, minted.text) == minted
    assert re.fullmatch(r"mcp[aclr]-[A-Za-z0-9._-]{66}(?:[A-Za-z0-9._-]{23})?", minted.text)
    assert bool(minted.line) is (purpose == "refresh")
    for other in PURPOSES:
        if other != purpose:
            assert read(other, minted.text) is None


def test_handles_of_one_record_share_its_key_and_no_secret() -> None:
    code = mint("code")
    refresh = mint("refresh", code.name)
    assert refresh.key == code.key
    assert refresh.digest != code.digest
    assert mint("refresh", code.name).digest != refresh.digest


def test_refresh_tokens_have_a_line_that_no_code_tells() -> None:
    code = mint("code")
    first, other = mint("refresh", code.name), mint("refresh", code.name)
    assert first.line_digest != other.line_digest
    second = mint("refresh", code.name, first.line)
    assert (second.key, second.line_digest) == (first.key, first.line_digest)
    assert second.digest != first.digest
    assert first.line not in code.text
    for made in (first, second):
        assert made.text.split(".")[1] == made.line


def test_ten_thousand_are_ten_thousand() -> None:
    minted = [mint("refresh") for _ in range(10_000)]
    assert (
        len({handle.name for handle in minted})
        == len({handle.line for handle in minted})
        == len({handle.text.rpartition(".")[2] for handle in minted})
        == 10_000
    )


def test_a_handle_is_not_printed() -> None:
    minted = mint("refresh")
    for part in (minted.name, minted.line, minted.text.rpartition(".")[2]):
        assert part not in f"{minted!r} {minted}"


GOOD = mint("refresh").text


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-1],
        GOOD + "A",
        GOOD.upper(),
        " " + GOOD,
        GOOD + "\n",
        GOOD.replace(".", "-"),
        GOOD[:-1] + "é",
        "mcpr-.",
        GOOD.replace("mcpr", "mcpt"),
        GOOD[:-1] + "=",
        GOOD * 1000,
        mint("code").text.replace("mcpc", "mcpr"),
        GOOD.replace(".", "..", 1),
    ],
    ids=range(14),
)
def test_what_has_not_the_form_is_none(text: str) -> None:
    assert read("refresh", text) is None
    assert read("code", GOOD.replace("mcpr", "mcpc")) is None


def test_nothing_is_the_same_as_nothing() -> None:
    assert same(digest("a"), digest("a"))
    assert not same(digest("a"), digest("b"))
    assert not same(None, None)
    assert not same(digest("a"), None)
    assert not same(digest("a"), "é")


def test_any_text_has_a_digest() -> None:
    assert len({digest(text) for text in ("", "a", "é", "\ud800", "\x00")}) == 5


def test_comparisons_are_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def compare(ours: bytes, theirs: bytes) -> bool:
        seen.append((ours, theirs))
        return True

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert same("a", "b")
    assert seen == [(b"a", b"b")]


def test_a_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    assert s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize("length", [0, 42, 129])
def test_a_verifier_has_43_to_128_characters(length: int) -> None:
    assert s256("a" * length) is None
    assert s256("a" * 43) is not None
    assert s256("a" * 128) is not None


@pytest.mark.parametrize("character", [" ", "+", "/", "=", "%", "é", "\n"])
def test_a_verifier_has_no_other_characters(character: str) -> None:
    assert s256("a" * 42 + character) is None
    assert s256(None) is None


def test_what_is_derived_serves_as_a_verifier_and_differs_by_purpose() -> None:
    one = derive("secret", "nonce")
    assert one == derive("secret", "nonce")
    assert one != derive("secret", "verifier")
    assert one != derive("secres", "nonce")
    assert s256(one) is not None
    assert handles.NAME_BYTES * 8 >= 128
    assert handles.SECRET_BYTES * 8 >= 256
