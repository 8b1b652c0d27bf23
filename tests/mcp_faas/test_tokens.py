"""The token document and the tokens in it."""

from __future__ import annotations

import ast
import json
import re
import string
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_faas import tokens
from mcp_faas.tokens import (
    DocumentError,
    Marks,
    Token,
    TokenDocument,
    check_writable,
    checksum,
    created_at,
    fingerprint,
    has_our_shape,
    is_ours,
    legal,
    marks,
    mint,
    parse,
)

NOW = datetime(2026, 11, 22, 10, 15, 30, 999999, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)
VALUE = "v" * 40
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")


def entry(name: str = "a", data: Any = VALUE, enable: Any = True, **more: Any) -> dict[str, Any]:
    return {"tokenName": name, "enable": enable, "tokenData": data, **more}


def text(*entries: Any, **more: Any) -> str:
    return json.dumps({"tokens": list(entries), **more})


# Minted tokens


def test_a_minted_token_is_legal_on_both_clouds_and_starts_with_a_letter() -> None:
    for _ in range(2000):
        token = mint(NOW)
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9+/=\-~.]{31,127}", token.data)
        assert NAME.fullmatch(token.name)
        assert "_" not in token.data
        assert token.data.startswith("mcpt-")


def test_a_minted_token_has_256_random_bits() -> None:
    assert len(tokens.BASE62) == len(set(tokens.BASE62)) == 62
    assert 62**tokens.RANDOM_LENGTH >= 2**256
    seen = [mint(NOW).data for _ in range(5000)]
    assert len(set(seen)) == len(seen)
    for place in range(len(tokens.PREFIX), len(tokens.PREFIX) + tokens.RANDOM_LENGTH):
        assert len({data[place] for data in seen}) == 62  # (61/62)^5000 * 62: never by chance


def test_the_random_part_comes_from_secrets() -> None:
    tree = ast.parse(Path(tokens.__file__).read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert "secrets" in imported
    assert "random" not in imported


def test_the_checksum_is_a_crc32_of_all_before_it() -> None:
    import zlib

    data = mint(NOW).data
    body, _, check = data.rpartition("-")
    number = 0
    for digit in check:
        number = number * 62 + (string.digits + string.ascii_uppercase + string.ascii_lowercase).index(digit)
    assert number == zlib.crc32(body.encode())
    assert checksum("mcpt-" + "0" * 43) == "07mn1V"  # in docs/tokens.md, too


@given(st.integers(0, 54), st.sampled_from(tokens.BASE62))
def test_one_wrong_character_is_not_our_shape(place: int, letter: str) -> None:
    data = mint(NOW).data
    changed = data[:place] + letter + data[place + 1 :]
    assert has_our_shape(changed) is (changed == data)


def test_a_name_carries_its_time_and_never_a_piece_of_the_value() -> None:
    for _ in range(500):
        token = mint(NOW)
        assert created_at(token) == NOW.replace(microsecond=0)
        pieces = {token.data[place : place + 12] for place in range(len(token.data) - 11)}
        assert not any(piece in token.name + str(token) + repr(token) for piece in pieces)


def test_ours_is_what_both_name_and_value_say() -> None:
    token, other = mint(NOW), mint(NOW)
    assert is_ours(token)
    assert not is_ours(Token("mcp-printer", True, token.data))
    assert not is_ours(Token("mcp-printer", True, VALUE))
    assert not is_ours(Token(token.name, True, VALUE))
    assert not is_ours(Token(token.name, True, other.data)), "the fingerprint in the name is of another value"
    assert created_at(Token("mcp-printer", True, VALUE)) is None


MOMENTS = st.none() | st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(timezone.utc)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(MOMENTS.filter(bool), MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_marks_survive_the_name(
    created: datetime, delivered: datetime | None, held: datetime | None, revoked: datetime | None, off: datetime | None
) -> None:
    said = Marks(created, "0123abcd", delivered, held, revoked, off)
    assert marks(said.name()) == said
    assert NAME.fullmatch(said.name())


@pytest.mark.parametrize(
    "name",
    [
        "mcp-printer",
        "mcp-20261122T101530Z",
        "mcp-20260230T101530Z-0123abcd",
        "mcp-20261122T101530Z-0123abcd-q",
        "",
        "t",
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert marks(name) is None


def test_a_fingerprint_tells_nothing() -> None:
    assert fingerprint(VALUE) == fingerprint(VALUE)
    assert re.fullmatch(r"[0-9a-f]{8}", fingerprint(VALUE))


# Documents

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RESERVED = {"tokens", "tokenName", "enable", "tokenData"}
EXTRA = st.dictionaries(st.text().filter(lambda key: key not in RESERVED), ANY_JSON, max_size=3)


@given(EXTRA, EXTRA, EXTRA, st.booleans())
def test_what_is_not_understood_comes_back_byte_for_byte(
    before: dict[str, Any], inside: dict[str, Any], after: dict[str, Any], enable: bool
) -> None:
    after = {key: value for key, value in after.items() if key not in before}
    source = json.dumps({**before, "tokens": [{**inside, **entry(enable=enable)}], **after}, separators=(",", ":"))
    assert parse(source).dump() == source


NUMBERS = (
    "1e999",
    "-1e999",
    "1.10",
    "1E5",
    "0.0",
    "-0",
    "-0.0",
    "123456789.123456789123",
    "1" * 400,
    "1e-400",
    "2.5",
    "7",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_comes_back_as_it_was_written(number: str) -> None:
    """Whatever Python makes of it: infinity in a document would lock everybody out."""
    source = f'{{"limit":{number},"tokens":[{{"tokenName":"a","enable":true,"tokenData":"{VALUE}","x":[{number}]}}]}}'
    document = parse(source)
    check_writable(document)
    assert document.dump() == source
    assert document.same_as(parse(source))
    assert parse(document.dump(indent=2)).dump() == source


@given(EXTRA)
def test_a_document_is_laid_out_as_json_dumps_does_it(more: dict[str, Any]) -> None:
    document = parse(text(entry(x=more), **more))
    assert document.dump(indent=2) == json.dumps(document.to_object(), indent=2)


def test_infinity_of_our_own_making_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        TokenDocument(rest={"limit": float("inf")}).dump()


def test_a_document_nested_too_deeply_to_be_written_is_readable_and_not_writable() -> None:
    parsed = parse(f'{{"tokens": [], "x": {"[" * 150}{"]" * 150}}}')
    with pytest.raises(DocumentError, match="nested"):
        check_writable(parsed)


@given(ANY_JSON)
def test_any_json_is_a_document_or_a_document_error(value: Any) -> None:
    try:
        parse(json.dumps(value))
    except DocumentError:
        return
    assert isinstance(value, dict)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"tokens": {}}',
        text(1),
        text({"enable": True, "tokenData": VALUE}),
        text({"tokenName": "a", "tokenData": VALUE}),
        text(entry(enable="true")),
        text(entry(enable=1)),
        text(entry(data=5)),
        text(entry(data=None)),
        text(entry(name="")),
        '{"tokens": [], "tokens": []}',
        '{"tokens": [{"tokenName": "a", "tokenName": "b", "enable": true, "tokenData": "x"}]}',
        '{"tokens": [], "x": NaN}',
        "[" * 100_000,
        '{"tokens": [' + VALUE,
        "﻿{}",
    ],
    ids=range(19),
)
def test_an_unknown_shape_is_refused_without_quoting_it(bad: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(bad)
    assert VALUE not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (text(entry(data="abcd****")), "masked"),
        (text(entry(data="mcpt-" + "*" * 43)), "masked"),
        (text(entry(data="")), "empty or missing"),
        (text({"tokenName": "a", "enable": True}), "empty or missing"),
        (text(entry(data="short")), "masked"),
        (text(entry(data="with_underscore" * 3)), "masked"),
        (text(entry(data="v" * 129)), "masked"),
        (text(entry(data="é" * 40)), "masked"),
        (text(entry("a"), entry("a", "w" * 40)), "same name"),
        (text(entry("a"), entry("b")), "same value"),
    ],
)
def test_what_a_write_would_damage_is_readable_and_not_writable(document: str, said: str) -> None:
    parsed = parse(document)
    with pytest.raises(DocumentError, match=said) as caught:
        check_writable(parsed)
    assert VALUE not in str(caught.value)


def test_a_masked_or_empty_token_opens_nothing() -> None:
    parsed = parse(text(entry("a", ""), entry("b", "****"), entry("c", enable=False), entry("d", "w" * 40)))
    assert [token.name for token in parsed.live()] == ["d"]


def test_alphabet_and_length() -> None:
    assert legal("aZ09+/=-~." + "x" * 22)
    assert not legal("a" * 31)
    assert legal("a" * 128)
    assert not legal("a" * 129)
    assert not legal("a" * 31 + "\n")
    assert not legal("a" * 32 + "\n")
    for letter in "_*, é\x00":
        assert not legal(letter + "a" * 32)


def test_changes_touch_one_token() -> None:
    document = parse(text(entry("a", x=1), entry("b", "w" * 40), y=2))
    token = mint(NOW)
    assert document.adding(token).without(token.data).same_as(document)
    changed = document.changing(VALUE, name="c", enabled=False)
    assert changed.to_object() == {"tokens": [entry("c", enable=False, x=1), entry("b", "w" * 40)], "y": 2}
    assert document.to_object()["tokens"][0]["tokenName"] == "a"


def test_printing_shows_no_value() -> None:
    document = parse(text(entry("a"), secret=VALUE))
    shown = f"{document} {document!r} {document.tokens[0]} {document.tokens[0]!r}"
    assert VALUE not in shown
    assert VALUE[:12] not in shown


def test_it_needs_the_standard_library_alone() -> None:
    code = (
        "import sys, mcp_faas.tokens; files = [getattr(m, '__file__', None) or '' for m in sys.modules.values()]; "
        "print([file for file in files if 'site-packages' in file])"
    )
    functions = Path(tokens.__file__).parent.parent
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=functions, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_empty_document_is_one() -> None:
    assert TokenDocument().dump() == '{"tokens":[]}'
    assert parse('{"tokens":[]}').tokens == ()
