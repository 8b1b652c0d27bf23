"""Logging in at an OpenID provider, with a stand-in that can be told to do wrong."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from authorization_server.logins import LoginFailed
from authorization_server.logins.id_tokens import IdTokenRefused, Wanted, read_keys, verify
from authorization_server.logins.oidc import is_verified, read_metadata
from authorizing.openid import OpenIdProvider
from authorizing.stand_in import CLIENT_ID, Answer, serving
from authorizing.world import NOON, basic, parameters
from oauth_server.logins.conftest import Visit

SUBJECT = "248289761001"


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    made = OpenIdProvider()
    with serving(made):
        yield made


@pytest.fixture
def visit(tmp_path: Path, provider: OpenIdProvider, no_proxy: None) -> Visit:
    return Visit(provider, "oidc", tmp_path)


def token_of(visit: Visit) -> dict[str, Any]:
    """What the access token of a login says."""
    done = visit.log_in()
    assert done.status_code == 303, done.text
    token = (visit.world.redeem(parameters(done.location)["code"]).json or {})["access_token"]
    asked = visit.world.post("/introspect", basic("resource-server", "resource-server-secret-0123"), token=token)
    assert (asked.json or {})["active"]
    return asked.json or {}


def subject_of(visit: Visit) -> str:
    subject: str = token_of(visit)["sub"]
    return subject


def paths(provider: OpenIdProvider) -> list[str]:
    return [asked.path for asked in provider.asked]


def test_person_is_known_by_subject(visit: Visit, provider: OpenIdProvider) -> None:
    assert subject_of(visit.start(OAUTH_ALLOWED_USERS=SUBJECT)) == SUBJECT
    (authorize,) = [asked for asked in provider.asked if asked.path == "/authorize"]
    assert authorize.query["scope"] == "openid"
    assert authorize.query["response_type"] == "code"
    assert len(authorize.query["nonce"]) >= 32
    assert "/me" not in paths(provider)


@pytest.mark.parametrize(
    ("said", "known"),
    [(NOON - 7200, NOON - 7200), (None, None), (True, None), ("1800000000", None), ({}, None)],
    ids=str,
)
def test_when_the_person_was_asked_is_what_the_provider_says(
    visit: Visit, provider: OpenIdProvider, said: object, known: int | None
) -> None:
    """A session at the provider may be days old: the time of our own answer would be a lie."""
    provider.claims = {"auth_time": said}
    assert token_of(visit.start(OAUTH_ALLOWED_USERS=SUBJECT)).get("auth_time") == known


def test_metadata_and_keys_are_kept(visit: Visit, provider: OpenIdProvider) -> None:
    visit.start(OAUTH_ALLOWED_USERS=SUBJECT)
    for _ in range(2):
        assert subject_of(visit) == SUBJECT
    assert paths(provider).count("/keys") == 1
    assert paths(provider).count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize("methods", [None, ["client_secret_basic"], ["client_secret_post", "none"]])
def test_client_authentication_as_the_provider_has_it(
    visit: Visit, provider: OpenIdProvider, methods: list[str] | None
) -> None:
    if methods:
        provider.metadata["token_endpoint_auth_methods_supported"] = methods
    assert subject_of(visit.start(OAUTH_ALLOWED_USERS=SUBJECT)) == SUBJECT
    (token,) = [asked for asked in provider.asked if asked.path == "/token"]
    assert ("client_secret" in token.form) is (methods == ["client_secret_post", "none"])
    assert ("authorization" in token.headers) is ("client_secret" not in token.form)


MAIL = {
    "verified": ({"email": "a@example.com", "email_verified": True}, True),
    "not verified": ({"email": "a@example.com", "email_verified": False}, False),
    "not said to be verified": ({"email": "a@example.com"}, False),
    "verified as text": ({"email": "a@example.com", "email_verified": "true"}, False),
    "verified as number": ({"email": "a@example.com", "email_verified": 1}, False),
    "another domain": ({"email": "a@evil-example.com", "email_verified": True}, False),
    "a domain below": ({"email": "a@sub.example.com", "email_verified": True}, False),
    "hosted domain alone": ({"hd": "example.com", "email": "a@x.example", "email_verified": True}, False),
    "groups": ({"groups": ["example.com"], "email": "a@x.example", "email_verified": True}, False),
    "no text": ({"email": ["a@example.com"], "email_verified": True}, False),
    "Entra's claim elsewhere": ({"email": "a@example.com", "xms_edov": True}, False),
}


@pytest.mark.parametrize(("claims", "admitted"), MAIL.values(), ids=MAIL)
@pytest.mark.parametrize("where", ["claims", "userinfo"])
def test_domain_needs_a_verified_address(
    visit: Visit, provider: OpenIdProvider, claims: dict[str, object], admitted: bool, where: str
) -> None:
    setattr(provider, where, claims)
    done = visit.start(OAUTH_ALLOWED_DOMAINS="example.com").log_in()
    assert provider.asked[1].query["scope"] == "openid email"
    assert ("/me" in paths(provider)) is (where == "userinfo")
    assert ("code" in parameters(done.location)) is admitted
    assert parameters(done.location).get("error") == (None if admitted else "access_denied")


def test_userinfo_about_somebody_else_is_refused(visit: Visit, provider: OpenIdProvider) -> None:
    provider.userinfo = {"sub": "another", "email": "a@example.com", "email_verified": True}
    assert visit.start(OAUTH_ALLOWED_DOMAINS="example.com").log_in().status_code == 400


def test_name_that_people_choose_admits_nobody(visit: Visit, provider: OpenIdProvider) -> None:
    provider.claims = {"preferred_username": "boss", "name": "boss", "nickname": "boss", "groups": ["boss"]}
    done = visit.start(OAUTH_ALLOWED_USERS="boss", OAUTH_ALLOWED_ORGS="boss").log_in()
    assert parameters(done.location)["error"] == "access_denied"
    assert any("organisations are known at GitHub alone" in doubt for doubt in visit.world.settings.doubts)


ENTRA = [
    "https://login.microsoftonline.com/6d6a0f66-0000-0000-0000-000000000000/v2.0",
    "https://login.microsoftonline.us/6d6a0f66-0000-0000-0000-000000000000/v2.0",
    "https://sts.windows.net/6d6a0f66-0000-0000-0000-000000000000/",
    "https://6d6a0f66-0000-0000-0000-000000000000.ciamlogin.com/6d6a0f66-0000-0000-0000-000000000000/v2.0",
]


@pytest.mark.parametrize(
    ("claims", "verified"),
    [
        ({"xms_edov": True}, True),
        ({"xms_edov": "1"}, True),
        ({"xms_edov": False}, False),
        ({"xms_edov": "0"}, False),
        ({"email_verified": True}, False),  # a claim that a tenant can map as it likes
        ({}, False),
    ],
)
def test_entra_has_to_say_that_the_domain_is_the_owners(claims: dict[str, object], verified: bool) -> None:
    assert [is_verified(issuer, claims) for issuer in ENTRA] == [verified] * 4
    assert is_verified("https://ciamlogin.com.example.com", {"email_verified": True})


TOKENS = {
    "good": ({}, {}, 303),
    "wrong nonce": ({"nonce": "n" * 43}, {}, 400),
    "no nonce": ({"nonce": None}, {}, 400),
    "other issuer": ({"iss": "https://login.example.com"}, {}, 400),
    "other audience": ({"aud": "another"}, {}, 400),
    "two audiences": ({"aud": [CLIENT_ID, "another"]}, {}, 400),
    "two audiences, for us": ({"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}, {}, 303),
    "one audience in a list": ({"aud": [CLIENT_ID]}, {}, 303),
    "for another party": ({"azp": "another"}, {}, 400),
    "audience of odd things": ({"aud": [CLIENT_ID, 1], "azp": CLIENT_ID}, {}, 400),
    "expired": ({"exp": NOON - 30}, {}, 400),
    "expired within the skew": ({"exp": NOON - 29}, {}, 303),
    "no expiry": ({"exp": None}, {}, 400),
    "expiry as text": ({"exp": str(NOON + 300)}, {}, 400),
    "old": ({"iat": NOON - 601}, {}, 400),
    "of the future": ({"iat": NOON + 31}, {}, 400),
    "no time": ({"iat": None}, {}, 400),
    "true time": ({"iat": True}, {}, 400),
    "not yet": ({"nbf": NOON + 31}, {}, 400),
    "nobody": ({"sub": None}, {}, 400),
    "empty subject": ({"sub": ""}, {}, 400),
    "subject with a line feed": ({"sub": f"{SUBJECT}\n"}, {}, 400),
    "numeric subject": ({"sub": int(SUBJECT)}, {}, 400),
    "alg none": ({}, {"alg": "none"}, 400),
    "HS256 with the client's secret": ({}, {"alg": "HS256"}, 400),
    "unknown key": ({}, {"kid": "another"}, 400),
    "no key named, one published": ({}, {"kid": None}, 303),
    "access token": ({}, {"typ": "at+jwt"}, 400),
    "logout token": ({}, {"typ": "logout+jwt"}, 400),
    "plain type": ({}, {"typ": "JWT"}, 303),
}


@pytest.mark.parametrize(("claims", "header", "status"), TOKENS.values(), ids=TOKENS)
def test_id_token(
    visit: Visit, provider: OpenIdProvider, claims: dict[str, object], header: dict[str, object], status: int
) -> None:
    provider.claims, provider.header = claims, header
    done = visit.start(OAUTH_ALLOWED_USERS=SUBJECT).log_in()
    assert done.status_code == status
    if status == 303:
        assert "code" in parameters(done.location)


def test_id_token_signed_by_another_key_is_refused(visit: Visit, provider: OpenIdProvider) -> None:
    provider.key = ECKey.generate_key("P-256", {"kid": "first"})
    assert visit.start(OAUTH_ALLOWED_USERS=SUBJECT).log_in().status_code == 400


def test_new_key_of_the_provider_is_fetched(visit: Visit, provider: OpenIdProvider) -> None:
    visit.start(OAUTH_ALLOWED_USERS=SUBJECT)
    login = visit.world.login
    assert subject_of(visit) == SUBJECT
    provider.key = provider.published = ECKey.generate_key("P-256", {"kid": "second"})
    assert visit.log_in().status_code == 400  # an unknown key costs one fetch in a while
    login._clock = lambda: NOON + 31  # type: ignore[attr-defined]  # the clock of the login that the fixture made
    assert subject_of(visit) == SUBJECT


ISSUER_PARAMETER = {
    "not sent, not advertised": (None, False, 303),
    "sent, not advertised": ("own", False, 303),
    "wrong, not advertised": ("https://login.example.com", False, 400),
    "advertised and sent": ("own", True, 303),
    "advertised and missing": (None, True, 400),
    "advertised and wrong": ("https://login.example.com", True, 400),
}


@pytest.mark.parametrize(("sent", "advertised", "status"), ISSUER_PARAMETER.values(), ids=ISSUER_PARAMETER)
def test_mix_up(visit: Visit, provider: OpenIdProvider, sent: str | None, advertised: bool, status: int) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = advertised
    if sent is not None:
        provider.answer_more["iss"] = provider.url if sent == "own" else sent
    assert visit.start(OAUTH_ALLOWED_USERS=SUBJECT).log_in().status_code == status
    assert ("/token" in paths(provider)) is (status == 303)  # another issuer's code is not sent on


ERRORS = {"access_denied": 303, "login_required": 400, "server_error": 503, "temporarily_unavailable": 503, "<b>": 400}


@pytest.mark.parametrize(("error", "status"), ERRORS.items(), ids=ERRORS)
def test_error_of_the_provider(visit: Visit, provider: OpenIdProvider, error: str, status: int) -> None:
    visit.start(OAUTH_ALLOWED_USERS=SUBJECT)
    state = parameters(visit.agree().location)["state"]
    query = {"state": state, "error": error, "error_description": "<script>alert(1)</script>"}
    done = visit.browser.get("/authorize/callback", query_string=query)
    assert done.status_code == status
    assert "script>" not in done.text
    assert "/token" not in paths(provider)


FAULTS = {
    "token endpoint down": ("/token", Answer(503), 503),
    "token endpoint says no": ("/token", Answer(400, {"error": "invalid_grant"}), 400),
    "our secret refused": ("/token", Answer(401, {"error": "invalid_client"}), 400),
    "no ID token": ("/token", Answer(200, {"access_token": "x"}), 400),
    "no JSON": ("/token", Answer(200, b"<html>"), 400),
    "a redirect": ("/token", Answer(307, headers={"Location": "http://127.0.0.1:1/"}), 400),
    "keys gone": ("/keys", Answer(404), 400),
    "keys down": ("/keys", Answer(500), 503),
    "no keys": ("/keys", Answer(200, {"keys": []}), 400),
    "userinfo down": ("/me", Answer(500), 503),
    "userinfo signed": ("/me", Answer(200, b"eyJhbGciOi"), 400),
}


@pytest.mark.parametrize(("path", "answer", "status"), FAULTS.values(), ids=FAULTS)
def test_trouble_is_a_page(visit: Visit, provider: OpenIdProvider, path: str, answer: Answer, status: int) -> None:
    provider.faults[path] = lambda _: answer
    done = visit.start(OAUTH_ALLOWED_DOMAINS="example.com").log_in()
    assert done.status_code == status
    assert "location" not in done.headers


METADATA = {
    "down": Answer(500),
    "gone": Answer(404),
    "no JSON": Answer(200, b"<html>"),
    "a list": Answer(200, []),
}


@pytest.mark.parametrize("answer", METADATA.values(), ids=METADATA)
def test_without_metadata_nobody_is_sent_anywhere(visit: Visit, provider: OpenIdProvider, answer: Answer) -> None:
    provider.faults["/.well-known/openid-configuration"] = lambda _: answer
    done = visit.start(OAUTH_ALLOWED_USERS=SUBJECT).agree()
    assert done.status_code == 503
    assert all("=; Max-Age=0;" in cookie for cookie in done.headers.getlist("Set-Cookie"))


ISSUER = "https://login.example.com"
GOOD = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize?tenant=a",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
}
WRONG = {
    "other issuer": {"issuer": f"{ISSUER}/"},
    "plain http": {"token_endpoint": "http://login.example.com/token"},
    "loopback": {"jwks_uri": "http://127.0.0.1/keys"},
    "no token endpoint": {"token_endpoint": None},
    "a list": {"token_endpoint": [f"{ISSUER}/token"]},
    "script": {"authorization_endpoint": "javascript:alert(1)"},
    "fragment": {"authorization_endpoint": f"{ISSUER}/authorize?a#b"},
    "line feed": {"authorization_endpoint": f"{ISSUER}/authorize?a\r\nb"},
    "user": {"token_endpoint": "https://a:b@login.example.com/token"},
    "userinfo": {"userinfo_endpoint": "http://login.example.com/me"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_metadata_that_cannot_be_used(change: dict[str, object]) -> None:
    assert read_metadata(ISSUER, GOOD).authorization_endpoint.endswith("?tenant=a")
    with pytest.raises(LoginFailed):
        read_metadata(ISSUER, {**GOOD, **change})


@pytest.mark.parametrize(
    "header",
    [b"[]", b"{", b'{"alg":"ES256","crit":["b64"],"b64":true}', b'{"alg":"ES256","alg":"none"}', b'{"alg":["ES256"]}'],
)
def test_header_that_is_not_understood(header: bytes) -> None:
    key = ECKey.generate_key("P-256").as_dict(private=False)
    token = f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.e30.AAAA"
    with pytest.raises(IdTokenRefused, match=r"another kind|no signed token|not accepted"):
        verify(token, read_keys({"keys": [key]}), Wanted(ISSUER, CLIENT_ID, "n"), NOON)


def test_keys_that_cannot_be_used_are_left_out() -> None:
    good = ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)
    big = RSAKey.generate_key(2048, {"kid": "b"}).as_dict(private=False)
    weak = {**big, "n": big["n"][:170]}
    bad = [
        {**good, "use": "enc"},
        {**good, "key_ops": ["encrypt"]},
        {**good, "x": "AAAA"},
        {**good, "crv": "secp256k1"},
        {**good, "d": "AAAA"},
        {**good, "kid": 1},
        weak,
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": "!"},
        "no key",
    ]
    assert [key.kid for key in read_keys({"keys": [*bad, good, big]})] == ["a", "b"]
    assert read_keys({"keys": {}}) == ()
