"""Take a compact JWS apart (RFC 7515 §3.1, §4) and judge its form, before anything of it is believed. No I/O, no keys.

Strangers send what comes here: what is cheap to write and dear to read is refused before it is read.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from mcp_faas import strict_json
from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.errors import AlgorithmRefused, HeaderRefused, TokenMalformed, TokenTooLong
from mcp_faas.auth.keys import KID_MAX_CHARACTERS

TOKEN_MAX_CHARACTERS = 8192  # FC caps all request headers together at 8 KB; checked before anything is parsed
PIECES_MAX = 512  # commas and opening brackets in one part: 6 KB have room for thousands of values, which take long

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")  # from RFC 4648 §5 to §4, which is what `binascii` reads
# By what is left of a part's length after groups of four: with what the last group is filled up, and what the part may
# end with. Unused bits of the last character would make several texts of one token (RFC 4648 §3.5), so they are zero;
# and one character alone is no byte.
_PADDING = (b"", b"", b"==", b"=")
_ENDINGS = (bytes(range(256)), b"", b"AQgw", b"AEIMQUYcgkosw048")


@dataclass(frozen=True)
class Header:
    """The header of a token. Each question is answered once, however many tokens it comes with."""

    members: Mapping[str, Any] = field(repr=False)

    @cached_property
    def algorithm(self) -> str:
        """`alg`, one of ours, with nothing beside it that gives what was signed another meaning.

        Raises `AlgorithmRefused` or `HeaderRefused`.
        """
        algorithm = self.members.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ASYMMETRIC_ALGORITHMS:
            raise AlgorithmRefused("alg is not an asymmetric algorithm that we know")
        for name in ("crit", "b64", "zip"):
            if name in self.members:
                raise HeaderRefused(f"{name} is not supported")
        content = self.members.get("cty", "")
        if not isinstance(content, str) or content.lower().removeprefix("application/") == "jwt":
            raise HeaderRefused("cty says that another token is inside")
        return algorithm

    @cached_property
    def kid(self) -> str | None:
        """`kid`, short printable text. Raises `HeaderRefused`."""
        if "kid" not in self.members:
            return None
        kid = self.members["kid"]
        if not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX_CHARACTERS or not kid.isprintable():
            raise HeaderRefused("kid is not a short printable text")
        return kid

    @cached_property
    def kind(self) -> str | None:
        """`typ` as profiles write it: "" where there is none at all, None where one is there and names no type."""
        if "typ" not in self.members:
            return ""
        kind = self.members["typ"]
        return (kind.lower().removeprefix("application/") or None) if isinstance(kind, str) else None


@dataclass(frozen=True)
class Unverified:
    """A token that was taken apart and not yet believed: use it to choose a policy and a key, for nothing else."""

    header: Header
    claims: Mapping[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse(token: str) -> Unverified:
    """Take a compact JWS apart. Raises `TokenTooLong` or `TokenMalformed`."""
    if len(token) > TOKEN_MAX_CHARACTERS:
        raise TokenTooLong(f"longer than {TOKEN_MAX_CHARACTERS} characters")
    if _COMPACT.fullmatch(token) is None:
        raise TokenMalformed("not three base64url parts")
    text = token.encode("ascii")
    header, claims, signature = text.translate(_TO_STANDARD).split(b".")
    return Unverified(_header(header), _json_object(claims), text[: text.rindex(b".")], _decode(signature))


# An issuer writes one header before all tokens of a key. There is room for the keys of several and no more: strangers
# can fill it with headers of their own, which takes 2 MB at most, and then the good ones are read again.
@lru_cache(maxsize=16)
def _header(part: bytes) -> Header:
    return Header(_json_object(part))


def _json_object(part: bytes) -> Mapping[str, Any]:
    text = _decode(part)
    if text.count(b",") + text.count(b"{") + text.count(b"[") > PIECES_MAX:
        raise TokenMalformed(f"more than {PIECES_MAX} commas and opening brackets in header or payload")
    try:
        value = strict_json.loads(text.decode())
    except (ValueError, RecursionError):
        raise TokenMalformed("header or payload is not strict JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise TokenMalformed("header or payload is not a JSON object")
    return value


def _decode(part: bytes) -> bytes:
    """The bytes of a part that has characters of base64 alone, and at least one."""
    left = len(part) % 4
    if part[-1] not in _ENDINGS[left]:
        raise TokenMalformed("a part is not canonical base64url")
    return binascii.a2b_base64(part + _PADDING[left])
