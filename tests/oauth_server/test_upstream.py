"""The way through a provider, whichever it is: a login of the seam's shape, and what its outcomes lead to."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from authorization_server.logins import Attempt, LoginDenied, LoginFailed, LoginUnavailable
from authorization_server.people import Person
from authorizing.world import CALLBACK, World, parameters


class Provider:
    """Notes what it is asked, and answers as a test says."""

    asks_here = False

    def __init__(self) -> None:
        self.begun: list[Attempt] = []
        self.finished: list[tuple[Attempt, dict[str, str]]] = []
        self.outcome: Person | LoginFailed = Person("42", "Somebody", "somebody")
        self.down = False

    def begin(self, attempt: Attempt) -> str:
        if self.down:
            raise LoginUnavailable("provider_down")
        self.begun.append(attempt)
        return f"https://login.example/start?{urlencode({'state': attempt.state})}"

    def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Person:
        self.finished.append((attempt, dict(answer)))
        if isinstance(self.outcome, LoginFailed):
            raise self.outcome
        return self.outcome


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def world(tmp_path: Path, provider: Provider) -> World:
    (tmp_path / "secret").write_text("a secret of the provider")
    changes = {"OAUTH_LOGIN": "github", "OAUTH_LOGIN_CLIENT_ID": "x", "OAUTH_ALLOWED_USERS": "somebody"}
    changes["OAUTH_LOGIN_CLIENT_SECRET"] = f"file:{tmp_path / 'secret'}"
    return World(tmp_path, login=provider, changes=changes)


def begin(world: World, browser: FlaskClient) -> str:
    """The state that the provider got."""
    agreed = world.decide(browser, world.ask(browser).text)
    assert agreed.location.startswith("https://login.example/start?")
    return parameters(agreed.location)["state"]


def test_person_comes_back_and_gets_a_code_once(world: World, provider: Provider) -> None:
    browser = world.browser()
    state = begin(world, browser)
    cookies = [(cookie.key, cookie.value) for cookie in (browser._cookies or {}).values()]
    back = browser.get(f"/authorize/callback?{urlencode({'state': state, 'code': 'upstream'})}")
    assert back.status_code == 303
    assert world.redeem(parameters(back.location)["code"]).status_code == 200
    (attempt, answer), (begun,) = provider.finished[0], provider.begun
    assert attempt == begun
    assert answer == {"state": state, "code": "upstream"}
    assert attempt.callback == f"{world.settings.issuer}/authorize/callback"
    for name, value in cookies:  # as if the browser had kept them
        browser.set_cookie(name, value, domain="127.0.0.1")
    assert browser.get(f"/authorize/callback?{urlencode({'state': state, 'code': 'upstream'})}").status_code == 400
    assert len(provider.finished) == 1  # the provider was not asked again


def test_nonce_and_verifier_are_of_one_attempt_and_do_not_follow_from_the_state(
    world: World, provider: Provider
) -> None:
    browser = world.browser()
    for _ in range(2):
        begin(world, browser)
    first, second = provider.begun
    secrets = [first.nonce, first.verifier, second.nonce, second.verifier, first.state, second.state]
    assert len(set(secrets)) == len(secrets)
    assert Attempt(first.state, first.callback, "guess").verifier != first.verifier
    assert 43 <= len(first.verifier) <= 128
    assert first.state not in repr(first)


OUTCOMES = {
    "denied": (LoginDenied("upstream_denied"), "access_denied"),
    "a stranger": (Person("43", "Stranger", "stranger"), "access_denied"),
}


@pytest.mark.parametrize(("outcome", "error"), OUTCOMES.values(), ids=OUTCOMES)
def test_other_outcomes_go_to_the_client(
    world: World, provider: Provider, outcome: Person | LoginFailed, error: str
) -> None:
    provider.outcome = outcome
    browser = world.browser()
    back = browser.get(f"/authorize/callback?{urlencode({'state': begin(world, browser), 'error': 'x'})}")
    assert back.location.startswith(f"{CALLBACK}?")
    found = parameters(back.location)
    assert (found["error"], found["state"], found["iss"]) == (error, "a state", world.settings.issuer)
    assert "code" not in found


TROUBLES = {
    "down": (LoginUnavailable("upstream_down"), 503, "temporarily_unavailable"),
    "broken": (LoginFailed("upstream_broken"), 400, "server_error"),
}


@pytest.mark.parametrize(("outcome", "status", "error"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_a_page_with_a_reference_and_a_way_back(
    world: World,
    provider: Provider,
    outcome: LoginFailed,
    status: int,
    error: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    provider.outcome = outcome
    browser = world.browser()
    answer = browser.get(f"/authorize/callback?{urlencode({'state': begin(world, browser), 'code': 'x'})}")
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("2" if status == 503 else None)
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert line["reason"] == outcome.reason
    assert f"<code>{line['request_id']}</code>" in answer.text
    (back,) = re.findall(r'href="([^"]+)"', answer.text)
    found = parameters(html.unescape(back))
    assert html.unescape(back).startswith(f"{CALLBACK}?")
    assert (found["error"], found["state"], found["iss"]) == (error, "a state", world.settings.issuer)


def test_provider_that_is_down_before_the_login(world: World, provider: Provider) -> None:
    provider.down = True
    browser = world.browser()
    answer = world.decide(browser, world.ask(browser).text)
    assert answer.status_code == 503
    assert "error=temporarily_unavailable" in answer.text
    assert all("=; Max-Age=0;" in cookie for cookie in answer.headers.getlist("Set-Cookie"))


def test_state_of_another_browser_or_twice_is_a_page(world: World, provider: Provider) -> None:
    mine, other = world.browser(), world.browser()
    state = begin(world, mine)
    for query in ({"state": state}, {"state": begin(world, other)}):
        browser = other if query["state"] == state else mine
        assert browser.get(f"/authorize/callback?{urlencode(query)}").status_code == 400
    assert mine.get(f"/authorize/callback?state={state}&state={state}").status_code == 400
    assert provider.finished == []
    assert mine.get(f"/authorize/callback?state={state}").status_code == 303


def test_our_own_login_form_is_not_there(world: World) -> None:
    assert world.browser().get("/authorize/login").status_code == 404
