"""The providers that docs/oauth.md names: a login at each, with what its documentation shows that it sends."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import RSAKey

from authorization_server.logins.upstream import Deadline, Reply, Upstream
from authorizing.openid import OpenIdProvider
from authorizing.providers import ENTRA, GOOGLE, IDAAS_EIAM, KEYCLOAK, OKTA, PROVIDERS, SCALEKIT, TENANT, Provider
from authorizing.stand_in import Answer, serving
from authorizing.world import parameters
from mcp_faas.auth.compact import parse
from oauth_server.logins.conftest import CALL_SECONDS, Visit

PAGE = Path(__file__).resolve().parents[3] / "docs/oauth.md"
each = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


def here(stand_in: OpenIdProvider, url: str) -> str:
    """Where the stand-in serves what a provider has at this address."""
    return f"{stand_in.url}/{url.removeprefix('https://')}"


class Rerouted(Upstream):
    """Calls the stand-in in place of every host."""

    def __init__(self, stand_in: OpenIdProvider) -> None:
        super().__init__(CALL_SECONDS)
        self._stand_in = stand_in

    def get(self, url: str, deadline: Deadline, **more: Any) -> Reply:
        return super().get(here(self._stand_in, url), deadline, **more)

    def post(self, url: str, deadline: Deadline, form: Mapping[str, str], **more: Any) -> Reply:
        return super().post(here(self._stand_in, url), deadline, form, **more)


class Published(OpenIdProvider):
    """The stand-in with a provider's addresses, keys and claims."""

    def __init__(self, provider: Provider, key: RSAKey) -> None:
        super().__init__()
        self.provider, self.key, self.header = provider, key, {"alg": "RS256"}
        self.claims = {"iss": provider.issuer, **provider.claims}
        self.subject, self.userinfo, self.answer_more = provider.claims["sub"], provider.userinfo, provider.answer_more
        handlers: dict[str, Callable[[Any], Answer]] = {
            "authorization_endpoint": self.authorize,
            "token_endpoint": self.token,
            "userinfo_endpoint": self._me,
            "jwks_uri": lambda _: Answer(200, {"keys": [*provider.other_keys, self._public()]}),
        }
        self.routes = {self.path(provider.metadata[name]): handler for name, handler in handlers.items()}
        discovery = f"{provider.issuer}/.well-known/openid-configuration"
        self.routes[self.path(discovery)] = lambda _: Answer(200, provider.metadata)

    @staticmethod
    def path(url: str) -> str:
        return urlsplit(f"//x/{url.removeprefix('https://')}").path

    def _public(self) -> dict[str, Any]:
        algorithm = {} if self.provider.key_algorithm is None else {"alg": self.provider.key_algorithm}
        return {**self.key.as_dict(private=False), "use": "sig", **algorithm, **self.provider.key_more}


@pytest.fixture(scope="module")
def key() -> RSAKey:
    made: RSAKey = RSAKey.generate_key(2048, {"kid": "nOo3ZDrODXEK1jKWhXslHR_KXEg"})
    return made


Start = Callable[..., tuple[Visit, Published]]


@pytest.fixture
def start(tmp_path: Path, key: RSAKey, no_proxy: None) -> Iterator[Start]:
    """A visit to a server whose people log in at this provider."""
    with contextlib.ExitStack() as stack:

        def make(provider: Provider, **changes: str) -> tuple[Visit, Published]:
            stand_in = Published(provider, key)
            stack.enter_context(serving(stand_in))
            visit = Visit(stand_in, "oidc", tmp_path, upstream=Rerouted(stand_in))
            visit.start(OAUTH_LOGIN_ISSUER=provider.issuer, **changes)
            stack.callback(visit.world.storage.close)
            return visit, stand_in

        yield make


def log_in(visit: Visit, stand_in: Published) -> dict[str, str]:
    """What the client gets in the end."""
    done = visit.back(visit.at_provider(here(stand_in, visit.agree().location)))
    assert done.status_code == 303, done.text
    return parameters(done.location)


@each
def test_person_is_let_in_by_verified_address_and_by_subject(start: Start, provider: Provider) -> None:
    visit, stand_in = start(provider, OAUTH_ALLOWED_DOMAINS="example.com")
    assert "code" in log_in(visit, stand_in)
    subject = provider.claims["sub"]
    visit, stand_in = start(provider, OAUTH_ALLOWED_USERS=subject)
    found = log_in(visit, stand_in)
    token = (visit.world.redeem(found["code"]).json or {})["access_token"]
    assert parse(token).claims["sub"] == subject


@each
def test_somebody_else_of_the_same_provider_is_not(start: Start, provider: Provider) -> None:
    names = "00uid4BxXw6I6TV4m0g4 jane Everyone oid tid Jane"
    visit, stand_in = start(provider, OAUTH_ALLOWED_USERS=names, OAUTH_ALLOWED_DOMAINS="okta.com google.com")
    assert log_in(visit, stand_in)["error"] == "access_denied"


@each
def test_secret_goes_where_and_as_the_provider_publishes(start: Start, provider: Provider) -> None:
    visit, stand_in = start(provider, OAUTH_ALLOWED_DOMAINS="example.com")
    log_in(visit, stand_in)
    hosts = [f"https:/{asked.path}" for asked in stand_in.asked]
    shown = provider.metadata
    wanted = [f"{provider.issuer}/.well-known/openid-configuration", shown["authorization_endpoint"]]
    wanted += [shown["token_endpoint"], shown["jwks_uri"]]
    assert hosts == wanted + ([shown["userinfo_endpoint"]] if provider.userinfo else [])
    assert [asked.path for asked in stand_in.asked if "authorization" in asked.headers] == [
        stand_in.path(url) for url in wanted[2:3] + ([shown["userinfo_endpoint"]] if provider.userinfo else [])
    ]


# Provider, what differs, and whether a verified address of example.com lets in.
ADDRESSES: dict[str, tuple[Provider, dict[str, Any], bool]] = {
    "Google: a private account with that address": (GOOGLE, {"hd": None}, True),
    "Google: unverified": (GOOGLE, {"email_verified": False}, False),
    "Google: hosted domain with a private address": (GOOGLE, {"email": "jane@gmail.com"}, False),
    "Entra: no optional claim": (ENTRA, {"xms_edov": None}, False),
    "Entra: as a number in a text": (ENTRA, {"xms_edov": "1"}, True),
    "Entra: not the domain's owner": (ENTRA, {"xms_edov": False}, False),
    "Entra: a guest's address": (ENTRA, {"xms_edov": None, "idp": "live.com", "email": "jane@example.com"}, False),
    "Entra: mapped by a tenant": (ENTRA, {"xms_edov": None, "email_verified": True}, False),
    "Entra: name alone": (ENTRA, {"email": None, "upn": "jane@example.com"}, False),
    "Okta: unverified": (OKTA, {"email_verified": False}, False),
    "Okta: groups alone": (OKTA, {"email": "jane@evil.example"}, False),
    "Keycloak: unverified": (KEYCLOAK, {"email_verified": False}, False),
    "Scalekit: unverified": (SCALEKIT, {"email_verified": False}, False),
    "IDaaS: address in the ID token that nobody has verified": (IDAAS_EIAM, {"email": "jane@example.com"}, False),
}


@pytest.mark.parametrize(("provider", "claims", "admitted"), ADDRESSES.values(), ids=ADDRESSES)
def test_address(start: Start, provider: Provider, claims: dict[str, Any], admitted: bool) -> None:
    visit, stand_in = start(provider, OAUTH_ALLOWED_DOMAINS="example.com")
    stand_in.claims |= claims
    assert ("code" in log_in(visit, stand_in)) is admitted


# What these providers sign besides, or send in another's place.
REFUSED: dict[str, tuple[Provider, dict[str, Any]]] = {
    "Google: the issuer without its scheme": (GOOGLE, {"iss": "accounts.google.com"}),
    "Google: of another client of the project": (GOOGLE, {"azp": "another.apps.googleusercontent.com"}),
    "Entra: another tenant": (ENTRA, {"iss": ENTRA.issuer.replace(TENANT, "9188040d-6c67-4c5b-b112-36a304b66dad")}),
    "Entra: version 1.0": (ENTRA, {"iss": f"https://sts.windows.net/{TENANT}/", "ver": "1.0"}),
    "Okta: the org server in a custom one's place": (OKTA, {"iss": "https://example.okta.com"}),
    "Keycloak: another realm": (KEYCLOAK, {"iss": "https://sso.example.com/realms/master"}),
}


@pytest.mark.parametrize(("provider", "claims"), REFUSED.values(), ids=REFUSED)
def test_token_of_another_is_refused(start: Start, provider: Provider, claims: dict[str, Any]) -> None:
    visit, stand_in = start(provider, OAUTH_ALLOWED_DOMAINS="example.com")
    stand_in.claims |= claims
    assert visit.back(visit.at_provider(here(stand_in, visit.agree().location))).status_code == 400


def test_answer_of_keycloak_has_to_say_who_gives_it(start: Start) -> None:
    """It publishes that it does (RFC 9207)."""
    visit, stand_in = start(KEYCLOAK, OAUTH_ALLOWED_DOMAINS="example.com")
    stand_in.answer_more = {}
    assert visit.back(visit.at_provider(here(stand_in, visit.agree().location))).status_code == 400
    assert stand_in.path(KEYCLOAK.metadata["token_endpoint"]) not in [asked.path for asked in stand_in.asked]


def test_page_names_these_and_no_others() -> None:
    """Its table says of each how sure it is."""
    section = PAGE.read_text(encoding="utf-8").partition("## An OpenID provider")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([A-Z][^|]*?) \|", section, re.MULTILINE)
    assert rows == ["Google", "Entra", "Okta", "Keycloak", "Scalekit", "Alibaba Cloud IDaaS"]
