"""docs/oauth/openapi.yaml is what the server does: its routes, its metadata, and every answer that each operation has.

No answer is known that the description has not, and none is described that nobody has seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from authorization_server import metadata
from authorization_server.storage import StorageUnavailable
from authorization_server.storage.sqlite import SqliteStorage
from authorizing.description import FILE, Description, Judge, load, operations
from authorizing.world import CALLBACK, MACHINE_SECRET, PASSPHRASE, Browser, World, basic, fields, parameters


@pytest.fixture(scope="module")
def description() -> Description:
    return load()


def test_every_route_is_described_and_no_other(description: Description, world: World, tmp_path: Path) -> None:
    everything = {(method, path) for method, path in operations(description) if method != "OPTIONS"}
    assert routes(world) == everything
    secret = {"OAUTH_LOGIN_CLIENT_ID": "x", "OAUTH_LOGIN_CLIENT_SECRET": f"file:{tmp_path / 'secret'}"}
    least = World(tmp_path, changes={"OAUTH_LOGIN": "github", "OAUTH_REGISTRATION": "off", **secret})
    left_out = {
        (method, path) for method, path in everything if "alone" in description["paths"][path].get("description", "")
    }
    assert everything - routes(least) == left_out
    assert left_out == {("POST", "/register"), ("GET", "/authorize/login"), ("POST", "/authorize/login")}
    least.storage.close()


def routes(world: World) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_choices_are_those_of_the_metadata(description: Description) -> None:
    schemas = description["components"]["schemas"]
    forms = (schemas[name]["properties"]["grant_type"]["const"] for name in ("CodeForm", "RefreshForm", "MachineForm"))
    assert tuple(forms) == metadata.GRANT_TYPES
    methods = schemas["ClientMetadata"]["properties"]["token_endpoint_auth_method"]["enum"]
    assert tuple(methods) == metadata.AUTH_METHODS
    assert {*schemas["RegisteredClient"]["properties"]["grant_types"]["items"]["enum"]} < {*metadata.GRANT_TYPES}


def test_every_parser_reads_it() -> None:
    """Merge keys are YAML 1.1's; OpenAPI allows what JSON has, and strict parsers take `<<` for a name."""
    tokens = yaml.scan(FILE.read_text(encoding="utf-8"))
    assert "<<" not in {token.value for token in tokens if isinstance(token, yaml.ScalarToken)}


def test_every_schema_is_one(description: Description) -> None:
    for schema in description["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_answer_is_described_and_every_described_one_is_given(
    description: Description, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge(description)
    opened = Browser.open

    def judged(browser: Browser, *args: Any, **given: Any) -> TestResponse:
        answer = opened(browser, *args, **given)
        judge.read(answer)
        return answer

    monkeypatch.setattr(Browser, "open", judged)
    of_documents(world)
    of_clients(world)
    of_people(world)
    of_what_is_too_large(world, judge)
    of_what_is_down(world, monkeypatch)
    described = {
        (method, path, status)
        for (method, path), operation in judge.operations.items()
        for status in operation["responses"]
    }
    assert described - judge.seen == set()
    assert errors_of(judge) - judge.errors == set()


def errors_of(judge: Judge) -> set[tuple[str, str]]:
    """Every error of every path that an answer's schema lists."""
    return {
        (path, error)
        for (_, path), operation in judge.operations.items()
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
        for error in content["schema"].get("properties", {}).get("error", {}).get("enum", ())
    }


def of_documents(world: World) -> None:
    browser = world.browser()
    for path in (metadata.WELL_KNOWN_OAUTH, metadata.WELL_KNOWN_OPENID, metadata.KEYS):
        assert browser.get(path).status_code == 200
        browser.options(path)


def of_clients(world: World) -> None:
    for path in (metadata.TOKEN, metadata.REVOKE, metadata.REGISTER):
        world.browser().options(path)
    robot, asking = basic("robot", MACHINE_SECRET), basic("resource-server", "resource-server-secret-0123")
    assert world.post("/token", robot, grant_type="client_credentials").status_code == 200
    given = world.tokens()
    fresh = world.refresh(given["refresh_token"]).json or {}
    refused = [world.refresh(fresh["refresh_token"], scope="mcp:admin"), world.refresh("x"), world.refresh("x", "web")]
    refused += [world.post("/token"), world.post("/token", robot, grant_type="password")]
    refused += [world.post("/token", robot, grant_type="client_credentials", resource="https://other.example")]
    assert {answer.status_code for answer in refused} == {400}
    for token in (given["access_token"], fresh["refresh_token"], "x"):
        assert world.post("/introspect", asking, token=token).status_code == 200
    assert world.post("/introspect", asking).status_code == 400
    assert world.post("/introspect", robot, token="x").status_code == 400
    assert world.post("/revoke", None, client_id="desktop").status_code == 400
    assert world.post("/revoke", None, client_id="web", token=fresh["refresh_token"]).status_code == 400
    machine = (world.post("/token", robot, grant_type="client_credentials").json or {})["access_token"]
    assert world.post("/revoke", robot, token=machine).status_code == 400
    assert world.post("/revoke", None, client_id="desktop", token=fresh["refresh_token"]).status_code == 200
    for path in ("/token", "/revoke", "/introspect"):
        wrong = world.post(path, basic("robot", "wrong"), grant_type="client_credentials", token="x")
        assert wrong.status_code == 401
    for method in ("none", "client_secret_post"):
        document = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method, "client_name": "A client"}
        assert world.browser().post("/register", json=document).status_code == 201
    assert world.browser().post("/register", json={"redirect_uris": ["x"]}).status_code == 400
    assert world.browser().post("/register", json=[]).status_code == 400


def of_people(world: World) -> None:
    assert world.ask(world.browser(), client_id="nobody").status_code == 400
    assert world.ask(world.browser(), code_challenge=None).status_code == 303
    browser = world.browser()
    page = world.ask(browser)
    assert page.status_code == 200
    assert world.decide(world.browser(), page.text).status_code == 400
    assert world.decide(browser, page.text, "deny").status_code == 303
    browser = world.browser()
    login = world.decide(browser, world.ask(browser).text).location
    assert world.browser().get(login).status_code == 400
    assert world.log_in(browser, login, csrf="x").status_code == 400
    assert world.log_in(browser, login, "wrong").status_code == 403
    assert world.log_in(browser, login).status_code == 303
    assert browser.get("/authorize/callback?state=x").status_code == 400
    login = world.decide(browser, world.ask(browser).text).location
    came = {**parameters(login), "username": "dev", "password": PASSPHRASE}
    assert browser.get(f"/authorize/callback?{urlencode(came)}").status_code == 303


def of_what_is_too_large(world: World, judge: Judge) -> None:
    for method, path in judge.operations:
        if method == "POST":
            kind = "application/json" if path == "/register" else "application/x-www-form-urlencoded"
            answer = world.browser().post(path, data=b"a=" + b"b" * 70_000, content_type=kind)
            assert answer.status_code == 413


def of_what_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is ready when the storage goes away, and then the keys."""
    asked, agreed = world.browser(), world.browser()
    page, login = world.ask(asked).text, world.decide(agreed, world.ask(agreed).text).location
    form = {**fields(agreed.get(login).text), "username": "dev", "password": PASSPHRASE}
    code, token = world.code(), world.tokens()["refresh_token"]
    asking = basic("resource-server", "resource-server-secret-0123")

    def unavailable(*_: object) -> Any:
        raise StorageUnavailable("as asked for")

    for name in ("create", "read", "replace"):
        monkeypatch.setattr(SqliteStorage, name, unavailable)
    answers = [world.ask(world.browser()), world.decide(asked, page), agreed.get(login)]
    answers += [
        agreed.post("/authorize/login", data=form),
        agreed.get(f"/authorize/callback?{login.partition('?')[2]}"),
    ]
    answers += [world.redeem(code), world.post("/introspect", asking, token=token)]
    answers += [world.post("/revoke", None, client_id="desktop", token=token)]
    answers += [world.browser().post("/register", json={"redirect_uris": [CALLBACK]})]
    world.now += 86400
    world.keys._read = lambda: "no document"
    answers += [world.browser().get("/jwks.json")]
    assert {answer.status_code for answer in answers} == {503}
