"""What a login leaves in a browser: few cookies, for ten minutes, and none of a request that has ended."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from authorization_server.browser import TABS_MAX
from authorization_server.logins import LoginDenied, LoginFailed, LoginUnavailable
from authorizing.world import HTTPS, World, parameters

HEADER_MAX_BYTES = 1024
VISITS = 200


def cookies_of(browser: FlaskClient) -> list[str]:
    return [f"{cookie.key}={cookie.value}" for cookie in (browser._cookies or {}).values()]


def ends(answer: TestResponse) -> bool:
    """Are both cookies of the tab taken away?"""
    given = answer.headers.getlist("Set-Cookie")
    return len(given) == 2 and all(
        re.match(r"(__Host-)?mcp-\w+-[0-9a-f]{16}=; Max-Age=0; Path=/;", one) for one in given
    )


class Provider:
    """A provider that does what a test says."""

    asks_here = False

    def __init__(self, at_begin: Exception | None, at_finish: Exception | None) -> None:
        self.at_begin, self.at_finish = at_begin, at_finish

    def begin(self, attempt: Any) -> str:
        if self.at_begin:
            raise self.at_begin
        return f"https://login.example/?state={attempt.state}"

    def finish(self, attempt: Any, answer: Any) -> Any:
        raise self.at_finish or AssertionError


def on_the_web(folder: Path, login: Any = None) -> World:
    """With an issuer of https, and somebody else's login."""
    (folder / "secret").write_text("secret")
    return World(
        folder,
        login=login,
        OAUTH_ISSUER=HTTPS,
        OAUTH_RESOURCES=f"{HTTPS}/mcp",
        OAUTH_LOGIN="github",
        OAUTH_LOGIN_CLIENT_ID="x",
        OAUTH_LOGIN_CLIENT_SECRET=f"file:{folder / 'secret'}",
    )


def test_200_visits_do_not_fill_the_headers_of_the_next(tmp_path: Path) -> None:
    """A page that has opened ours can send it to /authorize again and again, without a click."""
    world = on_the_web(tmp_path, Provider(None, None))
    browser = world.browser()
    for _ in range(VISITS):
        page = world.ask(browser)
        assert len("; ".join(cookies_of(browser))) < HEADER_MAX_BYTES
    assert len(cookies_of(browser)) == TABS_MAX
    assert world.decide(browser, page.text).status_code == 303
    world.storage.close()


def test_a_browser_that_brings_very_many_is_rid_of_them(world: World) -> None:
    browser = world.browser()
    for number in range(100):
        browser.set_cookie(f"mcp-request-{number:016x}", "A" * 43, domain="127.0.0.1")
        browser.set_cookie(f"mcp-login-{number:016x}", "A" * 43, domain="127.0.0.1")
    page = world.ask(browser)
    assert len(cookies_of(browser)) == 2 * TABS_MAX - 1
    assert world.decide(browser, page.text).status_code == 303


def test_the_last_ten_tabs_still_work_and_others_say_why(world: World) -> None:
    browser = world.browser()
    pages = [world.ask(browser).text for _ in range(TABS_MAX + 1)]
    assert world.decide(browser, pages[0]).status_code == 400
    for page in pages[1:]:
        assert "code=" in world.log_in(browser, world.decide(browser, page).location).location
    assert cookies_of(browser) == []


def test_visits_do_not_end_a_login_that_runs(world: World) -> None:
    """What opens our address in somebody's browser can push pages out there, and no tab in which somebody agreed."""
    browser = world.browser()
    agreed = [world.decide(browser, world.ask(browser).text).location for _ in range(2)]
    page = world.ask(browser).text
    for _ in range(2 * TABS_MAX):
        world.ask(browser)
    assert len(cookies_of(browser)) == TABS_MAX + len(agreed)
    assert world.decide(browser, page).status_code == 400
    for location in agreed:
        assert "code=" in world.log_in(browser, location).location


def test_cookies_of_others_stay(world: World) -> None:
    """Other programs on this host have cookies, too; a name that we never gave is none of ours."""
    browser = world.browser()
    names = ["session", "mcp-request", *(f"mcp-request-{number}" for number in range(20)), "mcp-request-" + "g" * 16]
    for name in names:
        browser.set_cookie(name, "theirs", domain="127.0.0.1")
    assert len(world.ask(browser).headers.getlist("Set-Cookie")) == 1


def test_deny_takes_the_cookies_away(world: World) -> None:
    browser = world.browser()
    other = world.ask(browser).text
    denied = world.decide(browser, world.ask(browser).text, "deny")
    assert (denied.status_code, ends(denied)) == (303, True)
    assert world.decide(browser, other).status_code == 303  # that tab is another matter


def test_a_person_who_is_not_admitted_keeps_none(tmp_path: Path) -> None:
    world = World(tmp_path, OAUTH_ALLOWED_USERS="somebody")
    browser = world.browser()
    done = world.log_in(browser, world.decide(browser, world.ask(browser).text).location)
    assert (parameters(done.location)["error"], ends(done)) == ("access_denied", True)
    world.storage.close()


FAILURES = {
    "down before the login": (LoginUnavailable("provider_unreachable"), None, 503),
    "down after it": (None, LoginUnavailable("provider_unreachable"), 503),
    "denied": (None, LoginDenied("provider_denied"), 303),
    "failed": (None, LoginFailed("id_token_refused"), 400),
}


@pytest.mark.parametrize(("at_begin", "at_finish", "status"), FAILURES.values(), ids=FAILURES)
def test_failure_takes_the_cookies_away(
    tmp_path: Path, at_begin: Exception | None, at_finish: Exception | None, status: int
) -> None:
    world = on_the_web(tmp_path, Provider(at_begin, at_finish))
    browser = world.browser()
    answer = world.decide(browser, world.ask(browser).text)
    if at_finish:
        assert len(cookies_of(browser)) == 2
        answer = browser.get(f"/authorize/callback?state={parameters(answer.location)['state']}&code=x")
    assert (answer.status_code, ends(answer), cookies_of(browser)) == (status, True, [])
    world.storage.close()
