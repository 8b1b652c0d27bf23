"""The code flow from a client's request to a token that our own verifier lets in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authorization_server.logins.local import LocalLogin
from authorizing.memory import Memory
from authorizing.world import (
    CALLBACK,
    HTTPS,
    MACHINE_SECRET,
    NOON,
    PASSPHRASE,
    VERIFIER,
    World,
    basic,
    fields,
    parameters,
)
from mcp_faas.auth.compact import parse
from mcp_faas.auth.jwt import Policy, verify
from mcp_faas.auth.keys import parse_key_set
from mcp_faas.auth.profiles import PROFILES
from mcp_faas.issuers.reach import Unreachable


@pytest.mark.parametrize("profile", ["rfc9068", "mcp-faas"])
def test_token_is_let_in_by_the_doors(world: World, profile: str) -> None:
    answer = world.redeem(world.code(scope="mcp:tools mcp:write"))
    assert answer.status_code == 200, answer.text
    body = answer.json or {}
    assert {name: body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "mcp:tools mcp:write",
    }
    assert "refresh_token" not in body  # the client did not register for it
    keys = parse_key_set(world.browser().get("/jwks.json").data)
    policy = Policy(world.settings.issuer, frozenset({world.resource}), profile=PROFILES[profile])
    token = parse(body["access_token"])
    principal = verify(token, keys, policy, world.now)
    assert (principal.subject, principal.client) == ("dev", "web")
    assert principal.scopes == {"mcp:tools", "mcp:write"}
    assert token.header.kind == "at+jwt"
    assert token.header.algorithm == "ES256"
    assert token.header.kid == world.key_document.keys[0].kid
    assert {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "auth_time"} <= set(token.claims)
    assert token.claims["exp"] - token.claims["iat"] == 900
    assert token.claims["auth_time"] == NOON


PAGES = {
    "minutes are minutes": (["authorization_code"], "15 minutes", {"access_token"}),
    "days are days": (["authorization_code", "refresh_token"], "30 days", {"access_token", "refresh_token"}),
}


@pytest.mark.parametrize(("grants", "told", "given"), PAGES.values(), ids=PAGES)
def test_client_gets_for_as_long_as_the_page_has_said(
    tmp_path: Path, grants: list[str], told: str, given: set[str]
) -> None:
    """Also one that nobody can ask any longer when the login ends: its document is gone, and was in no copy."""
    url = "https://client.example/client.json"
    fetched = [json.dumps({"client_id": url, "redirect_uris": [CALLBACK], "grant_types": grants}).encode()]

    def fetch(asked: str) -> bytes:
        if not fetched:
            raise Unreachable("gone")
        return fetched.pop()

    world = World(tmp_path, fetch=fetch, storage=Memory())
    browser = world.browser()
    page = world.ask(browser, client_id=url).text
    assert told in page
    agreed = world.decide(browser, page)
    world.documents._documents._kept.clear()  # as in an instance that has not fetched it
    code = parameters(world.log_in(browser, agreed.location).location)["code"]
    tokens = world.redeem(code, url).json or {}
    assert {name for name in tokens if name.endswith("_token")} == given


def test_answer_has_code_state_and_issuer_and_nothing_else(world: World) -> None:
    answer = world.answer(state="s & + = % ü")
    assert answer.pop("code").startswith("mcpc-")
    assert answer == {"state": "s & + = % ü", "iss": world.settings.issuer}
    assert set(world.answer(state=None)) == {"code", "iss"}


def test_registered_query_of_the_redirect_stays_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    registered = "https://client.example/cb?a=%7E&b=c+d"
    client = register(world, redirect_uris=[registered])
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser, client_id=client, redirect_uri=registered).text)
    done = world.log_in(browser, agreed.location)
    assert done.location.startswith(f"{registered}&code=mcpc-")


def register(world: World, **metadata: object) -> str:
    body = {"token_endpoint_auth_method": "none", **metadata}
    answer = world.browser().post("/register", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 201, answer.text
    client_id: str = (answer.json or {})["client_id"]
    return client_id


def test_nothing_goes_upstream_and_no_state_is_made_before_consent(world: World) -> None:
    browser = world.browser()
    page = world.ask(browser)
    assert page.status_code == 200
    assert [cookie.split("=")[0][:11] for cookie in page.headers.getlist("Set-Cookie")] == ["mcp-request"]
    agreed = world.decide(browser, page.text)
    assert agreed.status_code == 303
    assert [cookie.split("=")[0][:9] for cookie in agreed.headers.getlist("Set-Cookie")] == ["mcp-login"]


def test_cookies_are_bound_to_an_https_host(tmp_path: Path) -> None:
    class Elsewhere:
        asks_here = False

        def begin(self, attempt: object) -> str:
            return "https://login.example/start"

        def finish(self, attempt: object, answer: object) -> object:
            raise AssertionError

    (tmp_path / "secret").write_text("secret")
    world = World(
        tmp_path,
        login=Elsewhere(),  # type: ignore[arg-type]  # finish is not reached
        OAUTH_ISSUER=HTTPS,
        OAUTH_RESOURCES=f"{HTTPS}/mcp",
        OAUTH_LOGIN="github",
        OAUTH_LOGIN_CLIENT_ID="x",
        OAUTH_LOGIN_CLIENT_SECRET=f"file:{tmp_path / 'secret'}",
    )
    browser = world.browser()
    page = world.ask(browser)
    agreed = world.decide(browser, page.text)
    assert agreed.location == "https://login.example/start"
    for answer in (page, agreed):
        (cookie,) = answer.headers.getlist("Set-Cookie")
        assert cookie.startswith("__Host-mcp-")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_denied_goes_back_with_access_denied(world: World) -> None:
    browser = world.browser()
    denied = world.decide(browser, world.ask(browser).text, "deny")
    assert denied.status_code == 303
    assert denied.location.startswith(CALLBACK + "?")
    found = parameters(denied.location)
    assert (found["error"], found["state"], found["iss"]) == ("access_denied", "a state", world.settings.issuer)
    assert "code" not in found


def test_consent_page_says_who_asks_for_what_and_where_it_leads(world: World) -> None:
    page = world.ask(world.browser(), scope="mcp:tools mcp:write").text
    for text in ("A web client", "client.example", world.resource, "mcp:tools", "mcp:write"):
        assert text in page


def test_wrong_password_is_no_end_and_says_nothing(world: World) -> None:
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser).text)
    for wrong in ({"password": "wrong"}, {"username": "root"}, {"password": ""}):
        answer = world.log_in(browser, agreed.location, **wrong)
        assert answer.status_code == 403
        assert "location" not in answer.headers
    assert world.log_in(browser, agreed.location).status_code == 303


@pytest.mark.parametrize("passphrase", ["", "short"])
def test_empty_passphrase_is_no_open_door(tmp_path: Path, passphrase: str) -> None:
    world = World(tmp_path, login=LocalLogin(lambda: passphrase))
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser).text)
    assert world.log_in(browser, agreed.location, passphrase).status_code == 403
    world.storage.close()


def test_login_form_is_our_own(world: World) -> None:
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser).text)
    for wrong in ({"csrf": ""}, {"csrf": "A" * 43}, {"state": "x"}):
        assert world.log_in(browser, agreed.location, **wrong).status_code == 400
    assert world.log_in(browser, agreed.location).status_code == 303


def test_login_is_finished_once(world: World) -> None:
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser).text)
    page = browser.get(agreed.location).text
    form = {**fields(page), "username": "dev", "password": PASSPHRASE}
    first, second = (browser.post("/authorize/login", data=form) for _ in range(2))
    assert first.status_code == 303
    assert second.status_code == 400


def test_code_for_a_confidential_client_needs_its_secret(world: World) -> None:
    code = world.code(client_id="confidential")
    assert world.redeem(code, "confidential").status_code == 401
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    assert world.token(basic("confidential", "wrong"), **form).status_code == 401
    good = world.token(basic("confidential", "confidential-secret-0123456789"), **form)
    assert good.status_code == 200
    assert "refresh_token" in (good.json or {})


def test_redirect_may_be_left_out_where_there_is_one_alone(world: World) -> None:
    code = world.code(redirect_uri=None)
    assert world.redeem(code, redirect_uri="").status_code == 200
    code = world.code()  # but then it was there, and must be again
    assert world.redeem(code, redirect_uri="").json["error"] == "invalid_grant"  # type: ignore[index]


def test_code_dies_after_a_minute(world: World) -> None:
    code = world.code()
    world.now += 60
    assert world.redeem(code).json["error"] == "invalid_grant"  # type: ignore[index]
    code = world.code()
    world.now += 59
    assert world.redeem(code).status_code == 200


def test_code_is_for_its_client_redirect_verifier_and_resource(world: World) -> None:
    code = world.code()
    wrong = [
        ({"client_id": "desktop"}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
    ]
    for change, error in wrong:
        answer = world.redeem(code, **change)
        assert answer.status_code == 400, change
        assert (answer.json or {})["error"] == error, change
    altered = code[:-1] + ("A" if code[-1] != "A" else "B")
    assert (world.redeem(altered).json or {})["error"] == "invalid_grant"
    assert world.redeem(code).status_code == 200  # none of it has used the code up


def test_replayed_code_ends_its_tokens(world: World) -> None:
    where = "http://127.0.0.1:1234/callback"
    code = world.code(client_id="desktop", redirect_uri=where)
    first = world.redeem(code, "desktop", redirect_uri=where).json or {}
    assert world.redeem(code, "desktop", redirect_uri=where).status_code == 400
    assert world.refresh(first["refresh_token"]).status_code == 400
    asked = world.post(
        "/introspect", basic("resource-server", "resource-server-secret-0123"), token=first["access_token"]
    )
    assert asked.json == {"active": False}


def test_person_who_may_not_log_in_is_refused(tmp_path: Path) -> None:
    for name, users in (("a", "somebody-else"), ("b", "")):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name, OAUTH_ALLOWED_USERS=users)
        assert {"error": "access_denied"}.items() <= world.answer().items()
        assert bool(world.settings.doubts) is (not users)


def test_scopes_of_a_person_by_rule(tmp_path: Path) -> None:
    world = World(tmp_path, OAUTH_SCOPE_RULES="mcp:admin=user:root mcp:write=user:dev")
    body = world.redeem(world.code(scope="mcp:tools mcp:admin mcp:write")).json or {}
    assert body["scope"] == "mcp:tools mcp:write"
    assert world.answer(scope="mcp:admin")["error"] == "access_denied"  # a token without mcp:tools would open nothing


def test_who_may_not_have_one_tool_may_have_those_without_a_scope(tmp_path: Path) -> None:
    world = World(tmp_path, OAUTH_SCOPES="mcp:tools", MCP_SCOPES="", OAUTH_SCOPE_RULES="mcp:tools:admin=user:root")
    assert (world.redeem(world.code(scope="mcp:tools:admin")).json or {})["scope"] == ""
    assert (world.redeem(world.code(scope="mcp:tools:admin mcp:tools:add")).json or {})["scope"] == "mcp:tools:add"


def test_who_asks_for_nothing_gets_the_least(world: World) -> None:
    assert (world.redeem(world.code(scope=None)).json or {})["scope"] == "mcp:tools"


def test_the_least_is_without_what_another_scope_covers(tmp_path: Path) -> None:
    world = World(tmp_path, MCP_SCOPES="a a:b")
    assert (world.redeem(world.code(scope=None)).json or {})["scope"] == "a"
    machine = {"client_id": "poster", "client_secret": MACHINE_SECRET}
    assert (world.post("/token", None, grant_type="client_credentials", **machine).json or {})["scope"] == "a"
