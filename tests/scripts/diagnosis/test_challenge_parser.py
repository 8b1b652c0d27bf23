"""The parser that judges challenges: everything that RFC 9110 §11 allows, and nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.challenge import Challenge, Ungrammatical, misfits, parse

GOOD: dict[str, list[Challenge]] = {
    "Bearer": [Challenge("Bearer")],
    'Bearer realm="a"': [Challenge("Bearer", {"realm": "a"})],
    'bearer Realm="a"': [Challenge("bearer", {"realm": "a"})],
    "Bearer error=invalid_token": [Challenge("Bearer", {"error": "invalid_token"})],
    'Bearer realm = "a" , scope= "x y"': [Challenge("Bearer", {"realm": "a", "scope": "x y"})],
    'Bearer realm="a, Basic b=\\"c\\""': [Challenge("Bearer", {"realm": 'a, Basic b="c"'})],
    'Bearer   realm="a",scope="x"': [Challenge("Bearer", {"realm": "a", "scope": "x"})],
    "Bearer realm=": [Challenge("Bearer", token68="realm=")],  # so reads the grammar
    "Negotiate YII==": [Challenge("Negotiate", token68="YII==")],
    'Negotiate YII==, Bearer realm="a"': [Challenge("Negotiate", token68="YII=="), Challenge("Bearer", {"realm": "a"})],
    'Basic realm="x", charset="UTF-8", Bearer scope="y"': [
        Challenge("Basic", {"realm": "x", "charset": "UTF-8"}),
        Challenge("Bearer", {"scope": "y"}),
    ],
    'Bearer, Basic realm="x"': [Challenge("Bearer"), Challenge("Basic", {"realm": "x"})],
    'Bearer realm=""': [Challenge("Bearer", {"realm": ""})],
    'Bearer realm="\xe9\t!"': [Challenge("Bearer", {"realm": "\xe9\t!"})],
}
BAD = [
    "",
    " ",
    ",",
    "Bearer,",
    ', Bearer realm="a"',
    'Bearer realm="a",, scope="b"',
    'Bearer realm="a" scope="b"',
    'Bearer realm="a',
    'Bearer realm="a"b"',
    "Bearer =a",
    'realm="a"',
    "Bearer resource_metadata=https://mcp.example.com/.well-known/oauth-protected-resource",
    "Bearer scope=a b",
    'Bearer realm="a", realm="b"',
    'Bearer realm="a", REALM="b"',
    'Bearer realm="a\nb"',
    'Bearer realm="a\x00b"',
    'Negotiate YII==, realm="a"',
    'Bearer\trealm="a"',
    "Bearer: x",
    "{}",
    "Bearer realm='a b'",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_grammar_allows(text: str) -> None:
    assert parse([text]) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_it_does_not(text: str) -> None:
    with pytest.raises(Ungrammatical):
        parse([text])


def test_two_fields_are_one_list() -> None:
    assert parse(["Bearer", 'Basic realm="a"']) == [Challenge("Bearer"), Challenge("Basic", {"realm": "a"})]


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("scope", "a b", True),
        ("scope", "a  b", False),
        ("scope", "", False),
        ("scope", 'a"b', False),
        ("scope", "\xe9", False),
        ("error", "invalid_token", True),
        ("error_description", "The token is bad.", True),
        ("error_description", 'It is "bad"', False),
        ("error_description", "back\\slash", False),
        ("error_description", "na\xefve", False),
        ("error_uri", "https://a.example/x y", False),
        ("realm", "\xe9", True),  # RFC 6750 says nothing about it
    ],
)
def test_what_rfc_6750_allows_in_values(name: str, value: str, fits: bool) -> None:
    assert (misfits(Challenge("Bearer", {name: value})) == []) is fits


NAMES = st.text("abcXYZ019-_.!", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20).filter(
    lambda text: all(each.isprintable() or ord(each) >= 0x80 for each in text)
)


@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES.map(str.lower), VALUES, min_size=1, max_size=4)), min_size=1))
def test_what_is_written_is_read_back(written: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in written
    )
    assert parse([text]) == [Challenge(scheme, parameters) for scheme, parameters in written]


@given(st.text(st.characters(max_codepoint=0xFF), max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    with contextlib.suppress(Ungrammatical):
        parse([text])
