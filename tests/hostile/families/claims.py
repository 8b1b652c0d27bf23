"""Family `claims`: a good token but for one claim, honestly signed: what a broken or confused issuer could send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hostile.case import REQUIRED_SCOPE, Case, Expect, World, insufficient_scope, invalid_token, token_case
from hostile.families.json_texts import doubled, not_an_object
from support.jwts import ISSUER

MALFORMED = invalid_token("claim_malformed")
MISSING = invalid_token("claim_missing")
UNREAD = invalid_token("token_malformed")
EXPIRED = invalid_token("token_expired")
EARLY = invalid_token("token_not_yet_valid")
TOO_LONG_A_LIFE = invalid_token("lifetime_too_long")
AUDIENCE = invalid_token("audience_mismatch")
ISSUER_MISMATCH = invalid_token("issuer_mismatch")

HOUR, DAY, YEAR = 3600, 86_400, 31_536_000


def cases(world: World) -> Iterator[Case]:
    yield from _times(world)
    yield from _types(world)
    yield from _issuers(world)
    yield from _audiences(world)
    yield from _scopes(world)
    for name, value in {
        "a thumbprint": {"jkt": "x" * 43},
        "a key": {"jwk": {}},
        "a certificate": {"x5t#S256": "x"},
        "a kid": {"kid": "k"},
        "empty": {},
        "null": None,
        "a text": "",
        "a list": [],
        "true": True,
        "false": False,
    }.items():
        yield _case(world, f"cnf {name}", "9449 RFC 7800", {"cnf": value}, invalid_token("token_bound"))
    header = json.dumps(world.header()).encode()
    for name, text in not_an_object(world.claims()).items():
        yield token_case(f"claims/is {name}", "P6 P8 8725-3.7", world.signed(header, text), UNREAD)
    for claim, value in {
        "iss": "https://evil.example.com",
        "aud": "https://evil.example.com",
        "sub": "root",
        "scope": "mcp:tools mcp:vault:open",
        "exp": world.now + YEAR,
    }.items():
        text = doubled({**world.claims(), claim: value}, claim).replace(
            json.dumps(value).encode(), json.dumps(world.claims()[claim]).encode(), 1
        )
        yield token_case(f"claims/another {claim} behind the good one", "P6", world.signed(header, text), UNREAD)


def _case(world: World, name: str, source: str, claims: dict[str, Any], expect: Expect) -> Case:
    return token_case(f"claims/{name}", source, world.token(claims=claims), expect)


def _times(world: World) -> Iterator[Case]:
    """RFC 7519 §2: a NumericDate is a JSON number."""
    now = world.now
    honest = {"exp": now + HOUR, "nbf": now - 60, "iat": now - 10}
    for claim, moment in honest.items():
        wrong: dict[str, Any] = {
            "as text": str(moment),
            "as text with blanks": f" {moment} ",
            "as text with underscores": f"{moment:_}",
            "in full-width digits": "".join(chr(ord(digit) + 0xFEE0) for digit in str(moment)),
            "as a date": "2030-01-01T00:00:00Z",
            "in hexadecimal": hex(moment),
            "empty": "",
            "null": None,
            "true": True,
            "false": False,
            "a list": [moment],
            "an empty list": [],
            "an object": {"seconds": moment},
            "negative": -1,
            "a little negative": -0.5,
            "2^53": 2**53,
            "2^53 + 1": 2**53 + 1,
            "2^63": 2**63,
            "10^30": 10**30,
            "1e30": 1e30,
            "4000 digits": int("9" * 4000),
            "in nanoseconds": moment * 10**9,
        }
        for name, value in wrong.items():
            yield _case(world, f"{claim} {name}", "P4 P5 9068-2.2", {claim: value}, MALFORMED)
        for literal in ("NaN", "Infinity", "-Infinity"):
            yield _raw(world, claim, literal, UNREAD)
        for literal in ("1e400", "-1e400"):
            yield _raw(world, claim, literal, MALFORMED)
        yield _raw(world, claim, "9" * 5000, UNREAD)
    for claim in ("exp", "iat"):
        yield _case(world, f"{claim} missing", "9068-2.2", {claim: ...}, MISSING)
    for name, seconds in {"31 s": 31, "a minute": 60, "an hour": HOUR, "a day": DAY, "a year": YEAR}.items():
        yield _case(
            world, f"expired {name} ago", "9068-2.2 9.2.1", {"exp": now - seconds, "iat": now - seconds - HOUR}, EXPIRED
        )
    for name, value in {"0": 0, "1": 1, "0.5": 0.5, "-0.0": -0.0}.items():
        yield _case(world, f"exp {name}", "9068-2.2", {"exp": value, "iat": 0}, EXPIRED)
    for claim in ("iat", "nbf"):
        for name, seconds in {"an hour": HOUR, "a day": DAY, "a year": YEAR}.items():
            yield _case(world, f"{claim} {name} ahead", "9.2.1", {claim: now + seconds}, EARLY)
        yield _case(world, f"{claim} in milliseconds", "P5", {claim: now * 1000}, EARLY)
        yield _case(world, f"{claim} in microseconds", "P5", {claim: now * 10**6}, EARLY)
    lives = {
        "in milliseconds": {"exp": now * 1000},
        "in microseconds": {"exp": now * 10**6},
        "in a year": {"exp": now + YEAR},
        "a day and a minute after iat": {"exp": now + DAY + 60, "iat": now},
        "two days after iat": {"iat": now - DAY - HOUR},
        "iat 0": {"iat": 0},
        "2^53 - 1": {"exp": 2**53 - 1},
    }
    for name, claims in lives.items():
        yield _case(world, f"life: exp {name}", "P5", claims, TOO_LONG_A_LIFE)


def _raw(world: World, claim: str, literal: str, expect: Expect) -> Case:
    payload = json.dumps(world.claims(**{claim: "@"})).replace('"@"', literal).encode()
    named = literal if len(literal) < 20 else f"{len(literal)} digits"
    return token_case(
        f"claims/{claim} {named}", "P4 P5", world.signed(json.dumps(world.header()).encode(), payload), expect
    )


def _types(world: World) -> Iterator[Case]:
    """RFC 9068 §2.2: present, and text."""
    wrong: dict[str, Any] = {
        "empty": "",
        "a number": 1,
        "zero": 0,
        "a fraction": 1.5,
        "true": True,
        "false": False,
        "an empty list": [],
        "a list with a number": [1],
        "a nested list": [["x"]],
        "an object": {"x": "y"},
        "1025 letters": "x" * 1025,
        "a lone surrogate": "\ud800",
        "a lone surrogate inside": "a\udfffb",
    }
    for claim in ("sub", "client_id", "jti"):
        yield _case(world, f"{claim} missing", "9068-2.2", {claim: ...}, MISSING)
        yield _case(world, f"{claim} null", "P7 9068-2.2", {claim: None}, MALFORMED)
        yield _case(world, f"{claim} a list of one", "P7 9068-2.2", {claim: [world.claims()[claim]]}, MALFORMED)
        for name, value in wrong.items():
            yield _case(world, f"{claim} {name}", "P7 9068-2.2", {claim: value}, MALFORMED)
    for claim in ("client_id", "jti", "sub"):
        yield _case(
            world, f"{claim.upper()} in place of {claim}", "9068-2.2", {claim: ..., claim.upper(): "x"}, MISSING
        )
    marks = {
        "nonce": "n",
        "at_hash": "h",
        "c_hash": "h",
        "s_hash": "h",
        "events": {},
        "response_type": "code",
        "redirect_uri": "https://client.example/cb",
        "token_introspection": {"active": True},
    }
    for claim, mark in marks.items():
        for name, value in {"": mark, " empty": "", " null": None}.items():
            yield _case(world, f"the mark {claim}{name}", "8725-3.12", {claim: value}, invalid_token("type_mismatch"))


def _issuers(world: World) -> Iterator[Case]:
    host = ISSUER.removeprefix("https://")
    others = {
        "with a slash": ISSUER + "/",
        "with two slashes": ISSUER + "//",
        "in upper case": ISSUER.upper(),
        "with an upper-case host": "https://" + host.upper(),
        "with an upper-case scheme": "HTTPS://" + host,
        "over http": "http://" + host,
        "without a scheme": host,
        "without a scheme but slashes": "//" + host,
        "a prefix": ISSUER[:-1],
        "a shorter prefix": "https://issuer",
        "the scheme alone": "https://",
        "one letter": "h",
        "with a tail": ISSUER + "x",
        "with a path": ISSUER + "/tenant",
        "with a dot path": ISSUER + "/.",
        "with a query": ISSUER + "?",
        "with a fragment": ISSUER + "#",
        "with the port": ISSUER + ":443",
        "with another port": ISSUER + ":8443",
        "with a user": f"https://x@{host}",
        "as a user": f"{ISSUER}@evil.example",
        "with a dot at the end": ISSUER + ".",
        "as a subdomain": f"https://{host}.evil.example",
        "with a subdomain": f"https://a.{host}",
        "percent-encoded": ISSUER.replace("i", "%69", 1),
        "with a Cyrillic letter": ISSUER.replace("e", "е", 1),
        "in punycode": "https://xn--issuer-x.example.com",
        "with a blank behind": ISSUER + " ",
        "with a blank in front": " " + ISSUER,
        "with a line end": ISSUER + "\n",
        "with a NUL": ISSUER + "\0",
        "with a backslash": ISSUER.replace("//", "\\\\"),
        "the resource": world.resource,
        "of a stranger": "https://evil.example.com",
        "two with a blank": f"{ISSUER} {ISSUER}",
        "two with a comma": f"{ISSUER},{ISSUER}",
        "as JSON": f'"{ISSUER}"',
        "as a JSON list": f'["{ISSUER}"]',
        "null as text": "null",
        "every": "*",
    }
    for name, value in others.items():
        yield _case(world, f"iss {name}", "CVE-2024-53861 8725-3.8", {"iss": value}, ISSUER_MISMATCH)
    wrong: dict[str, Any] = {
        "null": None,
        "empty": "",
        "a list": [ISSUER],
        "an empty list": [],
        "an object": {ISSUER: 1},
        "a number": 1,
        "true": True,
        "1025 letters": "https://" + "x" * 1017,
        "a lone surrogate": "\ud800",
    }
    for name, value in wrong.items():
        yield _case(world, f"iss {name}", "8725-3.8", {"iss": value}, MALFORMED)
    yield _case(world, "iss missing", "9068-2.2", {"iss": ...}, MISSING)
    yield _case(world, "ISS in place of iss", "9068-2.2", {"iss": ..., "ISS": ISSUER}, MISSING)


def _audiences(world: World) -> Iterator[Case]:
    own = world.resource
    base = own.removesuffix("/mcp")
    host = base.removeprefix("https://")
    others: dict[str, Any] = {
        "with a slash": own + "/",
        "with two slashes inside": f"{base}//mcp",
        "in upper case": own.upper(),
        "with an upper-case host": own.replace(host, host.upper()),
        "with an upper-case scheme": own.replace("https", "HTTPS"),
        "with an upper-case path": base + "/MCP",
        "over http": own.replace("https", "http"),
        "without a scheme": own.removeprefix("https://"),
        "the origin": base,
        "the origin with a slash": base + "/",
        "the host": host,
        "a prefix": own[:-1],
        "a longer path": own + "x",
        "a path below": own + "/tools",
        "a dot path": own + "/.",
        "another path": base + "/admin",
        "with a query": own + "?",
        "with a fragment": own + "#",
        "with the port": own.replace(host, host + ":443"),
        "with another port": own.replace(host, host + ":8443"),
        "with a user": own.replace("https://", "https://x@"),
        "another host": "https://other.example.com/mcp",
        "a host that ends alike": own.replace(host, "evil" + host),
        "a host that begins alike": own.replace(host, host + ".evil.example"),
        "percent-encoded": base + "/%6dcp",
        "with a Cyrillic letter": base + "/mсp",
        "in punycode": "https://xn--mcp-x.example.com/mcp",
        "with a blank behind": own + " ",
        "with a blank in front": " " + own,
        "with a line end": own + "\n",
        "with a NUL": own + "\0",
        "the issuer": ISSUER,
        "the client": "canary-client-31c7",
        "two with a blank": f"{own} {own}",
        "two with a comma": f"{own},{own}",
        "as a JSON list": f'["{own}"]',
        "empty": "",
        "every": "*",
        "null as text": "null",
        "a list with others": ["https://other.example.com/mcp", "https://third.example.com"],
        "a list with a prefix": [own[:-1], own + "/"],
        "a list with an empty text": [""],
    }
    for name, value in others.items():
        yield _case(world, f"aud {name}", "9068-2.2 RFC 8707 8725-3.9", {"aud": value}, AUDIENCE)
    wrong: dict[str, Any] = {
        "a number": 1,
        "true": True,
        "false": False,
        "an object": {own: 1},
        "an object with a list": {"aud": [own]},
        "an empty list": [],
        "a list with a number": [own, 1],
        "a list with null": [own, None],
        "a list with true": [own, True],
        "a list with an object": [own, {}],
        "a nested list": [[own]],
        "a list with a list": [own, [own]],
    }
    for name, value in wrong.items():
        yield _case(world, f"aud {name}", "9068-2.2", {"aud": value}, MALFORMED)
    yield _case(world, "aud null", "9068-2.2", {"aud": None}, invalid_token("claim_missing", "claim_malformed"))
    yield _case(world, "aud missing", "9068-2.2", {"aud": ...}, MISSING)
    yield _case(world, "AUD in place of aud", "9068-2.2", {"aud": ..., "AUD": own}, MISSING)
    yield _case(world, "resource in place of aud", "9068-2.2", {"aud": ..., "resource": own}, MISSING)


UNICODE_BLANKS = "\t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff"


def _scopes(world: World) -> Iterator[Case]:
    """RFC 6749 §3.3 for the grammar; RFC 6750 §3.1 for what is not enough."""
    not_enough = {
        "missing": ...,
        "empty": "",
        "another": "mcp:notes:read",
        "a prefix of the word": "mcp:tool",
        "a longer word": "mcp:toolsx",
        "one below": "mcp:tools:forecast",
        "of another case": "MCP:TOOLS",
        "with a star in the word": "mcp:tools*",
        "a star alone": "*",
        "a star of stars": "mcp:*:*",
        "a star in front": "*:tools",
        "a regular expression": "mcp:.+",
        "two colons": "mcp::tools",
        "a colon in front": ":mcp:tools",
        "a colon behind": "mcp:tools:",
        "a comma between": "mcp:tools,mcp:other",
        "a plus between": "mcp:tools+mcp:other",
        "a semicolon behind": "mcp:tools;",
        "a slash between": "mcp/tools",
        "a dot between": "mcp.tools",
        "openid and others": "openid profile email offline_access",
    }
    for name, value in not_enough.items():
        yield _case(world, f"scope {name}", "6750-5", {"scope": value}, insufficient_scope())
    for claim in ("scp", "scopes", "permissions", "roles", "authorities", "Scope"):
        yield _case(
            world, f"scope in {claim}", "RFC 8693 §4.2", {"scope": ..., claim: REQUIRED_SCOPE}, insufficient_scope()
        )
    wrong: dict[str, Any] = {
        "null": None,
        "a list": [REQUIRED_SCOPE],
        "an empty list": [],
        "a number": 1,
        "true": True,
        "false": False,
        "an object": {REQUIRED_SCOPE: True},
        "doubled blank": "mcp:tools  mcp:other",
        "a blank in front": " mcp:tools",
        "a blank behind": "mcp:tools ",
        "a blank alone": " ",
        "a quote": 'mcp:tools "x"',
        "a backslash": "mcp:tools \\x",
        "a NUL": "mcp:tools x\0",
        "a delete": "mcp:tools x\x7f",
        "a letter e acute": "mcp:tools é",
        "a lone surrogate": "mcp:tools \ud800",
        **{f"U+{ord(blank):04X} between": f"mcp:tools{blank}mcp:other" for blank in UNICODE_BLANKS},
    }
    for name, value in wrong.items():
        yield _case(world, f"scope {name}", "RFC 6749 §3.3", {"scope": value}, MALFORMED)
