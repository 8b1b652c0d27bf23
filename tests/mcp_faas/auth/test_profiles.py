"""Each named issuer's tokens through the real door: the honest give a principal, the hostile the exact reason."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mcp_faas.auth import errors
from mcp_faas.auth.compact import parse
from mcp_faas.auth.jwt import Policy, verify
from mcp_faas.auth.keys import parse_key_set
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.profiles import PROFILES, Profile
from mcp_faas.call import Call
from mcp_faas.doors import open_door
from mcp_faas.settings import read_settings
from support.jwts import ISSUER, NOW, RESOURCE, jwk, key_set, rsa_key, token
from support.vendor_tokens import HOSTILE, LEGITIMATE, Hostile, Legitimate, environment, signed


def admit(case: Legitimate | Hostile, text: str) -> Principal:
    """What the door says that these settings open."""
    settings = read_settings(environment(case))
    door = open_door(settings, background=False)
    return asyncio.run(door.admit([f"Bearer {text}"], Call(public_url=settings.public_url)))


@pytest.mark.parametrize("case", LEGITIMATE, ids=lambda case: case.id)
def test_what_an_issuer_honestly_sends_is_let_in(case: Legitimate) -> None:
    now = time.time()
    moved = int(now) - NOW
    admitted = admit(case, signed(case, now))
    expected = replace(case.principal, expires_at=(case.principal.expires_at or 0) + moved)
    assert replace(admitted, claims={}) == expected
    assert set(admitted.claims) == set(case.claims)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.id)
def test_what_no_issuer_means_as_an_access_token_is_refused(case: Hostile) -> None:
    with pytest.raises(errors.TokenRejected) as refused:
        admit(case, signed(case, time.time()))
    assert type(refused.value) is case.reason


def test_there_are_enough_of_both_for_every_profile() -> None:
    assert set(PROFILES) == {case.profile for case in LEGITIMATE} == {case.profile for case in HOSTILE}
    assert min(Counter(case.profile for case in LEGITIMATE).values()) >= 10
    assert min(Counter(case.profile for case in HOSTILE).values()) >= 15
    assert len(LEGITIMATE) >= 120
    assert len({case.id for case in LEGITIMATE} | {case.id for case in HOSTILE}) == len(LEGITIMATE) + len(HOSTILE)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", ["ID token", "logout token", "refresh"])
def test_every_profile_is_tried_with_the_other_tokens_of_its_issuer(profile: str, kind: str) -> None:
    assert any(case.profile == profile and kind in case.id for case in HOSTILE)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, profile in PROFILES.items() for kind in sorted(profile.types)]
)
def test_least_id_token_with_our_audience_is_no_access_token(name: str, kind: str) -> None:
    """OpenID Connect Core §2, with nothing in it that gives it away: a profile demands what it does not have."""
    policy = Policy(ISSUER, frozenset({RESOURCE}), profile=PROFILES[name])
    about = {"jti": "j", "sid": "s", "auth_time": NOW, "amr": ["pwd"], "email": "a@example.com", "email_verified": True}
    text = token({"typ": kind or ...}, {"client_id": ..., "scope": ..., **about})
    with pytest.raises(errors.ClaimMissing):
        verify(parse(text), parse_key_set(key_set(jwk(rsa_key()))), policy, NOW)


def weaker(profile: Profile) -> Iterator[tuple[str, Profile]]:
    """The profile with one rule taken out, for each of its rules."""
    named_by_another_rule = {profile.audience_claim, *profile.equal}
    if len(profile.client_claims) == 1:
        named_by_another_rule.update(profile.client_claims)
    for claim in profile.required - {"sub"} - named_by_another_rule:
        yield f"{claim} required", replace(profile, required=profile.required - {claim})
    for claim in profile.equal:
        yield f"{claim} equal", replace(profile, equal={})
    for claim in profile.equal_if_present:
        yield f"{claim} equal if present", replace(profile, equal_if_present={})
    if profile.any_of:
        yield "any_of", replace(profile, any_of=frozenset())
    if profile.scope_form == "list":
        yield "scope form", replace(profile, scope_form="text")
    yield "forbidden", replace(profile, forbidden=frozenset())
    yield "life", replace(profile, max_lifetime_seconds=10**9)
    yield "types", replace(profile, types=profile.types | {"logout+jwt", "jwt", "", "oauth-id-jag+jwt", "rt+jwt"})


def outcome(case: Legitimate | Hostile, profile: Profile) -> object:
    """What the verifier alone makes of it: the principal without claims, or the reason."""
    environ = environment(case)
    audiences = frozenset(environ.get("MCP_JWT_AUDIENCE", "").split()) or frozenset({RESOURCE})
    policy = Policy(environ["MCP_JWT_ISSUER"], audiences, profile=profile)
    try:
        keys = parse_key_set(environ["MCP_JWT_JWKS"].encode())
        return replace(verify(parse(signed(case)), keys, policy, NOW), claims={})
    except errors.TokenRejected as refused:
        return type(refused)


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_of_a_profile_is_missed_by_some_token(name: str) -> None:
    everything: list[Legitimate | Hostile] = [*LEGITIMATE, *HOSTILE]
    cases = [case for case in everything if case.profile == name]
    usual = [outcome(case, PROFILES[name]) for case in cases]
    for rule, profile in weaker(PROFILES[name]):
        # What another rule covers as well shows as another reason.
        assert [outcome(case, profile) for case in cases] != usual, rule


@pytest.mark.parametrize("name", PROFILES)
def test_every_fact_says_where_it_is_from(name: str) -> None:
    facts = PROFILES[name].provenance
    assert facts
    for fact in facts:
        assert fact.says
        assert fact.source
        assert (fact.standing == "assumed") == (fact.source == "no page says it")


def test_no_reason_quotes_a_token() -> None:
    for case in HOSTILE:
        if case.text is None:
            with pytest.raises(errors.TokenRejected) as refused:
                admit(case, signed(case, time.time()))
            for value in case.claims.values():
                assert not (isinstance(value, str) and len(value) > 12 and value in str(refused.value))
