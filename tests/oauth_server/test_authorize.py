"""Everything that /authorize refuses: what the person sees, what the client hears, and what no page can forge."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from authorization_server.storage import StorageUnavailable
from authorizing.world import CALLBACK, CHALLENGE, MACHINE_SECRET, World, basic, fields, parameters

# RFC 6749 §4.1.2.1, RFC 7636 §4.4.1, RFC 8707 §2: the change, and the error that the client hears at its redirect.
TO_THE_CLIENT: dict[str, tuple[dict[str, str | None], str]] = {
    "no response type": ({"response_type": None}, "invalid_request"),
    "token": ({"response_type": "token"}, "unsupported_response_type"),
    "code token": ({"response_type": "code token"}, "unsupported_response_type"),
    "id_token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "quote in the response type": ({"response_type": '"\\ü'}, "unsupported_response_type"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "form_post": ({"response_mode": "form_post"}, "invalid_request"),
    "no challenge": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "no challenge, S256": ({"code_challenge": None}, "invalid_request"),
    "empty challenge": ({"code_challenge": ""}, "invalid_request"),
    "no method, which means plain": ({"code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "S512": ({"code_challenge_method": "S512"}, "invalid_request"),
    "s256": ({"code_challenge_method": "s256"}, "invalid_request"),
    "challenge of 42": ({"code_challenge": CHALLENGE[:42]}, "invalid_request"),
    "challenge of 44": ({"code_challenge": CHALLENGE + "A"}, "invalid_request"),
    "challenge with padding": ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
    "challenge in base64": ({"code_challenge": "+" * 43}, "invalid_request"),
    "challenge with a newline": ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
    "a scope with a quote": ({"scope": 'mcp:tools "'}, "invalid_scope"),
    "a scope that is not ASCII": ({"scope": "mcp:tööls"}, "invalid_scope"),
    "scopes with a tab": ({"scope": "mcp:tools\tmcp:write"}, "invalid_scope"),
    "very many scopes": ({"scope": "mcp:tools " * 300}, "invalid_scope"),
    "another resource": ({"resource": "https://other.example/mcp"}, "invalid_target"),
    "a relative resource": ({"resource": "/mcp"}, "invalid_target"),
    "a resource with a fragment": ({"resource": "http://127.0.0.1:8787/mcp#"}, "invalid_target"),
    "a resource with a slash": ({"resource": "http://127.0.0.1:8787/mcp/"}, "invalid_target"),
    "a resource's prefix": ({"resource": "http://127.0.0.1:8787"}, "invalid_target"),
    "a request object": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    "a request URI": ({"request_uri": "https://169.254.169.254/"}, "request_uri_not_supported"),
    "no interaction": ({"prompt": "none"}, "interaction_required"),
    "a client for machines": ({"client_id": "both"}, "unauthorized_client"),
}
ONCE = ("response_type", "state", "scope", "code_challenge", "code_challenge_method", "response_mode", "prompt")

TO_THE_PERSON: dict[str, dict[str, str | None]] = {
    "no client": {"client_id": None},
    "unknown client": {"client_id": "nobody"},
    "registered client that is gone": {"client_id": "client-" + "a" * 22},
    "client of 100 kB": {"client_id": "c" * 10_000},
    "client with NUL": {"client_id": "we\0b"},
    "client with a quote": {"client_id": '"><script>'},
    "client in another case": {"client_id": "WEB"},
    "another client's redirect": {"client_id": "desktop"},
}


@pytest.mark.parametrize(("change", "error"), TO_THE_CLIENT.values(), ids=TO_THE_CLIENT)
def test_error_goes_to_the_client_with_state_and_issuer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str | None], error: str
) -> None:
    from authorizing.world import CLIENTS

    both = {"client_id": "both", "client_secret": "x" * 20, "grant_types": ["client_credentials"]}
    monkeypatch.setattr("authorizing.world.CLIENTS", [*CLIENTS, {**both, "redirect_uris": [CALLBACK]}])
    world = World(tmp_path)
    answer = world.ask(world.browser(), **change)
    assert answer.status_code == 303
    assert answer.location.startswith(f"{CALLBACK}?")
    found = parameters(answer.location)
    assert (found["error"], found["state"], found["iss"]) == (error, "a state", world.settings.issuer)
    assert set(found["error_description"]) <= set(map(chr, range(0x20, 0x7F))) - set('"\\')
    assert "Set-Cookie" not in answer.headers
    world.storage.close()


@pytest.mark.parametrize("asked", ["http://127.0.0.1:8787/mcp/", None])
def test_resources_that_there_are_are_told(
    tmp_path: Path, asked: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    two = ["http://127.0.0.1:8787/mcp", "http://127.0.0.1:8787/other"]
    world = World(tmp_path, OAUTH_RESOURCES=" ".join(two))
    told = parameters(world.ask(world.browser(), resource=asked).location)["error_description"]
    assert all(resource in told for resource in two)
    assert json.loads(capfd.readouterr().out)["detail"] == told
    form = {} if asked is None else {"resource": asked}
    refused = world.post("/token", basic("robot", MACHINE_SECRET), grant_type="client_credentials", **form).json or {}
    assert (refused["error"], refused["error_description"]) == ("invalid_target", f"{told}.")
    assert json.loads(capfd.readouterr().out)["detail"] == f"{told}."
    world.storage.close()


# Of a client that nobody vouches for: what a link alone could hold, and the rest of what a client could get wrong.
ASKED = ("response_type", "redirect_uri", "state", "code_challenge", "code_challenge_method", "scope", "resource")
LURES: dict[str, tuple[dict[str, str | None], str]] = {
    "nothing but the client": (dict.fromkeys(ASKED), "invalid_request"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "a scope that is none": ({"scope": '"'}, "invalid_scope"),
    "no interaction": ({"prompt": "none"}, "interaction_required"),
    "another response type": ({"response_type": "token"}, "unsupported_response_type"),
    "another resource": ({"resource": "https://other.example/mcp"}, "invalid_target"),
    "a request object": ({"request": "e30.e30."}, "request_not_supported"),
}


@pytest.mark.parametrize("origin", ["registered", "document"])
@pytest.mark.parametrize(("change", "error"), LURES.values(), ids=LURES)
def test_address_that_anybody_can_enter_is_reached_by_a_click_alone(
    tmp_path: Path, change: dict[str, str | None], error: str, origin: str
) -> None:
    """RFC 9700 §4.11.2: our host, which people trust, is no way to send them elsewhere."""
    phish, document = "https://phish.example/in", "https://phish.example/client.json"
    metadata = {"client_id": document, "redirect_uris": [phish], "token_endpoint_auth_method": "none"}
    world = World(tmp_path, fetch=lambda _: json.dumps(metadata).encode())
    client = document
    if origin == "registered":
        del metadata["client_id"]
        client = (world.browser().post("/register", json=metadata).json or {})["client_id"]
    answer = world.ask(world.browser(), **{"client_id": client, "redirect_uri": phish, **change})
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "<dd><strong>phish.example</strong></dd>" in answer.text
    assert "Nobody has verified this application" in answer.text
    (link,) = re.findall(r'href="([^"]+)"', answer.text)
    assert html.unescape(link).startswith(f"{phish}?")
    found = parameters(html.unescape(link))
    assert (found["error"], found["iss"]) == (error, world.settings.issuer)
    assert found.get("state") == ("a state" if change.get("state", "") is not None else None)
    # What a person has decided is told at once, as before.
    browser = world.browser()
    asked = world.ask(browser, client_id=client, redirect_uri=phish)
    assert world.decide(browser, asked.text, "deny").location.startswith(f"{phish}?error=access_denied")
    world.storage.close()


@pytest.mark.parametrize("name", ONCE)
def test_parameter_that_is_there_twice(world: World, name: str) -> None:
    query = [*world.request(prompt="login", response_mode="query").items()]
    again = dict(query)[name]
    answer = world.browser().get("/authorize?" + urlencode([*query, (name, again)]))
    found = parameters(answer.location)
    assert (found["error"], found["iss"]) == ("invalid_request", world.settings.issuer)
    assert ("state" in found) is (name != "state")


def test_two_resources_are_one_too_many(world: World) -> None:
    query = [*world.request().items(), ("resource", world.resource)]
    answer = world.browser().get("/authorize?" + urlencode(query))
    assert parameters(answer.location)["error"] == "invalid_target"


@pytest.mark.parametrize("change", TO_THE_PERSON.values(), ids=TO_THE_PERSON)
def test_doubt_about_client_or_redirect_is_a_page(world: World, change: dict[str, str | None]) -> None:
    answer = world.ask(world.browser(), **change)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert answer.mimetype == "text/html"
    assert "<script>" not in answer.text
    assert CALLBACK not in answer.text


def test_scopes_that_do_not_exist_are_left_out_and_the_token_says_so(world: World) -> None:
    asked = "openid mcp:write offline_access mcp:tools:add"
    assert (world.redeem(world.code(scope=asked)).json or {})["scope"] == "mcp:write mcp:tools:add"


@pytest.mark.parametrize("asked", ["nothing here", "mcp", "openid profile", "mcp:tool"])
def test_who_asks_for_none_that_exists_gets_the_least(world: World, asked: str) -> None:
    assert "nothing" not in world.ask(world.browser(), scope=asked).text
    assert (world.redeem(world.code(scope=asked)).json or {})["scope"] == "mcp:tools"


def test_resource_may_be_left_out_where_there_is_one_alone(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert "code" in World(tmp_path / "one").answer(resource=None)
    two = "http://127.0.0.1:8787/mcp http://127.0.0.1:8788/mcp"
    world = World(tmp_path / "two", OAUTH_RESOURCES=two)
    answer = world.ask(world.browser(), resource=None)
    assert parameters(answer.location)["error"] == "invalid_target"
    for resource in two.split():
        assert "code" in world.answer(resource=resource)


def test_post_to_authorize_is_no_way_to_ask(world: World) -> None:
    answer = world.post("/authorize", None, **world.request())
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize("path", ["/authorize", "/authorize/login", "/authorize/callback"])
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_405_and_no_page_may_read_it(world: World, path: str, method: str) -> None:
    answer = world.browser().open(
        path, method=method, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) <= {"GET", "POST"}
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


# What another site, another tab or another browser could send in place of our own form.
FORGED: dict[str, dict[str, str]] = {
    "no token": {"csrf": ""},
    "wrong token": {"csrf": "A" * 43},
    "no request": {"request": ""},
    "wrong request": {"request": "mcpa-" + "A" * 22 + "." + "A" * 43},
    "code for a request": {"request": "mcpc-" + "A" * 22 + "." + "A" * 43},
    "no decision": {"decision": ""},
    "another decision": {"decision": "maybe"},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_forged_consent_is_refused(world: World, change: dict[str, str]) -> None:
    browser = world.browser()
    page = world.ask(browser).text
    answer = world.decide(browser, page, **{"decision": "allow", **change})
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "Set-Cookie" not in answer.headers
    assert world.decide(browser, page).status_code == 303


def test_consent_in_another_browser_is_refused(world: World) -> None:
    page = world.ask(world.browser()).text
    assert world.decide(world.browser(), page).status_code == 400


def test_consent_with_a_token_of_another_tab_is_refused(world: World) -> None:
    browser = world.browser()
    first, second = world.ask(browser).text, world.ask(browser).text
    assert world.decide(browser, first, csrf=fields(second)["csrf"]).status_code == 400
    assert world.decide(browser, first).status_code == 303
    assert world.decide(browser, second).status_code == 303  # two tabs do not disturb each other


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_consent_from_another_origin_is_refused(world: World, headers: dict[str, str]) -> None:
    browser = world.browser()
    form = {**fields(world.ask(browser).text), "decision": "allow"}
    assert browser.post("/authorize", data=form, headers=headers).status_code == 400
    own = {"Origin": world.settings.issuer, "Sec-Fetch-Site": "same-origin"}
    answer = browser.post("/authorize", data=form, headers=own)
    assert answer.status_code == 303


def test_consent_is_given_once_and_within_ten_minutes(world: World) -> None:
    browser = world.browser()
    page = world.ask(browser).text
    assert world.decide(browser, page).status_code == 303
    assert world.decide(browser, page).status_code == 400
    assert world.decide(browser, page, "deny").status_code == 400
    late = world.ask(browser).text
    world.now += 600
    assert world.decide(browser, late).status_code == 400


def test_login_of_another_browser_is_refused(world: World) -> None:
    """An attacker who has agreed himself, and sends the victim to the login that he has begun."""
    attacker, victim = world.browser(), world.browser()
    agreed = world.decide(attacker, world.ask(attacker).text)
    assert victim.get(agreed.location).status_code == 400
    page = attacker.get(agreed.location).text
    form = {**fields(page), "username": "dev", "password": "correct horse battery staple"}
    assert victim.post("/authorize/login", data=form).status_code == 400
    state = parameters(agreed.location)["state"]
    assert victim.get(f"/authorize/callback?state={state}&code=x").status_code == 400


def test_login_needs_the_cookie_that_came_with_consent(world: World) -> None:
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser).text)
    (cookie,) = agreed.headers.getlist("Set-Cookie")
    name = cookie.split("=")[0]
    browser.set_cookie(name, "A" * 43, domain="127.0.0.1")
    assert browser.get(agreed.location).status_code == 400
    browser.delete_cookie(name, domain="127.0.0.1")
    assert browser.get(agreed.location).status_code == 400
    browser.set_cookie(name, cookie.split("=")[1].split(";")[0], domain="127.0.0.1")
    assert browser.get(agreed.location).status_code == 200


def test_login_before_consent_is_refused(world: World) -> None:
    browser = world.browser()
    handle = fields(world.ask(browser).text)["request"]
    for state in (handle, handle.replace("mcpa-", "mcpl-"), "", "x"):
        for path in ("/authorize/login", "/authorize/callback"):
            answer = browser.get(f"{path}?{urlencode({'state': state})}")
            assert answer.status_code == 400


PAGE_HEADERS = {
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def test_pages_cannot_be_framed_and_load_nothing(world: World) -> None:
    browser = world.browser()
    consent = world.ask(browser)
    login = browser.get(world.decide(browser, consent.text).location)
    error = world.ask(browser, client_id="nobody")
    for page in (consent, login, error):
        assert {name: page.headers[name] for name in PAGE_HEADERS} == PAGE_HEADERS
        policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["base-uri"] == "'none'"
        assert policy["style-src"].startswith("'sha256-")
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert "<script" not in page.text
        assert "src=" not in page.text


def test_policy_lets_in_the_one_style_that_is_there(world: World) -> None:
    page = world.ask(world.browser())
    (style,) = re.findall("<style>(.*?)</style>", page.text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("redirect", "source"),
    [
        ("http://127.0.0.1:5/callback", "http://127.0.0.1:*"),
        ("http://[::1]:5/callback", "http:"),
        ("cursor://app/callback", "cursor:"),
    ],
)
def test_form_may_lead_to_the_client_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redirect: str, source: str
) -> None:
    monkeypatch.setattr("authorizing.world.CLIENTS", [{"client_id": "one", "redirect_uris": [redirect]}])
    world = World(tmp_path)
    page = world.ask(world.browser(), client_id="one", redirect_uri=redirect)
    (actions,) = [
        part for part in page.headers["Content-Security-Policy"].split("; ") if part.startswith("form-action")
    ]
    assert source in actions.split()
    assert 'class="warning"' in page.text  # any program on the machine could be behind it
    world.storage.close()


def test_storage_that_does_not_answer_is_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code = world.code()

    def fail(*_: object) -> None:
        raise StorageUnavailable("throttled")

    for name in ("create", "read", "replace"):
        monkeypatch.setattr(world.storage, name, fail)
    page = world.ask(world.browser())
    assert (page.status_code, page.headers["Retry-After"], page.mimetype) == (503, "2", "text/html")
    token = world.redeem(code)
    assert (token.status_code, token.headers["Retry-After"]) == (503, "2")
    assert (token.json or {})["error"] == "temporarily_unavailable"
