"""A server whose people log in at a stand-in, and the way of a browser through both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from authorization_server.logins import Login
from authorization_server.logins.github import GitHubLogin
from authorization_server.logins.oidc import OpenIdLogin
from authorization_server.logins.upstream import Upstream
from authorization_server.settings import read_settings
from authorizing.stand_in import CLIENT_ID, SECRET, StandIn
from authorizing.world import NOON, World, environment

CALL_SECONDS = 5.0


@dataclass
class Visit:
    """A server, the provider behind it, and one browser."""

    provider: StandIn
    kind: str
    folder: Path
    call_seconds: float = CALL_SECONDS
    secret: str = SECRET
    upstream: Upstream | None = None
    world: World = field(init=False)
    browser: FlaskClient = field(init=False)

    def start(self, **changes: str) -> Visit:
        changes = {
            "OAUTH_LOGIN": self.kind,
            "OAUTH_LOGIN_CLIENT_ID": CLIENT_ID,
            "OAUTH_LOGIN_CLIENT_SECRET": f"file:{self.folder / 'secret'}",
            "OAUTH_ALLOWED_USERS": "",
            "OAUTH_LOGIN_ISSUER" if self.kind == "oidc" else "OAUTH_GITHUB_URL": self.provider.url,
            **changes,
        }
        settings = read_settings(environment(self.folder, **changes))
        upstream = self.upstream or Upstream(self.call_seconds)
        login: Login
        if self.kind == "github":
            login = GitHubLogin(settings.login, settings.admission, lambda: self.secret, upstream)
        else:
            login = OpenIdLogin(settings.login, settings.admission, lambda: self.secret, lambda: NOON, upstream)
        self.world = World(self.folder, login=login, changes=changes)
        self.browser = self.world.browser()
        return self

    def agree(self, browser: FlaskClient | None = None) -> TestResponse:
        """Consents, and is sent to the provider, or is not."""
        browser = browser or self.browser
        return self.world.decide(browser, self.world.ask(browser).text)

    def at_provider(self, location: str) -> str:
        """What the provider sends the browser back with."""
        return httpx2.get(location, trust_env=False, timeout=30).headers["location"]

    def back(self, location: str, browser: FlaskClient | None = None) -> TestResponse:
        parts = urlsplit(location)
        return (browser or self.browser).get(f"{parts.path}?{parts.query}")

    def log_in(self) -> TestResponse:
        """All of it."""
        return self.back(self.at_provider(self.agree().location))


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
