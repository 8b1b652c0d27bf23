"""Logging in at GitHub, with a stand-in that answers as GitHub documents."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from authorization_server.logins.github import api_of
from authorization_server.settings import LoginSettings
from authorizing.github import GitHub, membership
from authorizing.stand_in import SECRET, Answer, serving
from authorizing.world import CALLBACK, basic, parameters
from mcp_faas import logs
from oauth_server.logins.conftest import Visit


@pytest.fixture
def github() -> Iterator[GitHub]:
    made = GitHub()
    with serving(made):
        yield made


@pytest.fixture
def visit(tmp_path: Path, github: GitHub, no_proxy: None) -> Visit:
    return Visit(github, "github", tmp_path)


def subject_of(visit: Visit) -> str:
    """Whom the token is about."""
    done = visit.log_in()
    assert done.location.startswith(f"{CALLBACK}?"), done.text
    token = (visit.world.redeem(parameters(done.location)["code"]).json or {})["access_token"]
    asked = visit.world.post("/introspect", basic("resource-server", "resource-server-secret-0123"), token=token)
    subject: str = (asked.json or {})["sub"]
    return subject


def known(visit: Visit) -> str:
    """The account of the stand-in, as of an enterprise host."""
    return f"{urlsplit(visit.provider.url).netloc}:583231"


def error_of(visit: Visit) -> str | None:
    done = visit.log_in()
    found = parameters(done.location)
    assert "code" not in found
    return found["error"]


def test_user_by_name_is_known_by_number(visit: Visit, github: GitHub) -> None:
    assert subject_of(visit.start(OAUTH_ALLOWED_USERS="Octocat")) == known(visit)
    # Nothing but the name was needed, so nothing else was asked for.
    (authorize,) = [asked for asked in github.asked if asked.path == "/login/oauth/authorize"]
    assert "scope" not in authorize.query
    assert not any("emails" in asked.path or "orgs" in asked.path for asked in github.asked)


def test_secret_goes_to_github_alone_and_in_the_body(visit: Visit, github: GitHub) -> None:
    subject_of(visit.start(OAUTH_ALLOWED_USERS="octocat"))
    (exchange,) = [asked for asked in github.asked if asked.path == "/login/oauth/access_token"]
    assert exchange.form["client_secret"] == SECRET
    assert len(exchange.form["code_verifier"]) >= 43
    assert exchange.query == {}


ADMITTED = {
    "by number": ({"OAUTH_ALLOWED_USERS": "HOST:583231"}, True),
    "by number at github.com, which is somebody else": ({"OAUTH_ALLOWED_USERS": "github:583231"}, False),
    "a bare number is nobody": ({"OAUTH_ALLOWED_USERS": "583231"}, False),
    "another name": ({"OAUTH_ALLOWED_USERS": "octocats"}, False),
    "by verified address": ({"OAUTH_ALLOWED_USERS": "octocat@example.com"}, True),
    "by unverified address": ({"OAUTH_ALLOWED_USERS": "boss@bank.example"}, False),
    "by domain": ({"OAUTH_ALLOWED_DOMAINS": "example.com"}, True),
    "by domain of an unverified address": ({"OAUTH_ALLOWED_DOMAINS": "bank.example"}, False),
    "by domain of addresses that GitHub makes": ({"OAUTH_ALLOWED_DOMAINS": "users.noreply.github.com"}, False),
    "by organisation": ({"OAUTH_ALLOWED_ORGS": "ACME"}, True),
    "by the organisation's number": ({"OAUTH_ALLOWED_ORGS": "HOST:1"}, True),
    "of another organisation": ({"OAUTH_ALLOWED_ORGS": "acme-corp"}, False),
    "invited only": ({"OAUTH_ALLOWED_ORGS": "invited"}, False),
    "nobody": ({}, False),
}


@pytest.mark.parametrize(("changes", "admitted"), ADMITTED.values(), ids=ADMITTED)
def test_who_is_admitted(visit: Visit, changes: dict[str, str], admitted: bool) -> None:
    host = known(visit).rpartition(":")[0]
    visit.start(**{name: value.replace("HOST", host) for name, value in changes.items()})
    if admitted:
        assert subject_of(visit) == known(visit)
    else:
        assert error_of(visit) == "access_denied"


def test_scopes_that_are_asked_for_follow_from_the_lists(visit: Visit, github: GitHub) -> None:
    visit.start(OAUTH_ALLOWED_ORGS="acme", OAUTH_SCOPE_RULES="mcp:admin=domain:example.com")
    assert subject_of(visit) == known(visit)
    assert github.asked[0].query["scope"] == "user:email read:org"


def test_organisations_on_later_pages_count(visit: Visit, github: GitHub) -> None:
    github.organisations = [membership(f"org-{number}", number) for number in range(1, 202)]
    assert subject_of(visit.start(OAUTH_ALLOWED_ORGS="org-201")) == known(visit)
    assert len([asked for asked in github.asked if asked.path.endswith("/orgs")]) == 3


def test_renamed_account_of_a_user_on_the_list_is_somebody_else(visit: Visit, github: GitHub) -> None:
    visit.start(OAUTH_ALLOWED_USERS=known(visit))
    github.user["login"] = "renamed"
    assert subject_of(visit) == known(visit)
    github.user |= {"id": 99, "login": "octocat"}
    assert error_of(visit) == "access_denied"


def test_no_at_github_goes_to_the_client(visit: Visit, github: GitHub) -> None:
    visit.start(OAUTH_ALLOWED_USERS="octocat")
    state = parameters(visit.agree().location)["state"]
    back = visit.browser.get(f"/authorize/callback?state={state}&error=access_denied&error_description=x")
    assert parameters(back.location)["error"] == "access_denied"
    assert github.asked == []


USER = {"id": 583231, "login": "octocat"}
TROUBLES = {
    "code refused": ("/login/oauth/access_token", Answer(200, {"error": "bad_verification_code"}), 400),
    "our secret refused": ("/login/oauth/access_token", Answer(200, {"error": "incorrect_client_credentials"}), 400),
    "an error that is no word": ("/login/oauth/access_token", Answer(200, {"error": ["<b>"]}), 400),
    "no token": ("/login/oauth/access_token", Answer(200, {"token_type": "bearer"}), 400),
    "a token with a line feed": (
        "/login/oauth/access_token",
        Answer(200, {"access_token": "a\r\nHost: x", "token_type": "bearer"}),
        400,
    ),
    "another kind of token": (
        "/login/oauth/access_token",
        Answer(200, {"access_token": "a", "token_type": "mac"}),
        400,
    ),
    "no JSON": ("/login/oauth/access_token", Answer(200, b"access_token=gho_1&token_type=bearer"), 400),
    "a redirect": ("/api/v3/user", Answer(302, headers={"Location": "http://127.0.0.1:1/"}), 400),
    "too much": ("/api/v3/user", Answer(200, {**USER, "bio": "x" * 2_000_000}), 400),
    "compressed": ("/api/v3/user", Answer(200, USER, {"Content-Encoding": "gzip"}), 400),
    "no number": ("/api/v3/user", Answer(200, {"id": "583231", "login": "octocat"}), 400),
    "a true number": ("/api/v3/user", Answer(200, {"id": True, "login": "octocat"}), 400),
    "no login": ("/api/v3/user", Answer(200, {"id": 583231}), 400),
    "a list": ("/api/v3/user", Answer(200, []), 400),
    "two users in one": ("/api/v3/user", Answer(200, b'{"id": 583231, "id": 1, "login": "octocat"}'), 400),
    "token refused": ("/api/v3/user", Answer(401, {"message": "Bad credentials"}), 400),
    "no organisations": ("/api/v3/user/memberships/orgs", Answer(403, {"message": "Forbidden"}), 400),
    "organisations of another shape": ("/api/v3/user/memberships/orgs", Answer(200, {"message": "x"}), 400),
    "broken": ("/api/v3/user", Answer(502, b"<html>"), 503),
    "broken at once": ("/login/oauth/access_token", Answer(500), 503),
    "too many": ("/api/v3/user", Answer(429, {"message": "slow down"}), 503),
    "rate limit": ("/api/v3/user", Answer(403, {"message": "rate"}, {"X-RateLimit-Remaining": "0"}), 503),
}


@pytest.mark.parametrize(("path", "answer", "status"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_a_page(visit: Visit, github: GitHub, path: str, answer: Answer, status: int) -> None:
    visit.start(OAUTH_ALLOWED_ORGS="acme")
    github.faults[path] = lambda _: answer
    done = visit.log_in()
    assert done.status_code == status
    assert "location" not in done.headers
    assert ("Retry-After" in done.headers) is (status == 503)
    assert "error=" in done.text  # the way back to the client


def test_slow_github_is_given_up(visit: Visit, github: GitHub) -> None:
    visit.call_seconds = 0.3
    visit.start(OAUTH_ALLOWED_USERS="octocat")
    github.faults["/api/v3/user"] = github.hang
    location = visit.at_provider(visit.agree().location)
    began = time.monotonic()
    assert visit.back(location).status_code == 503
    assert time.monotonic() - began < 5


def test_unreachable_github_is_a_page(visit: Visit) -> None:
    visit.start(OAUTH_ALLOWED_USERS="octocat", OAUTH_GITHUB_URL="http://127.0.0.1:1")
    state = parameters(visit.agree().location)["state"]
    assert visit.browser.get(f"/authorize/callback?state={state}&code=x").status_code == 503


def test_answer_without_a_code_is_a_page(visit: Visit, github: GitHub) -> None:
    visit.start(OAUTH_ALLOWED_USERS="octocat")
    state = parameters(visit.agree().location)["state"]
    assert visit.browser.get(f"/authorize/callback?state={state}").status_code == 400
    assert github.asked == []


def test_code_of_another_login_does_not_work(visit: Visit) -> None:
    """Injected into this browser's answer: the verifier is another one (RFC 9700 §4.5)."""
    visit.start(OAUTH_ALLOWED_USERS="octocat")
    stolen = parameters(visit.at_provider(visit.agree(visit.world.browser()).location))["code"]
    state = parameters(visit.agree().location)["state"]
    assert visit.browser.get(f"/authorize/callback?state={state}&code={stolen}").status_code == 400


def test_state_is_for_one_browser_and_one_use(visit: Visit, github: GitHub) -> None:
    visit.start(OAUTH_ALLOWED_USERS="octocat")
    location = visit.at_provider(visit.agree().location)
    assert visit.back(location, visit.world.browser()).status_code == 400
    assert len(github.asked) == 1  # nobody redeemed the code
    assert visit.back(location).status_code == 303
    assert visit.back(location).status_code == 400


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_nothing_secret_is_logged(
    visit: Visit, github: GitHub, capfd: pytest.CaptureFixture[str], logging_restored: None
) -> None:
    logs.configure("DEBUG")
    visit.start(OAUTH_ALLOWED_USERS="octocat")
    subject_of(visit)
    github.faults["/api/v3/user"] = lambda _: Answer(500)
    visit.log_in()
    out = "".join(capfd.readouterr())
    assert "status 500 in the answer to GET" in out
    secrets = [SECRET, *github.tokens, *(asked.form.get("code", "none") for asked in github.asked)]
    secrets += [asked.query.get("state", "none") for asked in github.asked]
    assert not [secret for secret in secrets if secret != "none" and secret in out]


def test_whose_number_it_is() -> None:
    assert LoginSettings("github").numbers == "github"
    assert LoginSettings("github", github_url="https://github.example.com").numbers == "github.example.com"


def test_where_the_api_is() -> None:
    assert api_of("https://github.com") == "https://api.github.com"
    assert api_of("https://github.example.com") == "https://github.example.com/api/v3"
    assert api_of("https://octocorp.ghe.com") == "https://api.octocorp.ghe.com"
