"""One good token, and one thing wrong per test."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import Any

import pytest

from mcp_faas.auth import errors
from mcp_faas.auth.compact import parse
from mcp_faas.auth.jwt import Policy, verify
from mcp_faas.auth.keys import KeySet, parse_key_set
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.profiles import PROFILES
from support.jwts import (
    GOOD_CLAIMS,
    GOOD_HEADER,
    ISSUER,
    NOW,
    RESOURCE,
    ec_key,
    ed_key,
    jwk,
    key_set,
    rsa_key,
    sign_parts,
    token,
)

POLICY = Policy(issuer=ISSUER, audiences=frozenset({RESOURCE}))
KEYS = parse_key_set(key_set(jwk(rsa_key())))


def check(text: str, *, policy: Policy = POLICY, keys: KeySet = KEYS, now: float = NOW) -> Principal:
    return verify(parse(text), keys, policy, now)


def test_good_token_gives_its_principal() -> None:
    assert check(token()) == Principal(
        client="client-1",
        subject="alice",
        issuer=ISSUER,
        scopes=frozenset({"mcp:tools", "mcp:notes:read"}),
        expires_at=NOW + 600,
        claims=GOOD_CLAIMS,
    )


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        *((name, rsa_key()) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("ES256", ec_key("P-256")),
        ("ES384", ec_key("P-384")),
        ("ES512", ec_key("P-521")),
        ("EdDSA", ed_key()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_algorithm_of_ours_is_accepted(algorithm: str, key: Any) -> None:
    assert check(token({"alg": algorithm}, key=key), keys=parse_key_set(key_set(jwk(key)))).subject == "alice"


GOOD = {
    "typ with the long form": ({"typ": "application/at+jwt"}, {}),
    "typ in upper case": ({"typ": "AT+JWT"}, {}),
    "audience among others": ({}, {"aud": ["https://other.example.com", RESOURCE]}),
    "no kid and one key": ({"kid": ...}, {}),
    "expired within the leeway": ({}, {"iat": NOW - 600, "exp": NOW - 29}),
    "not yet valid within the leeway": ({}, {"nbf": NOW + 29}),
    "issued ahead within the leeway": ({}, {"iat": NOW + 29}),
    "fraction of a second": ({}, {"exp": NOW + 600.5}),
    "no scope": ({}, {"scope": ...}),
    "jku and x5u that nobody fetches": ({"jku": "https://evil.example.com", "x5u": "https://evil.example.com"}, {}),
}


@pytest.mark.parametrize(("header", "claims"), GOOD.values(), ids=GOOD)
def test_honest_variants_are_accepted(header: dict[str, Any], claims: dict[str, Any]) -> None:
    assert check(token(header, claims)).subject == "alice"


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], type[errors.AuthError]]] = {
    # header
    "alg none": ({"alg": "none"}, {}, errors.AlgorithmRefused),
    "alg nOnE": ({"alg": "nOnE"}, {}, errors.AlgorithmRefused),
    "alg empty": ({"alg": ""}, {}, errors.AlgorithmRefused),
    "alg a list": ({"alg": ["RS256"]}, {}, errors.AlgorithmRefused),
    "alg missing": ({"alg": ...}, {}, errors.AlgorithmRefused),
    "alg HS256": ({"alg": "HS256"}, {}, errors.AlgorithmRefused),
    "alg of another key type": ({"alg": "ES256"}, {}, errors.KeyUnknown),
    "typ missing": ({"typ": ...}, {}, errors.TypeMismatch),
    "typ JWT": ({"typ": "JWT"}, {}, errors.TypeMismatch),
    "typ of a logout token": ({"typ": "logout+jwt"}, {}, errors.TypeMismatch),
    "typ a list": ({"typ": ["at+jwt"]}, {}, errors.TypeMismatch),
    "typ empty": ({"typ": ""}, {}, errors.TypeMismatch),
    "crit unknown": ({"crit": ["x"], "x": 1}, {}, errors.HeaderRefused),
    "crit empty": ({"crit": []}, {}, errors.HeaderRefused),
    "b64 true": ({"b64": True}, {}, errors.HeaderRefused),
    "zip": ({"zip": "DEF"}, {}, errors.HeaderRefused),
    "cty nested": ({"cty": "JWT"}, {}, errors.HeaderRefused),
    "cty null": ({"cty": None}, {}, errors.HeaderRefused),
    "kid unknown": ({"kid": "k2"}, {}, errors.KeyUnknown),
    "kid a number": ({"kid": 1}, {}, errors.HeaderRefused),
    "kid null": ({"kid": None}, {}, errors.HeaderRefused),
    "kid too long": ({"kid": "k" * 257}, {}, errors.HeaderRefused),
    "kid with NUL": ({"kid": "k\0"}, {}, errors.HeaderRefused),
    # issuer and audience
    "iss with a slash": ({}, {"iss": ISSUER + "/"}, errors.IssuerMismatch),
    "iss prefix": ({}, {"iss": ISSUER[:-1]}, errors.IssuerMismatch),
    "iss in upper case": ({}, {"iss": ISSUER.upper()}, errors.IssuerMismatch),
    "iss a list": ({}, {"iss": [ISSUER]}, errors.ClaimMalformed),
    "iss missing": ({}, {"iss": ...}, errors.ClaimMissing),
    "aud of another": ({}, {"aud": "https://other.example.com/mcp"}, errors.AudienceMismatch),
    "aud prefix": ({}, {"aud": RESOURCE[:-4]}, errors.AudienceMismatch),
    "aud with a slash": ({}, {"aud": RESOURCE + "/"}, errors.AudienceMismatch),
    "aud missing": ({}, {"aud": ...}, errors.ClaimMissing),
    "aud empty list": ({}, {"aud": []}, errors.ClaimMalformed),
    "aud with a number": ({}, {"aud": [RESOURCE, 1]}, errors.ClaimMalformed),
    "aud an object": ({}, {"aud": {RESOURCE: 1}}, errors.ClaimMalformed),
    # times
    "exp passed": ({}, {"iat": NOW - 600, "exp": NOW - 30}, errors.TokenExpired),
    "exp missing": ({}, {"exp": ...}, errors.ClaimMissing),
    "exp null": ({}, {"exp": None}, errors.ClaimMalformed),
    "exp text": ({}, {"exp": str(NOW + 600)}, errors.ClaimMalformed),
    "exp true": ({}, {"exp": True}, errors.ClaimMalformed),
    "exp in milliseconds": ({}, {"exp": (NOW + 600) * 1000}, errors.LifetimeTooLong),
    "exp beyond 2^53": ({}, {"exp": 2**53}, errors.ClaimMalformed),
    "exp of 400 digits": ({}, {"exp": 10**400}, errors.ClaimMalformed),
    "exp negative": ({}, {"exp": -1}, errors.ClaimMalformed),
    "exp beyond a day": ({}, {"exp": NOW + 86_400 + 31}, errors.LifetimeTooLong),
    "lifetime beyond a day": ({}, {"iat": NOW - 86_000, "exp": NOW + 600}, errors.LifetimeTooLong),
    "nbf ahead": ({}, {"nbf": NOW + 31}, errors.TokenNotYetValid),
    "nbf true": ({}, {"nbf": True}, errors.ClaimMalformed),
    "nbf null": ({}, {"nbf": None}, errors.ClaimMalformed),
    "iat ahead": ({}, {"iat": NOW + 31}, errors.TokenNotYetValid),
    "iat ahead of nbf": ({}, {"iat": NOW + 31, "nbf": NOW}, errors.TokenNotYetValid),
    "iat missing": ({}, {"iat": ...}, errors.ClaimMissing),
    "iat text": ({}, {"iat": "1"}, errors.ClaimMalformed),
    "exp before iat": ({}, {"iat": NOW + 20, "exp": NOW + 10}, errors.ClaimMalformed),
    "exp between nbf and iat": ({}, {"nbf": NOW, "iat": NOW + 20, "exp": NOW + 10}, errors.ClaimMalformed),
    "exp at iat": ({}, {"iat": NOW, "exp": NOW}, errors.ClaimMalformed),
    "exp before nbf": ({}, {"nbf": NOW + 20, "exp": NOW + 10}, errors.ClaimMalformed),
    "exp at nbf": ({}, {"nbf": NOW + 20, "exp": NOW + 20}, errors.ClaimMalformed),
    # who
    "sub missing": ({}, {"sub": ...}, errors.ClaimMissing),
    "sub empty": ({}, {"sub": ""}, errors.ClaimMalformed),
    "sub a number": ({}, {"sub": 1}, errors.ClaimMalformed),
    "sub a lone surrogate": ({}, {"sub": "\ud800"}, errors.ClaimMalformed),
    "client_id missing": ({}, {"client_id": ...}, errors.ClaimMissing),
    "client_id a list": ({}, {"client_id": ["client-1"]}, errors.ClaimMalformed),
    "jti missing": ({}, {"jti": ...}, errors.ClaimMissing),
    "jti a number": ({}, {"jti": 1}, errors.ClaimMalformed),
    # what for
    "scope null": ({}, {"scope": None}, errors.ClaimMalformed),
    "scope a list": ({}, {"scope": ["mcp:tools"]}, errors.ClaimMalformed),
    "scope with a tab": ({}, {"scope": "a\tb"}, errors.ClaimMalformed),
    "scope with a no-break space": ({}, {"scope": "a\u00a0b"}, errors.ClaimMalformed),
    "bound to a key": ({}, {"cnf": {"jkt": "x"}}, errors.TokenBound),
    "an ID token's nonce": ({}, {"nonce": "n"}, errors.TypeMismatch),
    "a logout token's events": ({}, {"events": {}}, errors.TypeMismatch),
}


@pytest.mark.parametrize(("header", "claims", "reason"), BAD.values(), ids=BAD)
def test_one_thing_wrong_is_refused(
    header: dict[str, Any], claims: dict[str, Any], reason: type[errors.AuthError]
) -> None:
    with pytest.raises(reason) as refused:
        check(token(header, claims))
    assert type(refused.value) is reason


def test_missing_kid_is_refused_where_two_keys_fit() -> None:
    keys = parse_key_set(key_set(jwk(rsa_key()), jwk(rsa_key(name="second"), kid="k2")))
    with pytest.raises(errors.KeyUnknown):
        check(token({"kid": ...}), keys=keys)


def test_every_bit_of_the_signature_counts() -> None:
    head, _, last = token().rpartition(".")
    for place in range(0, len(last), 7):
        other = "A" if last[place] != "A" else "B"
        with pytest.raises((errors.SignatureInvalid, errors.TokenMalformed)):
            check(f"{head}.{last[:place]}{other}{last[place + 1 :]}")


def test_library_that_stumbles_over_a_signature_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise OverflowError

    monkeypatch.setitem(KEYS.find("k1", "RS256").checks, "RS256", stumble)
    with pytest.raises(errors.SignatureInvalid):
        check(token())


def test_key_of_another_issuer_is_refused() -> None:
    with pytest.raises(errors.SignatureInvalid):
        check(token(key=rsa_key(name="second")))


def test_algorithm_outside_the_setting_is_refused() -> None:
    with pytest.raises(errors.AlgorithmRefused):
        check(token(), policy=replace(POLICY, algorithms=frozenset({"ES256"})))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace(".", "..", 1),
        lambda text: text + ".x",
        lambda text: text.rpartition(".")[0],
        lambda text: text.rpartition(".")[0] + ".",
        lambda text: text[:20] + "+" + text[21:],
        lambda text: text[:20] + "é" + text[21:],
        lambda text: "",
        lambda text: "a.b.c.d.e",
        lambda text: "{}",
    ],
)
def test_other_texts_are_malformed(change: Any) -> None:
    with pytest.raises(errors.TokenMalformed):
        check(change(token()))


HEADER, CLAIMS = json.dumps(GOOD_HEADER).encode(), json.dumps(GOOD_CLAIMS).encode()


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (HEADER.replace(b'"alg"', b'"alg": "none", "alg"'), CLAIMS),
        (HEADER, CLAIMS.replace(b'"sub"', b'"sub": "mallory", "sub"')),
        (b"\xef\xbb\xbf" + HEADER, CLAIMS),
        (HEADER, b"\xef\xbb\xbf" + CLAIMS),
        (HEADER, CLAIMS.decode().encode("utf-16")),
        (HEADER, b"\xff" + CLAIMS),
        (HEADER, CLAIMS.replace(b'"exp": ', b'"exp": NaN, "x": ')),
        (HEADER, b"[]"),
        (b'"text"', CLAIMS),
        (HEADER, b"[" * 3000),
        (HEADER, b'{"a":' * 500 + b"1" + b"}" * 500 + b","),
    ],
    ids=[
        "alg twice",
        "sub twice",
        "BOM",
        "BOM in claims",
        "UTF-16",
        "not UTF-8",
        "NaN",
        "list",
        "text",
        "deep",
        "tail",
    ],
)
def test_json_that_two_parsers_could_read_differently_is_malformed(header: bytes, claims: bytes) -> None:
    with pytest.raises(errors.TokenMalformed):
        check(sign_parts(header, claims))


def test_infinity_written_as_a_number_is_refused() -> None:
    with pytest.raises(errors.ClaimMalformed):
        check(sign_parts(HEADER, CLAIMS.replace(str(NOW + 600).encode(), b"1e400")))


def test_last_character_of_a_part_has_one_spelling() -> None:
    text = token()
    # 256 bytes are 342 characters, whose last one carries four bits that mean nothing: 16 spellings of one signature.
    others = [text[:-1] + letter for letter in f"{string.ascii_letters}{string.digits}-_" if letter != text[-1]]
    for other in others:
        with pytest.raises(errors.TokenRejected):
            check(other)


def test_four_kilobytes_work_and_eight_are_too_long() -> None:
    assert check(token(claims={"extra": "x" * 2400})).subject == "alice"
    with pytest.raises(errors.TokenTooLong):
        parse("a" * 8193)


def test_endpoint_itself_is_the_audience_only_where_none_is_set() -> None:
    anyone = replace(POLICY, audiences=frozenset())
    assert verify(parse(token()), KEYS, anyone, NOW, resource=RESOURCE).subject == "alice"
    for policy, resource in ((anyone, None), (anyone, ""), (anyone, RESOURCE + "/")):
        with pytest.raises(errors.AudienceMismatch):
            verify(parse(token()), KEYS, policy, NOW, resource=resource)
    with pytest.raises(errors.AudienceMismatch):
        verify(parse(token()), KEYS, replace(POLICY, audiences=frozenset({"other"})), NOW, resource=RESOURCE)


def test_cognito_tokens_name_their_client_instead_of_an_audience() -> None:
    policy = Policy(ISSUER, frozenset({"client-1"}), profile=PROFILES["cognito"])
    assert check(token({"typ": ...}, {"aud": ..., "token_use": "access"}), policy=policy).client == "client-1"
    with pytest.raises(errors.AudienceMismatch):
        check(token({"typ": ...}, {"aud": ..., "token_use": "access", "client_id": "other"}), policy=policy)
    with pytest.raises(errors.TypeMismatch):
        check(token({"typ": ...}, {"aud": ..., "token_use": "id"}), policy=policy)


@pytest.mark.parametrize(
    ("profile", "header", "claims"),
    [
        ("entra", {"typ": "JWT"}, {"azp": "c", "scp": "a b", "scope": ..., "client_id": ..., "tid": "t", "ver": "2.0"}),
        ("auth0", {"typ": "JWT"}, {"azp": "c", "scope": "a b", "client_id": ...}),
        ("okta", {"typ": ...}, {"cid": "c", "scp": ["a", "b"], "scope": ..., "client_id": ...}),
        ("keycloak", {"typ": "JWT"}, {"typ": "Bearer", "azp": "c", "scope": "a b", "client_id": ...}),
        ("scalekit", {"typ": "JWT"}, {"client_id": "c", "scopes": ["a", "b"], "scope": ...}),
    ],
)
def test_named_profiles_read_client_and_scopes_where_they_are(
    profile: str, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    principal = check(token(header, claims), policy=replace(POLICY, profile=PROFILES[profile]))
    assert (principal.client, principal.scopes) == ("c", frozenset({"a", "b"}))


@pytest.mark.parametrize(
    ("profile", "header", "claims"),
    [
        ("entra", {"typ": "JWT"}, {"tid": "t", "ver": "2.0", "name": "A", "preferred_username": "a@b"}),
        ("entra", {"typ": "JWT"}, {"tid": "t", "ver": "2.0", "azp": "c"}),
        ("auth0", {"typ": "JWT"}, {"name": "A", "email": "a@b"}),
        ("auth0", {"typ": "JWT"}, {"azp": "c", "response_type": "code", "redirect_uri": "https://x"}),
        ("auth0", {"typ": "JWT"}, {"azp": "c", "token_introspection": {}}),
        ("okta", {"typ": ...}, {"name": "A"}),
        ("scalekit", {"typ": "JWT"}, {"name": "A"}),
        ("google", {"typ": "JWT"}, {"name": "A"}),
        ("keycloak", {"typ": "JWT"}, {"typ": "ID", "azp": "c"}),
    ],
)
def test_other_tokens_of_a_profiles_issuer_are_no_access_tokens(
    profile: str, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    with pytest.raises((errors.ClaimMissing, errors.TypeMismatch)):
        check(
            token(header, {"scope": ..., "client_id": ..., **claims}), policy=replace(POLICY, profile=PROFILES[profile])
        )


@pytest.mark.parametrize("kind", ["", "application/", "APPLICATION/", None, 0, []])
@pytest.mark.parametrize("profile", [name for name, profile in PROFILES.items() if "" in profile.types])
def test_typ_that_names_nothing_is_not_the_typ_that_a_profile_may_lack(profile: str, kind: object) -> None:
    with pytest.raises(errors.TypeMismatch):
        check(token({"typ": kind}), policy=replace(POLICY, profile=PROFILES[profile]))


ENTRA = {"azp": "c", "scp": "a b", "roles": ["r"], "scope": ..., "client_id": ..., "tid": "t", "ver": "2.0"}


@pytest.mark.parametrize("claim", ["tid", "ver", "scp", "roles"])
@pytest.mark.parametrize("value", [None, "", [], {}, 5, True, [""], ["r", 1]], ids=repr)
def test_mark_counts_only_in_its_exact_type(claim: str, value: object) -> None:
    policy = replace(POLICY, profile=PROFILES["entra"])
    assert check(token({"typ": "JWT"}, ENTRA), policy=policy).client == "c"
    # Where one of two is enough, an odd one is odd alone and beside the other.
    alone = {"roles": {"scp": ...}, "scp": {"roles": ...}}.get(claim, {})
    for others in ({}, alone):
        with pytest.raises(errors.ClaimMalformed):
            check(token({"typ": "JWT"}, {**ENTRA, **others, claim: value}), policy=policy)


@pytest.mark.parametrize(
    ("profile", "claim"), [(name, claim) for name, profile in PROFILES.items() for claim in sorted(profile.required)]
)
@pytest.mark.parametrize("value", [None, "", 5, True, {}], ids=repr)
def test_required_claim_is_a_text_in_every_profile(profile: str, claim: str, value: object) -> None:
    style = PROFILES[profile]
    marks = dict.fromkeys(style.required, "m") | dict(style.equal)
    policy = replace(POLICY, profile=style, audiences=frozenset({RESOURCE, "m"}))
    header = {"typ": min(style.types, key=len) or ...}
    claims = {
        **dict.fromkeys(style.client_claims, "m"),
        **dict.fromkeys(style.any_of, "m"),
        **({} if style.any_of else {style.scope_claim: ...}),
    }
    check(token(header, {**claims, **marks}), policy=policy)
    if claim == style.scope_claim and value == "":
        assert check(token(header, {**claims, **marks, claim: ""}), policy=policy).scopes == frozenset()
        return
    # What stands in for the audience is held against that first.
    with pytest.raises((errors.ClaimMalformed, errors.ClaimMissing, errors.AudienceMismatch)):
        check(token(header, {**claims, **marks, claim: value}), policy=policy)


@pytest.mark.parametrize("claims", [{"azp": ""}, {"azp": "c", "jti": 7}, {"azp": "c", "jti": ""}], ids=str)
def test_claims_that_a_profile_does_not_require_have_their_type_too(claims: dict[str, Any]) -> None:
    text = token({"typ": "JWT"}, {"client_id": ..., **claims})
    with pytest.raises(errors.ClaimMalformed):
        check(text, policy=replace(POLICY, profile=PROFILES["auth0"]))


def test_no_reason_shows_a_value_of_the_token() -> None:
    for header, claims, _ in BAD.values():
        text = token(header, claims)
        with pytest.raises(errors.AuthError) as refused:
            check(text)
        assert "alice" not in str(refused.value)
        assert not any(part in str(refused.value) for part in text.split(".") if part)
