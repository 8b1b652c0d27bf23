"""Several issuers at once: each with keys of its own and a profile of its own, found through its real metadata."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mcp_faas.auth import errors
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.profiles import PROFILES, WORLDWIDE_ISSUERS
from mcp_faas.call import Call
from mcp_faas.doors import open_door
from mcp_faas.settings import read_settings
from mcp_faas.settings.values import SettingsError
from support.jwts import RESOURCE, jwk, key_set, rsa_key, sign_parts

APP = "app-client-1"
# The same kid in both sets: only the issuer says whose key is meant.
KEYS = {"sso": rsa_key(name="sso"), "pool": rsa_key(name="pool")}


class Metadata(BaseHTTPRequestHandler):
    """Two issuers on one host, each with OpenID metadata and a key set below its own path."""

    def do_GET(self) -> None:
        host = f"http://{self.headers['Host']}"
        _, name, *rest = self.path.split("/")
        documents = {
            ".well-known/openid-configuration": {"issuer": f"{host}/{name}", "jwks_uri": f"{host}/{name}/jwks"},
            "jwks": json.loads(key_set(jwk(KEYS[name], kid="k1"))) if name in KEYS else {},
        }
        body = documents.get("/".join(rest)) if name in KEYS else None
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body or {}).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def claims(issuer: str) -> dict[str, Any]:
    """What the issuer of this name sends: a Keycloak realm and a Cognito pool."""
    now = int(time.time())
    common = {"iat": now - 5, "exp": now + 600, "sub": "alice", "jti": "j"}
    if issuer == "sso":
        return {**common, "aud": RESOURCE, "typ": "Bearer", "azp": "mcp-client", "scope": "mcp:tools"}
    return {**common, "client_id": APP, "token_use": "access", "scope": "mcp/tools", "username": "alice"}


def token(host: str, said: str, signed: str, shape: str) -> str:
    """A token that says to be of one issuer, signed by the key of another perhaps, in the shape of a third."""
    header = {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    body = {"iss": f"{host}/{said}", **claims(shape)}
    return sign_parts(json.dumps(header).encode(), json.dumps(body).encode(), key=KEYS[signed])


def admit(host: str, text: str, profiles: str = "keycloak cognito") -> Principal:
    settings = read_settings(
        {
            "MCP_DOOR": "jwt",
            "MCP_PUBLIC_URL": RESOURCE,
            "MCP_JWT_ISSUER": f"{host}/sso {host}/pool",
            "MCP_JWT_PROFILE": profiles,
            "MCP_JWT_AUDIENCE": f"{RESOURCE} {APP}",
        }
    )
    door = open_door(settings, background=False)
    return asyncio.run(door.admit([f"Bearer {text}"], Call(public_url=RESOURCE)))


def test_each_issuers_own_token_is_let_in_by_its_own_rules(host: str) -> None:
    sso, pool = (admit(host, token(host, name, name, name)) for name in ("sso", "pool"))
    assert (sso.issuer, sso.client, sso.scopes) == (f"{host}/sso", "mcp-client", frozenset({"mcp:tools"}))
    assert (pool.issuer, pool.client, pool.scopes) == (f"{host}/pool", APP, frozenset({"mcp/tools"}))


@pytest.mark.parametrize(("said", "signed"), [("sso", "pool"), ("pool", "sso")])
def test_key_of_one_issuer_never_verifies_a_token_of_the_other(host: str, said: str, signed: str) -> None:
    with pytest.raises(errors.SignatureInvalid):
        admit(host, token(host, said, signed, said))


@pytest.mark.parametrize(("issuer", "shape"), [("sso", "pool"), ("pool", "sso")])
def test_rules_of_one_issuer_do_not_open_the_other(host: str, issuer: str, shape: str) -> None:
    with pytest.raises(errors.ClaimMissing):
        admit(host, token(host, issuer, issuer, shape))


def test_order_of_the_profiles_is_that_of_the_issuers(host: str) -> None:
    for name in KEYS:
        with pytest.raises(errors.ClaimMissing):
            admit(host, token(host, name, name, name), profiles="cognito keycloak")


def test_an_issuer_that_is_not_configured_is_refused(host: str) -> None:
    with pytest.raises(errors.IssuerMismatch):
        admit(host, token(host, "else", "sso", "sso"))


TWO = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": "https://i.example https://j.example"}


def test_one_profile_stands_for_all_issuers() -> None:
    jwt = read_settings({**TWO, "MCP_JWT_PROFILE": "auth0"}).jwt
    assert jwt is not None
    assert jwt.trusted == (("https://i.example", PROFILES["auth0"]), ("https://j.example", PROFILES["auth0"]))


WRONG = {
    "three profiles for two issuers": (
        {**TWO, "MCP_JWT_PROFILE": "auth0 okta okta"},
        "MCP_JWT_PROFILE names 3 profiles and MCP_JWT_ISSUER 2 issuers",
    ),
    "one unknown among them": ({**TWO, "MCP_JWT_PROFILE": "auth0 x"}, 'MCP_JWT_PROFILE is "x"; choose one of'),
    "cognito without app clients": (
        {**TWO, "MCP_JWT_PROFILE": "auth0 cognito"},
        "MCP_JWT_PROFILE is cognito, whose tokens have no aud, and MCP_JWT_AUDIENCE is not set",
    ),
    "an issuer that signs for anybody": (
        {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": "https://accounts.google.com", "MCP_JWT_PROFILE": "google"},
        "signs tokens for anybody in the world; set MCP_JWT_SUBJECTS",
    ),
    "such an issuer beside another, with another profile": (
        {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": "https://i.example https://accounts.google.com"},
        "signs tokens for anybody in the world; set MCP_JWT_SUBJECTS",
    ),
}


@pytest.mark.parametrize(("environ", "sentence"), WRONG.values(), ids=WRONG)
def test_settings_that_fit_no_issuer_keep_the_function_from_starting(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(environ)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_subjects_open_an_issuer_that_signs_for_anybody() -> None:
    (issuer,) = WORLDWIDE_ISSUERS
    jwt = read_settings({"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": issuer, "MCP_JWT_SUBJECTS": "117 118"}).jwt
    assert jwt is not None
    assert jwt.subjects == {"117", "118"}
