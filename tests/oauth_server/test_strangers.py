"""Whoever has seen a code, an old token or somebody's record name: what such a one can end, which is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from authorization_server.records import handles
from authorization_server.records.clients import place
from authorizing.world import NOON, World, basic, fields

WHERE = "http://127.0.0.1:1234/callback"
RESOURCE_SERVER = basic("resource-server", "resource-server-secret-0123")


def made_of(code: str) -> list[str]:
    """What can be made of a code without a refresh token."""
    name, secret = code.removeprefix("mcpc-").split(".")
    lines = ["", "x" * 22 + ".", f"{name}.", f"{secret[:22]}."]
    return [code, *(f"mcpr-{name}.{line}{end}" for line in lines for end in (secret, "x" * 43))]


def altered(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def try_all(world: World, code: str) -> None:
    """Every way in which the code, or what is made of it, can be presented but the right one."""
    for text in made_of(code):
        refused = world.refresh(text)
        assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_grant")
        assert world.refresh(text, client_id="confidential").status_code == 401
        assert world.post("/revoke", None, token=text, client_id="desktop").status_code == 200
        assert (
            world.post("/revoke", None, token=text, client_id="web", token_type_hint="refresh_token").status_code == 200
        )
        assert world.post("/introspect", RESOURCE_SERVER, token=text).json == {"active": False}
        if text != code:
            assert world.redeem(text, "desktop", redirect_uri=WHERE).status_code == 400
    for change in ({"code_verifier": "w" * 43}, {"redirect_uri": WHERE + "x"}, {"client_id": "web"}):
        assert world.redeem(code, **{"client_id": "desktop", "redirect_uri": WHERE, **change}).status_code == 400
    assert world.redeem(altered(code), "desktop", redirect_uri=WHERE).status_code == 400


def test_who_has_a_code_and_no_verifier_ends_nothing(world: World) -> None:
    code = world.code(client_id="desktop", redirect_uri=WHERE)
    try_all(world, code)
    tokens = world.redeem(code, "desktop", redirect_uri=WHERE)
    assert tokens.status_code == 200, tokens.text
    try_all(world, code)
    renewed = world.refresh((tokens.json or {})["refresh_token"])
    assert renewed.status_code == 200, renewed.text
    try_all(world, code)
    assert world.refresh((renewed.json or {})["refresh_token"]).status_code == 200
    assert world.redeem(code, "desktop", redirect_uri=WHERE).status_code == 400  # the whole of it, with its verifier
    assert world.refresh((renewed.json or {})["refresh_token"]).status_code == 400


def test_refresh_token_of_the_right_line_and_another_secret_is_a_dead_one(world: World) -> None:
    first = world.tokens()["refresh_token"]
    second = (world.refresh(first).json or {})["refresh_token"]
    assert first.split(".")[1] == second.split(".")[1]
    assert world.refresh(altered(second)).status_code == 400
    assert world.refresh(second).status_code == 400


def test_expired_access_token_ends_nothing(world: World) -> None:
    tokens = world.tokens()
    world.now += 899
    live = (world.refresh(tokens["refresh_token"]).json or {})["refresh_token"]
    world.now += 1
    assert world.post("/revoke", None, token=tokens["access_token"], client_id="desktop").status_code == 200
    renewed = world.refresh(live).json or {}
    assert world.post("/revoke", None, token=renewed["access_token"], client_id="desktop").status_code == 200
    assert world.refresh(renewed["refresh_token"]).status_code == 400


BROKEN: list[Any] = [{"unknown": 1}, {}, [], "text", None]


@pytest.mark.parametrize("record", BROKEN, ids=range(len(BROKEN)))
def test_record_that_cannot_be_read_is_as_if_there_were_none(world: World, record: Any) -> None:
    """As after a roll-back to a version that does not know what the newer one has written."""

    def overwrite(kind: str, key: str, record: Any = record) -> None:
        stored = world.storage.read(kind, key)
        assert stored is not None
        assert world.storage.replace(kind, key, stored, record, NOON + 3600)

    def key_of(text: str) -> str:
        return handles.digest(text.split("-", 1)[1].split(".")[0])

    tokens, code = world.tokens(), world.code()
    for text in (tokens["refresh_token"], code):
        overwrite("grant", key_of(text))
    for refused in (world.refresh(tokens["refresh_token"]), world.redeem(code)):
        assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_grant")
    assert world.post("/introspect", RESOURCE_SERVER, token=tokens["access_token"]).json == {"active": False}
    for kind in ("access_token", "refresh_token"):  # another version may read it: nobody is told that it has ended
        answer = world.post("/revoke", None, token=tokens[kind], client_id="desktop")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    body = {"redirect_uris": ["https://client.example/cb"], "token_endpoint_auth_method": "none"}
    client = (world.browser().post("/register", json=body).json or {})["client_id"]
    for text in (record, {"client_id": client, "metadata": record, "registered_at": NOON}):
        overwrite("client", place(client), text)
        assert world.ask(world.browser(), client_id=client, redirect_uri=None).status_code == 400
        assert world.refresh("x", client_id=client).status_code == 401
    browser = world.browser()
    page = world.ask(browser)
    overwrite("authorization", key_of(fields(page.text)["request"]))
    assert world.decide(browser, page.text).status_code == 400
