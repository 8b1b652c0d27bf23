"""Honest tokens of every profile, through every way in: let in, known to the tool by name, noted once.

A door that refuses everything would pass every other test of this folder.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict

import pytest

from hostile.canary import REACHED
from hostile.case import CANARIES, KEYS, Request, World, bearer
from hostile.checks import decisions_by_call, leaks
from hostile.ways_in import WAYS, Sent, WayIn, function
from mcp_faas.auth.profiles import PROFILES
from support.vendor_tokens import LEGITIMATE, Legitimate, environment, signed

LEAST_TOKENS = 100
BY_ENVIRONMENT: dict[tuple[tuple[str, str], ...], list[Legitimate]] = defaultdict(list)
for token in LEGITIMATE:
    BY_ENVIRONMENT[tuple(sorted(environment(token).items()))].append(token)


def test_there_are_enough_of_every_profile() -> None:
    assert len(LEGITIMATE) >= LEAST_TOKENS
    assert {token.profile for token in LEGITIMATE} == set(PROFILES)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_tokens_of_every_issuer_are_let_in(way: WayIn) -> None:
    wrong = []
    for settings, tokens in BY_ENVIRONMENT.items():
        texts = [signed(token, time.time()) for token in tokens]
        own = {"MCP_SERVER": "hostile.canary:server", "MCP_LOG_LEVEL": "DEBUG"}
        with function({**dict(settings), **own}) as output, way.open() as ask:
            answers = ask([(f"r-{number}", bearer(text)) for number, text in enumerate(texts)])
        decisions = decisions_by_call(output.lines)
        for number, (token, answer) in enumerate(zip(tokens, answers, strict=True)):
            who = token.principal
            told = json.loads(answer.body).get("result", {}).get("content", [{}])[0].get("text")
            if (answer.status, told) != (200, f"{who.client} {who.subject}"):
                wrong.append(f"{token.id}: {answer.status} {answer.body[:120]!r}")
            lines = [
                (line["decision"], line["reason"], line["subject"], line["scopes"]) for line in decisions[f"r-{number}"]
            ]
            if lines != [("allow", "ok", who.subject, sorted(who.scopes))]:
                wrong.append(f"{token.id}: {lines}")
        wrong += leaks(output.lines, texts)
    assert not wrong, "\n".join(wrong)


def honest_requests(world: World) -> dict[str, Request]:
    """One good token in every spelling that a standard allows."""
    good = world.token()
    schemes = {f"scheme {scheme}": f"{scheme} {good}" for scheme in ("Bearer", "bearer", "BEARER", "bEaReR")}
    tokens = {
        **{f"signed for {kid}": world.token(kid=kid) for kid in KEYS},
        **{f"signed with {name}": _signed_with(world, name) for name in ("RS384", "RS512", "PS256", "PS384", "PS512")},
        "the long form of typ": world.token({"typ": "application/at+jwt"}),
        "typ in upper case": world.token({"typ": "AT+JWT"}),
        "places of keys that nobody looks at": world.token(
            {"jku": "https://evil.example", "x5u": "https://evil.example"}
        ),
        "an unknown parameter": world.token({"x": {"y": [1, None]}}),
        "several audiences": world.token(claims={"aud": ["https://other.example.com", world.resource]}),
        "a fraction of a second": world.token(claims={"exp": world.now + 600.5, "iat": world.now - 0.5}),
        "just expired, within the leeway": world.token(claims={"exp": world.now - 1, "iat": world.now - 600}),
        "a little ahead, within the leeway": world.token(claims={"iat": world.now + 5, "nbf": world.now + 5}),
        "a wider scope": world.token(claims={"scope": "mcp"}),
        "a scope with a star": world.token(claims={"scope": "mcp:*"}),
        "four kilobytes": world.token(claims={"groups": ["g" * 30] * 75}),
        "white space in its JSON": world.signed(
            json.dumps(world.header(), indent=2).encode(), json.dumps(world.claims(), indent=2).encode()
        ),
        "escapes in its JSON": world.signed(
            json.dumps(world.header()).encode(), json.dumps(world.claims()).replace("/", "\\/").encode()
        ),
        "Unicode among its claims": world.token(claims={"name": "Ünïcödé 😀 \u202e"}),
    }
    headers = {
        "an allowed origin": (("Origin", "https://app.example.com"), ("Authorization", f"Bearer {good}")),
        "a tab behind the value": (("Authorization", f"Bearer {good}\t "),),
        "a name in upper case": (("AUTHORIZATION", f"Bearer {good}"),),
        "beside everything that is believed elsewhere": (
            ("X-Forwarded-Host", "evil.example"),
            ("X-Original-URL", "/healthz"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("Cookie", "access_token=bad"),
            ("Proxy-Authorization", "Basic eDp5"),
            ("Authorization", f"Bearer {good}"),
        ),
    }
    return {
        **{name: Request((("Authorization", value),)) for name, value in schemes.items()},
        **{name: bearer(text) for name, text in tokens.items()},
        **{name: Request(values) for name, values in headers.items()},
        "a query beside it": Request((("Authorization", f"Bearer {good}"),), target="/mcp?access_token=bad&a=b"),
        "a character set": Request(
            (("Authorization", f"Bearer {good}"),), content_type="application/json; charset=utf-8"
        ),
    }


def _signed_with(world: World, algorithm: str) -> str:
    header, claims = world.header(alg=algorithm), world.claims()
    return world.signed(json.dumps(header).encode(), json.dumps(claims).encode(), algorithm=algorithm)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_one_good_token_in_every_honest_spelling(way: WayIn) -> None:
    REACHED.clear()
    requests = honest_requests(World(way.resource))
    sent: list[Sent] = [(f"r-{number}", request) for number, request in enumerate(requests.values())]
    with function(way.environment()) as output, way.open() as ask:
        answers = ask(sent)
    wrong = [
        f"{name}: {answer.status} {answer.body[:120]!r}"
        for name, answer in zip(requests, answers, strict=True)
        if answer.status != 200
    ]
    assert not wrong, "\n".join(wrong)
    assert len(REACHED) == len(requests)
    assert not leaks(output.lines, [value for request in requests.values() for _, value in request.headers])
    assert CANARIES["jti"] not in "\n".join(output.lines)
