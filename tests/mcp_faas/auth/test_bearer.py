"""The one token in a request's headers, and its entry in a document."""

from __future__ import annotations

import pytest

from mcp_faas.auth.bearer import identify, token_of
from mcp_faas.auth.errors import RequestMalformed, TokenMissing, TokenUnknown
from mcp_faas.tokens import Token

TOKENS = [Token(f"t{n}", n != 7, f"value-{n}-".ljust(32, "x")) for n in range(20)]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_scheme_is_case_insensitive(scheme: str) -> None:
    assert token_of([f"{scheme} abc.DEF-1~+/="]) == "abc.DEF-1~+/="


@pytest.mark.parametrize("headers", [[], [""], ["Basic abc"], ["abc"], ["Bearerabc"], ["Digest username=bearer"]])
def test_no_bearer_credential_is_no_credential(headers: list[str]) -> None:
    with pytest.raises(TokenMissing):
        token_of(headers)


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer a", "Bearer a"],
        ["Bearer a", "Basic b"],
        ["Bearer a, Bearer b"],
        ["Basic b, Bearer a"],
        ["Bearer"],
        ["Bearer "],
        ["Bearer  a"],
        ["Bearer\ta"],
        ["Bearer a b"],
        ["Bearer a\tb"],
        ['Bearer "a"'],
        ["Bearer é"],
        ["Bearer a_\x00"],
        ["Bearer a\n"],
        ["Bearer a;b"],
    ],
)
def test_anything_but_one_token_is_malformed(headers: list[str]) -> None:
    with pytest.raises(RequestMalformed):
        token_of(headers)


def test_each_enabled_token_is_found_and_no_other() -> None:
    for number, token in enumerate(TOKENS):
        if number == 7:
            with pytest.raises(TokenUnknown):
                identify(token.data, TOKENS)
        else:
            assert identify(token.data, TOKENS).name == f"t{number}"


@pytest.mark.parametrize("presented", ["", "value-0-", TOKENS[0].data + "x", TOKENS[0].data.upper(), "t0"])
def test_nearly_a_token_is_none(presented: str) -> None:
    with pytest.raises(TokenUnknown):
        identify(presented, TOKENS)


def test_every_token_is_compared_even_after_a_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = __import__("hmac").compare_digest
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    identify(TOKENS[0].data, TOKENS)
    assert len(compared) == len(TOKENS)
    assert {len(value) for pair in compared for value in pair} == {32}
