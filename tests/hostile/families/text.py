"""Family `text`: the spelling of a good token. What is no b64token is 400, what is no compact JWS is 401."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from hostile.case import EVENTS, MALFORMED, NO_REQUEST, Case, Transport, World, invalid_token, token_case
from support.jwts import b64

MALFORMED_TOKEN = invalid_token("token_malformed")
TOO_LONG = invalid_token("token_too_long")
# A stranger's text that may fail at any step of the reading: what the log says differs, what he hears does not.
BROKEN = invalid_token("token_malformed", "signature_invalid")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# What h11 refuses by itself: it would end the header line.
LINE_ENDERS = "\x00\n\x0b\x0c\r"

NOT_IN_A_CREDENTIAL = {
    **{f"control U+{code:04X}": chr(code) for code in (*range(32), 127)},
    **{f"punctuation U+{ord(sign):04X}": sign for sign in "!\"#$%&'()*,:;<>?@[\\]^`{|}"},
    "blank": " ",
    "no-break space": "\u00a0",
    "em space": "\u2003",
    "ideographic space": "\u3000",
    "next line": "\u0085",
    "line separator": "\u2028",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "byte order mark": "\ufeff",
    "right to left override": "\u202e",
    "soft hyphen": "\u00ad",
    "letter e acute": "é",
    "full-width letter": "Ａ",
    "Cyrillic letter": "а",
    "full-width full stop": "．",
    "ideographic full stop": "。",
    "Arabic digit": "٣",
    "kelvin sign": "\u212a",
    "combining accent": "\u0301",
    "emoji": "😀",
}


def cases(world: World) -> Iterator[Case]:
    good = world.token()
    head, body, tail = good.split(".")
    yield from _characters(good)
    yield from _alphabets(good)
    yield from _segments(head, body, tail)
    yield from _other_serialisations(world, good)
    yield from _spellings(world, good)
    yield from _lengths(world, good)


def _characters(good: str) -> Iterator[Case]:
    for name, sign in NOT_IN_A_CREDENTIAL.items():
        places = {"inside": good[:40] + sign + good[40:], "before": sign + good, "after": good + sign}
        for place, text in places.items():
            if place != "inside" and (sign.isascii() or name == "soft hyphen"):
                continue  # the inner place stands for them; blanks at the end are the header's own
            exceptions: dict[Transport, Any] = {"http": None} if sign in LINE_ENDERS else {}
            yield token_case(f"text/{name} {place}", "P1 6750-5", text, MALFORMED, exceptions)
    for name, text in {"before": "\ud800" + good, "inside": good[:9] + "\udfff" + good[9:]}.items():
        # Only an event can hold one: it is text that nobody can send on, so the event is none.
        yield token_case(f"text/lone surrogate {name}", "P2", text, MALFORMED, dict.fromkeys(EVENTS, NO_REQUEST))


def _alphabets(good: str) -> Iterator[Case]:
    head, body, tail = good.split(".")
    for sign in "=+/~":
        yield token_case(f"text/{sign} at the end", "P1", good + sign, MALFORMED_TOKEN)
        yield token_case(f"text/{sign} at the start", "P1", sign + good, MALFORMED_TOKEN)
        yield token_case(
            f"text/{sign} inside the header", "P1", f"{head[:9]}{sign}{head[9:]}.{body}.{tail}", MALFORMED_TOKEN
        )
        yield token_case(f"text/{sign} after the header", "P1", f"{head}{sign}.{body}.{tail}", MALFORMED_TOKEN)
        yield token_case(f"text/{sign} after the payload", "P1", f"{head}.{body}{sign}.{tail}", MALFORMED_TOKEN)
        yield token_case(f"text/{sign} for a letter", "P1", good[:-9] + sign + good[-8:], MALFORMED_TOKEN)
    yield token_case(
        "text/padding of each part",
        "P1",
        ".".join(part + "=" * (-len(part) % 4 or 4) for part in (head, body, tail)),
        MALFORMED_TOKEN,
    )
    yield token_case("text/three signs of padding", "P1", good + "===", MALFORMED_TOKEN)


def _segments(head: str, body: str, tail: str) -> Iterator[Case]:
    texts = {
        "one part": head,
        "two parts": f"{head}.{body}",
        "two parts and a dot": f"{head}.{body}.",
        "four parts": f"{head}.{body}.{tail}.{tail}",
        "four parts, the last empty": f"{head}.{body}.{tail}.",
        "five parts, as a JWE has": f"{head}.{body}.{tail}.{head}.{body}",
        "five parts, two empty": f"{head}..{body}.{tail}.{tail}",
        "six parts, as two tokens have": f"{head}.{body}.{tail}.{head}.{body}.{tail}",
        "no header": f".{body}.{tail}",
        "no payload": f"{head}..{tail}",
        "detached payload and a tail": f"{head}..{tail}.",
        "dots alone": "..",
        "one dot": ".",
        "a dot in front": f".{head}.{body}.{tail}",
        "two dots between": f"{head}..{body}.{tail}",
        "one letter": "a",
        "three letters": "a.b.c",
        "three letters that decode": "YQ.YQ.YQ",
        "three empty objects": "e30.e30.e30",
        "header twice": f"{head}.{head}.{tail}",
        "payload and header swapped": f"{body}.{head}.{tail}",
        "signature in front": f"{tail}.{head}.{body}",
        "header with a letter too many": f"{head}A.{body}.{tail}",
        "payload with a letter too many": f"{head}.{body}A.{tail}",
        "hyphens": "-.-.-",
        "underscores": "_._._",
    }
    for name, text in texts.items():
        expect = MALFORMED_TOKEN
        if name in ("three empty objects", "header twice", "payload and header swapped"):
            expect = invalid_token("claim_missing")  # a JWS by its grammar: what it lacks comes next
        elif name.endswith("too many"):
            expect = BROKEN
        yield token_case(f"text/{name}", "RFC 7515 §3.1", text, expect)


def _other_serialisations(world: World, good: str) -> Iterator[Case]:
    head, body, tail = good.split(".")
    flattened = {"protected": head, "payload": body, "signature": tail}
    general = {"payload": body, "signatures": [{"protected": head, "signature": tail}]}
    for name, document in {"flattened JSON": flattened, "general JSON": general}.items():
        text = json.dumps(document, separators=(",", ":"))
        yield token_case(f"text/{name}", "RFC 7515 §7.2", text, MALFORMED)
        yield token_case(f"text/{name} in base64url", "RFC 7515 §7.2", b64(text.encode()), MALFORMED_TOKEN)
    yield token_case(
        "text/JWE",
        "8725-3.6",
        ".".join(b64(part) for part in (b'{"alg":"dir","enc":"A256GCM"}', b"k" * 32, b"i" * 12, b"c" * 90, b"t" * 16)),
        MALFORMED_TOKEN,
    )
    yield token_case("text/PASETO", "RFC 7515 §3.1", "v4.public." + b64(b"{}" * 60), MALFORMED_TOKEN)
    yield token_case("text/macaroon", "RFC 7515 §3.1", b64(b"\x02\x01" + b"m" * 120), MALFORMED_TOKEN)
    yield token_case(
        "text/opaque token of this project", "RFC 7515 §3.1", "mcpt-" + "a" * 43 + "-000000", MALFORMED_TOKEN
    )
    yield token_case("text/SD-JWT with a disclosure", "RFC 9901", f"{good}~{b64(b'[1,2,3]')}~", MALFORMED_TOKEN)
    yield token_case("text/UUID", "RFC 7515 §3.1", "5f2b0f7a-3c11-4c0e-9d7c-0a9e2d1c4b3a", MALFORMED_TOKEN)
    yield token_case(
        "text/AWS signature",
        "RFC 7515 §3.1",
        "AKIAIOSFODNN7EXAMPLE/20261122/eu-west-1/lambda/aws4_request",
        MALFORMED_TOKEN,
    )
    for word in ("null", "undefined", "true", "none", "admin", "NaN", "0", "-1", "..%2f"):
        expect = MALFORMED if "%" in word else MALFORMED_TOKEN
        yield token_case(f"text/the word {word}", "RFC 7515 §3.1", word, expect)


def _spellings(world: World, good: str) -> Iterator[Case]:
    head, body, tail = good.split(".")
    texts = {
        "all in upper case": good.upper(),
        "all in lower case": good.lower(),
        "cases swapped": good.swapcase(),
        "backwards": good[::-1],
        "base64 of the whole": base64.b64encode(good.encode()).decode().rstrip("="),
        "base64url of the whole": b64(good.encode()),
        "hexadecimal": good.encode().hex(),
        "parts in base64 of base64": ".".join(b64(part.encode()) for part in (head, body, tail)),
        "twice without a sign between": good + good,
        "with the scheme once more": "Bearer." + good,
    }
    for name, text in texts.items():
        yield token_case(f"text/{name}", "RFC 7515 §3.1", text, BROKEN)
    quoted = {
        "quoted": f'"{good}"',
        "single quotes": f"'{good}'",
        "angle brackets": f"<{good}>",
        "percent-encoded dots": good.replace(".", "%2e"),
        "percent-encoded letter": "%65" + good[1:],
        "with a comma and nothing": good + ",",
        "with a semicolon": good + ";",
        "as a parameter": f'token="{good}"',
        "two with a blank": f"{good} {good}",
        "two with a comma": f"{good},{good}",
        "quoted-printable": good.replace(".", "=2E;"),
        "HTML entity": good.replace(".", "&#46;"),
        "escaped": good.replace(".", "\\."),
    }
    for name, text in quoted.items():
        yield token_case(f"text/{name}", "6750-2", text, MALFORMED)
    # Unused bits at the end of a part: 16 spellings of one RS256 signature (RFC 4648 §3.5).
    for letter in LETTERS:
        if letter != tail[-1] and LETTERS.index(letter) >> 4 == LETTERS.index(tail[-1]) >> 4:
            yield token_case(
                f"text/other spelling of the signature {len(_same(tail, letter))}",
                "P1 RFC 4648 §3.5",
                good[:-1] + letter,
                MALFORMED_TOKEN,
            )
    for padding, unused in ((1, 2), (2, 4)):
        payload = json.dumps(world.claims(), separators=(",", ":")).encode()
        payload += b" " * ((3 - padding - len(payload)) % 3)
        text = world.signed(json.dumps(world.header()).encode(), payload)
        first, second, third = text.split(".")
        other = LETTERS[LETTERS.index(second[-1]) + 1]
        yield token_case(
            f"text/other spelling of the payload, {unused} bits",
            "P1 RFC 4648 §3.5",
            f"{first}.{second[:-1]}{other}.{third}",
            MALFORMED_TOKEN,
        )


def _same(tail: str, letter: str) -> str:
    """The spellings of the last letter before this one, so that their number names it whatever the signature is."""
    first = LETTERS.index(tail[-1]) & ~15
    others = [sign for sign in LETTERS[first : first + 16] if sign != tail[-1]]
    return "".join(others[: others.index(letter) + 1])


def _lengths(world: World, good: str) -> Iterator[Case]:
    for cut in (1, 2, 3, 4, 5, 8, 16, 43, 64, 86, 128, 171, 256, 300, 341):
        yield token_case(f"text/cut by {cut}", "RFC 7515 §3.1", good[:-cut], BROKEN)
        yield token_case(f"text/cut by {cut} in front", "RFC 7515 §3.1", good[cut:], BROKEN)
    yield token_case("text/8193 letters", "P12", "a" * 8193, TOO_LONG)
    yield token_case("text/8192 letters", "P12", "a" * 8192, MALFORMED_TOKEN)
    yield token_case("text/8193 dots", "P12", "." * 8193, TOO_LONG)
    yield token_case("text/long payload", "P12", world.token(claims={"pad": "x" * 6200}), TOO_LONG)
    yield token_case("text/long header", "P12", world.token({"pad": "x" * 6200}), TOO_LONG)
    yield token_case("text/kid of 20 kB", "P9 P12", world.token({"kid": "k" * 20_000}), TOO_LONG)
    # Larger than the HTTP server takes a request's head: it hangs up (test_wire.py).
    megabytes: dict[Transport, Any] = {"http": None}
    yield token_case("text/kid of 100 kB", "P9 P12", world.token({"kid": "k" * 100_000}), TOO_LONG, megabytes)
    yield token_case("text/payload of 5 MB", "P12", world.token(claims={"pad": "x" * 5_000_000}), TOO_LONG, megabytes)
    yield token_case("text/5 MB of dots", "P12", "." * 5_000_000, TOO_LONG, megabytes)
