"""/token, /revoke, /introspect, the metadata and the keys: each error by its RFC, and who may ask from where."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from authlib.oauth2 import rfc8414, rfc9207

from authorization_server import metadata
from authorization_server.records import handles
from authorization_server.settings import read_settings
from authorizing.world import (
    CALLBACK,
    CHALLENGE,
    HTTPS,
    MACHINE_SECRET,
    PASSPHRASE,
    VERIFIER,
    World,
    basic,
    environment,
    parameters,
)
from mcp_faas.auth.compact import parse
from mcp_faas.auth.jwt import Policy, verify
from mcp_faas.auth.keys import parse_key_set
from mcp_faas.auth.profiles import PROFILES
from mcp_faas.logs import redact

RESOURCE_SERVER = basic("resource-server", "resource-server-secret-0123")
ROBOT = basic("robot", MACHINE_SECRET)

# RFC 6749 §5.2: form, headers, status, error.
TOKEN_ERRORS: dict[str, tuple[dict[str, str], dict[str, str], int, str]] = {
    "nothing": ({}, {}, 400, "invalid_request"),
    "no grant type": ({"client_id": "web"}, {}, 400, "invalid_request"),
    "password": (
        {"grant_type": "password", "username": "dev", "password": "x", "client_id": "web"},
        {},
        400,
        "unsupported_grant_type",
    ),
    "implicit": ({"grant_type": "implicit", "client_id": "web"}, {}, 400, "unsupported_grant_type"),
    "device code": ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, {}, 400, "unsupported_grant_type"),
    "jwt bearer": (
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "x"},
        {},
        400,
        "unsupported_grant_type",
    ),
    "grant type with a quote": ({"grant_type": '"\\ü\0'}, {}, 400, "unsupported_grant_type"),
    "no client": ({"grant_type": "authorization_code", "code": "x"}, {}, 401, "invalid_client"),
    "unknown client": ({"grant_type": "authorization_code", "client_id": "nobody"}, {}, 401, "invalid_client"),
    "no code": ({"grant_type": "authorization_code", "client_id": "web"}, {}, 400, "invalid_request"),
    "no verifier": ({"grant_type": "authorization_code", "client_id": "web", "code": "x"}, {}, 400, "invalid_request"),
    "unknown code": (
        {"grant_type": "authorization_code", "client_id": "web", "code": "x", "code_verifier": VERIFIER},
        {},
        400,
        "invalid_grant",
    ),
    "no refresh token": ({"grant_type": "refresh_token", "client_id": "desktop"}, {}, 400, "invalid_request"),
    "unknown refresh token": (
        {
            "grant_type": "refresh_token",
            "client_id": "desktop",
            "refresh_token": f"mcpr-{'a' * 22}.{'a' * 22}.{'a' * 43}",
        },
        {},
        400,
        "invalid_grant",
    ),
    "access token for a refresh token": (
        {"grant_type": "refresh_token", "client_id": "desktop", "refresh_token": "eyJhbGciOiJFUzI1NiJ9.e30.AAAA"},
        {},
        400,
        "invalid_grant",
    ),
    "client without refresh tokens": (
        {"grant_type": "refresh_token", "client_id": "web", "refresh_token": "x"},
        {},
        400,
        "unauthorized_client",
    ),
    "machine grant for a public client": (
        {"grant_type": "client_credentials", "client_id": "web"},
        {},
        401,
        "invalid_client",
    ),
    "machine grant for people's client": (
        {"grant_type": "client_credentials"},
        basic("confidential", "confidential-secret-0123456789"),
        400,
        "unauthorized_client",
    ),
    "machine's secret wrong": ({"grant_type": "client_credentials"}, basic("robot", "wrong"), 401, "invalid_client"),
    "machine's secret empty": ({"grant_type": "client_credentials"}, basic("robot", ""), 401, "invalid_client"),
    "machine unknown": ({"grant_type": "client_credentials"}, basic("nobody", "x"), 401, "invalid_client"),
    "secret in the form of a client that has it in the header": (
        {"grant_type": "client_credentials", "client_id": "robot", "client_secret": MACHINE_SECRET},
        {},
        401,
        "invalid_client",
    ),
    "secret in the header of a client that has it in the form": (
        {"grant_type": "client_credentials"},
        basic("poster", MACHINE_SECRET),
        401,
        "invalid_client",
    ),
    "secret in both": (
        {"grant_type": "client_credentials", "client_secret": MACHINE_SECRET},
        ROBOT,
        400,
        "invalid_request",
    ),
    "another id in the form": ({"grant_type": "client_credentials", "client_id": "web"}, ROBOT, 400, "invalid_request"),
    "header that is not base64": (
        {"grant_type": "client_credentials"},
        {"Authorization": "Basic !"},
        401,
        "invalid_client",
    ),
    "header that is not UTF-8": (
        {"grant_type": "client_credentials"},
        {"Authorization": "Basic //86//8="},
        401,
        "invalid_client",
    ),
    "bearer token for a client": (
        {"grant_type": "client_credentials"},
        {"Authorization": "Bearer x"},
        401,
        "invalid_client",
    ),
    "public client with a header": (
        {"grant_type": "authorization_code", "client_id": "web", "code": "x"},
        basic("web", "anything"),
        401,
        "invalid_client",
    ),
    "scope that a machine may not have": (
        {"grant_type": "client_credentials", "scope": "mcp:admin"},
        ROBOT,
        400,
        "invalid_scope",
    ),
    "scope with a quote": ({"grant_type": "client_credentials", "scope": '"'}, ROBOT, 400, "invalid_scope"),
    "another resource": (
        {"grant_type": "client_credentials", "resource": "https://other.example"},
        ROBOT,
        400,
        "invalid_target",
    ),
}


@pytest.mark.parametrize(("form", "headers", "status", "error"), TOKEN_ERRORS.values(), ids=TOKEN_ERRORS)
def test_token_error(world: World, form: dict[str, str], headers: dict[str, str], status: int, error: str) -> None:
    answer = world.post("/token", headers, **form)
    body: dict[str, Any] = answer.json or {}
    assert (answer.status_code, body["error"]) == (status, error)
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(body["error_description"]) <= set(map(chr, range(0x20, 0x7F))) - set('"\\')
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
def test_form_is_the_only_place_for_parameters(world: World, path: str) -> None:
    browser = world.browser()
    form = {"grant_type": "client_credentials", "token": "x", "client_id": "poster", "client_secret": MACHINE_SECRET}
    assert browser.post(path, json=form).status_code == 400
    assert browser.post(path, data=form, content_type="multipart/form-data").status_code == 400
    query = f"{path}?grant_type=client_credentials&token=x&client_id=poster&client_secret={MACHINE_SECRET}"
    assert browser.post(query, content_type="application/x-www-form-urlencoded").status_code in (400, 401)
    twice = f"grant_type=client_credentials&token=x&client_id=poster&client_secret={MACHINE_SECRET}&client_id=poster"
    answer = browser.post(path, data=twice, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, (answer.json or {})["error"]) == (400, "invalid_request")
    large = browser.post(path, data=b"a=" + b"b" * 70_000, content_type="application/x-www-form-urlencoded")
    assert large.status_code == 413
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        answer = browser.open(path, method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


VERIFIERS = {
    "right": (VERIFIER, None),
    "wrong": ("w" * 43, "invalid_grant"),
    "one character longer": (VERIFIER + "v", "invalid_grant"),
    "42 characters": (VERIFIER[:42], "invalid_request"),
    "129 characters": ("v" * 129, "invalid_request"),
    "128 wrong characters": ("v" * 128, "invalid_grant"),
    "the challenge itself": (CHALLENGE, "invalid_grant"),
    "none": ("", "invalid_request"),
    "with a plus sign": (VERIFIER[:42] + "+", "invalid_request"),
    "with a newline": (VERIFIER + "\n", "invalid_request"),
    "not ASCII": (VERIFIER[:42] + "ü", "invalid_request"),
    "in another case": (VERIFIER.upper(), "invalid_grant"),
}


@pytest.mark.parametrize(("verifier", "error"), VERIFIERS.values(), ids=VERIFIERS)
@pytest.mark.parametrize("client", ["web", "confidential"])
def test_verifier(world: World, client: str, verifier: str, error: str | None) -> None:
    code = world.code(client_id=client)
    headers = basic("confidential", "confidential-secret-0123456789") if client == "confidential" else {}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": client}
    answer = world.post("/token", headers, **form, code_verifier=verifier)
    assert (answer.json or {}).get("error") == error
    if error:  # a wrong verifier has not used the code up
        assert world.post("/token", headers, **form, code_verifier=VERIFIER).status_code == 200


def test_machine_gets_a_token_and_nothing_to_refresh_it_with(world: World) -> None:
    answer = world.post("/token", ROBOT, grant_type="client_credentials", scope="mcp:write mcp:admin")
    body = answer.json or {}
    assert (body["scope"], "refresh_token" in body) == ("mcp:write", False)
    policy = Policy(world.settings.issuer, frozenset({world.resource}), profile=PROFILES["mcp-faas"])
    keys = parse_key_set(world.browser().get("/jwks.json").data)
    principal = verify(parse(body["access_token"]), keys, policy, world.now)
    assert (principal.subject, principal.client, principal.scopes) == ("robot", "robot", frozenset({"mcp:write"}))
    below = world.post("/token", ROBOT, grant_type="client_credentials", scope="mcp:tools:add").json or {}
    assert below["scope"] == "mcp:tools:add"  # what is entered covers it
    entered = world.post("/token", ROBOT, grant_type="client_credentials").json or {}
    assert entered["scope"] == "mcp:tools mcp:write"
    refused = world.post("/token", ROBOT, grant_type="client_credentials", scope="mcp:admin").json or {}
    assert refused["error_description"].endswith("It may have: mcp:tools mcp:write.")
    form = {"client_id": "poster", "client_secret": MACHINE_SECRET}
    posted = world.post("/token", None, grant_type="client_credentials", **form).json or {}
    assert posted["scope"] == "mcp:tools"  # nothing is entered for it, so it gets the least


def test_person_cannot_be_called_like_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = [{"client_id": "dev", "client_secret": MACHINE_SECRET, "grant_types": ["client_credentials"]}]
    clients.append({"client_id": "web", "redirect_uris": [CALLBACK]})
    monkeypatch.setattr("authorizing.world.CLIENTS", clients)
    world = World(tmp_path)
    assert world.answer()["error"] == "access_denied"
    world.storage.close()


def test_refresh_rotates_and_narrows_once(world: World) -> None:
    first = world.tokens(scope="mcp:tools mcp:write")
    second = world.refresh(first["refresh_token"], scope="mcp:tools").json or {}
    assert second["scope"] == "mcp:tools"
    assert second["refresh_token"] != first["refresh_token"]
    third = world.refresh(second["refresh_token"]).json or {}
    assert third["scope"] == "mcp:tools mcp:write"  # RFC 6749 §6: as granted, where nothing is asked for
    assert world.refresh(third["refresh_token"], scope="mcp:admin").json == {
        "error": "invalid_scope",
        "error_description": "A refresh cannot ask for more than was granted.",
    }
    assert (world.refresh(third["refresh_token"], resource="https://x.example").json or {})["error"] == "invalid_target"
    assert (world.refresh(third["refresh_token"], client_id="web").json or {})["error"] == "unauthorized_client"


def test_lost_answer_locks_nobody_out_and_two_parties_end_the_grant(world: World) -> None:
    first = world.tokens()["refresh_token"]
    lost = (world.refresh(first).json or {})["refresh_token"]
    again = (world.refresh(first).json or {})["refresh_token"]
    assert world.refresh(again).status_code == 200
    assert world.refresh(lost).status_code == 400  # so somebody else had it
    assert world.refresh(again).status_code == 400


def test_refresh_ends_after_its_absolute_time(world: World) -> None:
    tokens = world.tokens()
    token = tokens["refresh_token"]
    for _ in range(29):
        world.now += 86400
        token = (world.refresh(token).json or {})["refresh_token"]
    world.now += 86400 - 100
    last = world.refresh(token).json or {}
    assert last["expires_in"] == 100  # an access token does not outlive its grant
    world.now += 100
    assert world.refresh(last["refresh_token"]).status_code == 400


def introspect(world: World, token: str) -> dict[str, Any]:
    answer = world.post("/introspect", RESOURCE_SERVER, token=token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json or {}
    return found


def test_introspection_tells_what_the_token_says(world: World) -> None:
    tokens = world.tokens(scope="mcp:tools mcp:write")
    found = introspect(world, tokens["access_token"])
    claims = parse(tokens["access_token"]).claims
    names = {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope", "auth_time"}
    assert found == {"active": True, "token_type": "Bearer", **{name: claims[name] for name in names}}
    assert introspect(world, tokens["refresh_token"])["active"] is True
    world.now += 900
    assert introspect(world, tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize("token", ["x", "eyJhbGciOiJub25lIn0.e30.", "a.b.c", "mcpr-x", "é", "a" * 9000], ids=range(6))
def test_unknown_token_is_inactive_and_revoked_without_a_word(world: World, token: str) -> None:
    assert introspect(world, token) == {"active": False}
    assert world.post("/revoke", None, token=token, client_id="web").status_code == 200


def test_token_of_another_issuer_or_key_is_inactive(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other")
    assert introspect(world, other.tokens()["access_token"]) == {"active": False}


def test_only_a_resource_server_that_was_entered_may_introspect(world: World) -> None:
    token = world.tokens()["access_token"]
    assert world.post("/introspect", None, token=token, client_id="web").status_code == 401
    assert world.post("/introspect", basic("resource-server", "wrong"), token=token).status_code == 401
    assert world.post("/introspect", None, token=token).status_code == 401
    body = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic"}
    registered = world.browser().post("/register", json=body).json or {}
    own = basic(registered["client_id"], registered["client_secret"])
    answer = world.post("/introspect", own, token=token)
    assert (answer.status_code, (answer.json or {})["error"]) == (400, "unauthorized_client")
    for known in (ROBOT, basic("confidential", "confidential-secret-0123456789")):  # who may do something, asks nothing
        answer = world.post("/introspect", known, token=token)
        assert (answer.status_code, (answer.json or {})["error"]) == (400, "unauthorized_client")
    assert (world.post("/introspect", RESOURCE_SERVER).json or {})["error"] == "invalid_request"


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revocation_ends_all_tokens_of_the_grant(world: World, which: str) -> None:
    tokens, others = world.tokens(), world.tokens()
    assert world.post("/revoke", None, token=tokens[which], client_id="desktop").status_code == 200
    assert world.refresh(tokens["refresh_token"]).status_code == 400
    assert introspect(world, tokens["access_token"]) == {"active": False}
    assert introspect(world, others["access_token"])["active"] is True
    assert world.post("/revoke", None, token=tokens[which], client_id="desktop").status_code == 200


def test_revocation_is_for_the_client_that_holds_the_token(world: World) -> None:
    tokens = world.tokens()
    for name in ("access_token", "refresh_token"):
        answer = world.post("/revoke", None, token=tokens[name], client_id="web")
        assert (answer.status_code, (answer.json or {})["error"]) == (400, "invalid_grant")
    assert world.refresh(tokens["refresh_token"]).status_code == 200
    assert world.post("/revoke", None, token=tokens["access_token"]).status_code == 401
    machine = (world.post("/token", ROBOT, grant_type="client_credentials").json or {})["access_token"]
    assert introspect(world, machine)["active"] is True
    answer = world.post("/revoke", ROBOT, token=machine)
    assert (answer.json or {})["error"] == "unsupported_token_type"


def test_key_that_signs_is_published_and_rotation_needs_no_restart(world: World) -> None:
    from authorization_server.signing_keys import KeyDocument, mint

    old = world.tokens()["access_token"]
    world.key_document = KeyDocument((*world.key_document.keys, mint(int(world.now))))
    world.now += 61
    assert len((world.browser().get("/jwks.json").json or {})["keys"]) == 2
    assert parse(world.tokens()["access_token"]).header.kid == parse(old).header.kid  # published before it signs
    world.now += 600
    new = world.tokens()["access_token"]
    assert parse(new).header.kid == world.key_document.keys[1].kid
    for key in (world.browser().get("/jwks.json").json or {})["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_without_keys_nothing_is_signed_and_no_code_is_lost(world: World) -> None:
    code = world.code()
    document, world.key_document = world.key_document, None  # type: ignore[assignment]
    world.now += 1
    world.keys._found = None
    for answer in (world.redeem(code), world.browser().get("/jwks.json")):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    world.key_document = document
    world.now += 6
    assert world.redeem(code).status_code == 200


@pytest.mark.parametrize(
    "changes", [{}, {"OAUTH_REGISTRATION": "off", "OAUTH_CLIENT_METADATA_DOCUMENTS": "off"}, {"OAUTH_SCOPES": ""}]
)
@pytest.mark.parametrize("path", [metadata.WELL_KNOWN_OAUTH, metadata.WELL_KNOWN_OPENID])
def test_metadata_is_valid_and_true(tmp_path: Path, changes: dict[str, str], path: str) -> None:
    world = World(tmp_path, changes=changes)
    answer = world.browser().get(path)
    found = answer.json or {}
    rfc8414.AuthorizationServerMetadata(found).validate(metadata_classes=[rfc9207.AuthorizationServerMetadata])
    assert found["issuer"] == world.settings.issuer
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert ("registration_endpoint" in found) is ("OAUTH_REGISTRATION" not in changes)
    assert found["client_id_metadata_document_supported"] is ("OAUTH_REGISTRATION" not in changes)
    assert "offline_access" not in found.get("scopes_supported", [])
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    for name, url in found.items():
        if name.endswith("_endpoint"):
            assert world.browser().open(url.removeprefix(world.settings.issuer), method="PUT").status_code == 405, name
    world.storage.close()


def test_metadata_of_an_https_issuer_is_valid(tmp_path: Path) -> None:
    changes = {"OAUTH_ISSUER": HTTPS, "OAUTH_RESOURCES": f"{HTTPS}/mcp", "OAUTH_LOGIN": "github"}
    changes |= {"OAUTH_LOGIN_CLIENT_ID": "x", "OAUTH_LOGIN_CLIENT_SECRET": "file:x"}
    found = metadata.document(read_settings(environment(tmp_path, **changes)))
    rfc8414.AuthorizationServerMetadata(found).validate()


@pytest.mark.parametrize("path", ["/token", "/register", "/revoke", "/jwks.json", metadata.WELL_KNOWN_OAUTH])
def test_pages_on_the_web_may_be_clients(world: World, path: str) -> None:
    headers = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "POST"}
    preflight = world.browser().open(path, method="OPTIONS", headers=headers)
    assert preflight.status_code == 204
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"]
    for answer in (preflight, world.post(path, headers)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After, WWW-Authenticate"


def test_introspection_is_not_for_pages_on_the_web(world: World) -> None:
    answer = world.post("/introspect", {"Origin": "https://evil.example", **RESOURCE_SERVER}, token="x")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert world.browser().open("/introspect", method="OPTIONS").status_code == 405


def test_no_secret_is_in_any_line(world: World, capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    code = world.code(client_id="desktop", redirect_uri="http://127.0.0.1:1/callback")
    tokens = world.redeem(code, "desktop", redirect_uri="http://127.0.0.1:1/callback").json or {}
    fresh = world.refresh(tokens["refresh_token"]).json or {}
    body = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic"}
    registered = world.browser().post("/register", json=body).json or {}
    world.post("/revoke", None, token=fresh["access_token"], client_id="desktop")
    introspect(world, tokens["access_token"])
    world.post("/token", ROBOT, grant_type="client_credentials")
    world.post("/token", basic("robot", "wrong-" + MACHINE_SECRET), grant_type="client_credentials")
    lines = capfd.readouterr().out.splitlines()
    logged = [
        record for record in caplog.records if not record.name.startswith("authlib")
    ]  # silenced by logs.configure
    text = "\n".join(lines) + "\n".join(record.getMessage() for record in logged)
    secrets = [code, tokens["access_token"], tokens["refresh_token"], fresh["access_token"], fresh["refresh_token"]]
    secrets += [registered["client_secret"], MACHINE_SECRET, PASSPHRASE, VERIFIER]
    for secret in secrets:
        assert secret[-16:] not in text
    audited = [json.loads(line) for line in lines if line.startswith('{"audit"')]
    assert {line["door"] for line in audited} == {"oauth"}
    assert [line["reason"] for line in audited if line["decision"] == "deny"] == ["invalid_client"]


def test_log_lets_no_code_or_token_of_ours_through() -> None:
    for purpose in ("authorization", "login", "code", "refresh"):
        handle = handles.mint(purpose)
        assert redact(f"something with {handle.text} in it") == "something with [redacted] in it"


def test_every_decision_writes_one_line(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    browser = world.browser()
    denied = world.decide(browser, world.ask(browser).text, "deny")
    assert parameters(denied.location)["error"] == "access_denied"
    world.browser().get("/jwks.json")
    world.post("/token", None, grant_type="x")
    world.browser().get("/token")
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(line["method"], line["decision"], line["reason"], line["status"]) for line in found] == [
        ("GET /authorize", "allow", "ok", 200),
        ("POST /authorize", "deny", "consent_denied", 303),
        ("POST /token", "deny", "unsupported_grant_type", 400),
        ("GET /token", "deny", "status_405", 405),
    ]
    assert found[0]["client"] == "web"
