"""An authorization server for tests: the real app on a real storage and real keys, with a clock that a test moves."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from authorization_server.app import create_app
from authorization_server.client_documents import ClientDocuments, Fetch
from authorization_server.clients import Clients, ConfiguredClients
from authorization_server.key_source import KeySource
from authorization_server.logins import Login
from authorization_server.logins.local import LocalLogin
from authorization_server.services import Services
from authorization_server.settings import Settings, read_settings
from authorization_server.signing_keys import KeyDocument, mint
from authorization_server.storage import Storage
from authorization_server.storage.sqlite import SqliteStorage
from mcp_faas.issuers.reach import Unreachable

PASSPHRASE = "correct horse battery staple"
NOON = 1_800_000_000
HTTPS = "https://mcp.example.com"
CALLBACK = "https://client.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
MACHINE_SECRET = "machine-secret-of-many-characters"
CLIENTS = [
    {"client_id": "web", "client_name": "A web client", "redirect_uris": [CALLBACK]},
    {
        "client_id": "confidential",
        "client_secret": "confidential-secret-0123456789",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
    },
    {
        "client_id": "desktop",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
    },
    {
        "client_id": "robot",
        "client_secret": MACHINE_SECRET,
        "grant_types": ["client_credentials"],
        "scope": "mcp:tools mcp:write",
    },
    {
        "client_id": "poster",
        "client_secret": MACHINE_SECRET,
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["client_credentials"],
    },
    {"client_id": "resource-server", "client_secret": "resource-server-secret-0123", "grant_types": []},
]


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Settings of a development server, all addresses in `folder`."""
    return {
        "OAUTH_ISSUER": "http://127.0.0.1:8787",
        "OAUTH_RESOURCES": "http://127.0.0.1:8787/mcp",
        "OAUTH_STORE": f"sqlite:{folder / 'store.sqlite'}",
        "OAUTH_SIGNING_KEYS": f"file:{folder / 'keys.json'}",
        "OAUTH_LOGIN": "local",
        "OAUTH_LOCAL_PASSPHRASE": f"file:{folder / 'passphrase'}",
        "OAUTH_ALLOWED_USERS": "dev",
        "OAUTH_SCOPES": "mcp:tools mcp:write mcp:admin",
        "MCP_SCOPES": "mcp:tools",
        "OAUTH_CLIENTS": f"file:{folder / 'clients.json'}",
        **changes,
    }


def write_files(folder: Path, created: int = NOON - 86400) -> None:
    """What the addresses of `environment` lead to."""
    (folder / "keys.json").write_text(KeyDocument((mint(created),)).dump())
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    (folder / "clients.json").write_text(json.dumps(CLIENTS))
    for name in ("keys.json", "passphrase", "clients.json"):
        (folder / name).chmod(0o600)


def no_documents(url: str) -> bytes:
    raise Unreachable("no network in this test")


class Browser(FlaskClient):
    """A browser that visits the issuer's host, so that its cookies are for that one."""

    issuer = ""

    def open(self, *args: Any, **given: Any) -> TestResponse:
        given.setdefault("base_url", self.issuer)
        return super().open(*args, **given)


class World:
    """The server, and what a test needs to be a client, a browser and a person."""

    def __init__(
        self,
        folder: Path,
        *,
        fetch: Fetch = no_documents,
        login: Login | None = None,
        storage: Storage | None = None,
        changes: Mapping[str, str] | None = None,
        **more: str,
    ) -> None:
        write_files(folder)
        changes = {**(changes or {}), **more}
        self.now = float(NOON)
        self.settings: Settings = read_settings(environment(folder, **changes))
        self.storage: Storage = storage or SqliteStorage(str(folder / "store.sqlite"), self.clock)
        self.key_document = KeyDocument((mint(NOON - 86400),))
        self.keys = KeySource(lambda: self.key_document.dump(), self.clock)
        schemes = self.settings.redirect_schemes
        self.documents = ClientDocuments(schemes, self.clock, local=self.settings.local, fetch=fetch)
        listed = json.dumps(CLIENTS)
        self.configured = ConfiguredClients("file:x", schemes, self.settings.scopes, lambda _: listed, self.clock)
        self.clients = Clients(self.settings, self.storage, self.documents, self.configured, self.clock)
        self.login = login or LocalLogin(lambda: PASSPHRASE)
        self.services = Services(self.storage, self.keys, self.clients, self.login, self.clock)
        self.app: Flask = create_app(self.settings, self.services)

    def clock(self) -> float:
        return self.now

    @property
    def resource(self) -> str:
        return self.settings.resources[0]

    def browser(self) -> FlaskClient:
        """A browser of its own, which keeps cookies."""
        self.app.test_client_class = Browser
        made = self.app.test_client()
        assert isinstance(made, Browser)
        made.issuer = self.settings.issuer
        return made

    def request(self, **changes: str | None) -> dict[str, str]:
        """The query of a good authorization request, with changes; None leaves a parameter out."""
        query: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "web",
            "redirect_uri": CALLBACK,
            "state": "a state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "scope": "mcp:tools",
            "resource": self.resource,
            **changes,
        }
        return {name: value for name, value in query.items() if value is not None}

    def ask(self, browser: FlaskClient, **changes: str | None) -> TestResponse:
        return browser.get("/authorize?" + urlencode(self.request(**changes)))

    def decide(self, browser: FlaskClient, page: str, decision: str = "allow", **changes: str) -> TestResponse:
        form = {**fields(page), "decision": decision, **changes}
        return browser.post("/authorize", data=form)

    def log_in(self, browser: FlaskClient, location: str, password: str = PASSPHRASE, **changes: str) -> TestResponse:
        page = browser.get(location)
        assert page.status_code == 200, page.text
        form = {**fields(page.text), "username": "dev", "password": password, **changes}
        return browser.post("/authorize/login", data=form)

    def answer(self, **changes: str | None) -> dict[str, str]:
        """What a client gets at its redirect after a person has agreed and logged in."""
        browser = self.browser()
        page = self.ask(browser, **changes)
        assert page.status_code == 200, page.text
        agreed = self.decide(browser, page.text)
        assert agreed.status_code == 303, agreed.text
        done = self.log_in(browser, agreed.location)
        assert done.status_code == 303, done.text
        return parameters(done.location)

    def code(self, **changes: str | None) -> str:
        return self.answer(**changes)["code"]

    def token(self, headers: Mapping[str, str] | None = None, **form: str) -> TestResponse:
        return self.post("/token", headers, **form)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **form: str) -> TestResponse:
        return self.browser().post(path, data=form, headers=headers)

    def redeem(self, code: str, client_id: str = "web", **changes: str) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_id": client_id,
        }
        return self.post("/token", None, **{**form, **changes})

    def tokens(self, client_id: str = "desktop", **changes: str | None) -> dict[str, Any]:
        """The token answer for a client that may refresh."""
        where = "http://127.0.0.1:1234/callback"
        code = self.code(client_id=client_id, redirect_uri=where, **changes)
        answer = self.redeem(code, client_id, redirect_uri=where)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json or {}
        return found

    def refresh(self, token: str, client_id: str = "desktop", **changes: str) -> TestResponse:
        return self.post(
            "/token", None, grant_type="refresh_token", refresh_token=token, client_id=client_id, **changes
        )


def fields(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: html.unescape(value) for name, value in found}


def parameters(location: str) -> dict[str, str]:
    """The query of a URL, in which nothing may be there twice."""
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), location
    return dict(pairs)


def query_of(location: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(location).query, keep_blank_values=True)


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
