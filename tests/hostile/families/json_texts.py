"""Spellings of a JSON object that two parsers could read differently, or that none should: for headers and payloads."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any


def not_an_object(good: dict[str, Any]) -> dict[str, bytes]:
    """What stands in the place of this object, by name; strict JSON in UTF-8 is none of it, or it is no object."""
    text = json.dumps(good).encode()
    first = next(iter(good))
    member = json.dumps(first).encode()
    return {
        "empty": b" ",
        "a list": b"[" + text + b"]",
        "an empty list": b"[]",
        "a text": json.dumps(text.decode()).encode(),
        "a number": b"1",
        "null": b"null",
        "true": b"true",
        "two objects": text + text,
        "a tail": text + b"x",
        "a NUL behind": text + b"\0",
        "a comma at the end": text[:-1] + b",}",
        "a comment": text[:-1] + b"/**/}",
        "a line comment": b"//\n" + text,
        "single quotes": text.replace(b'"', b"'"),
        "names without quotes": text.replace(member, first.encode(), 1),
        "cut": text[:-1],
        "cut in a text": text[:20],
        "NaN": text[:-1] + b', "x": NaN}',
        "Infinity": text[:-1] + b', "x": Infinity}',
        "-Infinity": text[:-1] + b', "x": -Infinity}',
        "a leading zero": text[:-1] + b', "x": 01}',
        "a plus sign": text[:-1] + b', "x": +1}',
        "a hexadecimal number": text[:-1] + b', "x": 0x1}',
        "a bare dot": text[:-1] + b', "x": 1.}',
        "a number of 5000 digits": text[:-1] + b', "x": ' + b"9" * 5000 + b"}",
        "a raw line end in a text": text[:-1] + b', "x": "\n"}',
        "a raw NUL in a text": text[:-1] + b', "x": "\0"}',
        "an unknown escape": text[:-1] + b', "x": "\\q"}',
        "a short escape": text[:-1] + b', "x": "\\u12"}',
        "a byte order mark": b"\xef\xbb\xbf" + text,
        "UTF-16": text.decode().encode("utf-16"),
        "UTF-16, little end": text.decode().encode("utf-16-le"),
        "UTF-16, big end": text.decode().encode("utf-16-be"),
        "UTF-32": text.decode().encode("utf-32"),
        "UTF-7": b"+AHs-" + text[1:],
        "EBCDIC": text.decode().encode("cp500"),
        "Latin-1": text[:-1] + ', "x": "é"}'.encode("latin-1"),
        "an invalid byte": b"\xff" + text,
        "an invalid byte in a text": text[:-1] + b', "x": "\xff"}',
        "an overlong form": text[:-1] + b', "x": "\xc0\x80"}',
        "a surrogate in UTF-8": text[:-1] + b', "x": "\xed\xa0\x80"}',
        "a code point beyond Unicode": text[:-1] + b', "x": "\xf5\x80\x80\x80"}',
        "a cut character": text[:-1] + b', "x": "\xe2\x82"}',
        "a no-break space between": text.replace(b": ", b":\xc2\xa0", 1),
        "gzip": gzip.compress(text, mtime=0),
        "deflate": zlib.compress(text),
        "CBOR": b"\xa1\x63alg\x65RS256",
        "XML": b"<claims/>",
        "YAML": first.encode() + b": x",
        "a query string": first.encode() + b"=x",
        "3000 open lists": b"[" * 3000,
        "1000 open objects": b'{"a":' * 1000,
        **{f"the member {name} twice": doubled(good, name) for name in good},
        f"the member {first} twice, once escaped": text[:-1]
        + b', "\\u%04x%s": 1}' % (ord(first[0]), first[1:].encode()),
        "a member inside twice": text[:-1] + b', "x": {"y": 1, "y": 2}}',
    }


def doubled(good: dict[str, Any], name: str) -> bytes:
    """The object with this member a second time, with the same value."""
    return json.dumps(good).encode()[:-1] + b", " + json.dumps({name: good[name]}).encode()[1:]
