"""The operator's list of clients: what it may hold, and that a broken one changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authorization_server.clients import RELOAD_SECONDS, ConfiguredClients, parse_configured
from mcp_faas.settings.values import SettingsError

MACHINE = {"client_id": "robot", "client_secret": "hush-" * 8, "grant_types": ["client_credentials"], "scope": "a b"}
WEB = {"client_id": "web", "redirect_uris": ["https://client.example/cb"]}

WRONG: dict[str, Any] = {
    "no list": MACHINE,
    "no object": ["robot"],
    "no id": [{**MACHINE, "client_id": None}],
    "id that is a URL": [{**WEB, "client_id": "https://client.example/x.json"}],
    "id of a registered client": [{**WEB, "client_id": "client-" + "a" * 22}],
    "id twice": [MACHINE, MACHINE],
    "machine without a secret": [{**MACHINE, "client_secret": None}],
    "empty secret": [{**MACHINE, "client_secret": ""}],
    "secret of another type": [{**MACHINE, "client_secret": 7}],
    "secret that is not used": [{**WEB, "client_secret": "x" * 20, "token_endpoint_auth_method": "none"}],
    "method without a secret": [{**WEB, "token_endpoint_auth_method": "client_secret_basic"}],
    "unknown method": [{**MACHINE, "token_endpoint_auth_method": "private_key_jwt"}],
    "resource server without a secret": [{"client_id": "rs", "grant_types": []}],
    "resource server with an unknown method": [
        {"client_id": "rs", "grant_types": [], "client_secret": "x" * 20, "token_endpoint_auth_method": "tls"}
    ],
    "bad redirect": [{**WEB, "redirect_uris": ["http://client.example/cb"]}],
    "no redirect": [{**WEB, "redirect_uris": []}],
    "scope of another type": [{**MACHINE, "scope": ["a"]}],
    "bad scope": [{**MACHINE, "scope": 'a"b'}],
    "scope of people's client": [{**WEB, "scope": "a"}],
    "scope of a machine that people use, too": [
        {**MACHINE, **WEB, "grant_types": ["client_credentials", "authorization_code"]}
    ],
    "scope of a resource server": [{**MACHINE, "grant_types": []}],
}


@pytest.mark.parametrize("entries", WRONG.values(), ids=WRONG)
def test_wrong_list_is_told_and_no_secret(entries: Any) -> None:
    with pytest.raises(SettingsError, match="OAUTH_CLIENTS") as why:
        parse_configured(json.dumps(entries), ("cursor",))
    assert "hush" not in str(why.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nul"], ids=range(4))
def test_text_that_is_not_json(text: str) -> None:
    with pytest.raises(SettingsError, match="OAUTH_CLIENTS"):
        parse_configured(text, ())


def test_good_list() -> None:
    found = parse_configured(json.dumps([MACHINE, WEB]), ())
    assert (found["robot"].scopes, found["robot"].auth_method) == (("a", "b"), "client_secret_basic")
    assert (found["web"].scopes, found["web"].auth_method) == (None, "none")
    assert found["robot"].has_secret("hush-" * 8)
    assert not found["robot"].has_secret("hush-" * 8 + "x")
    assert not found["web"].has_secret("")
    assert "hush" not in repr(found)


def test_scope_that_a_machine_does_not_get_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ConfiguredClients("file:x", (), ("a", "b"), lambda _: json.dumps([MACHINE, WEB]), lambda: 0.0)
    assert caplog.messages == []
    ConfiguredClients("file:x", (), ("a",), lambda _: json.dumps([MACHINE, WEB]), lambda: 0.0)
    assert caplog.messages == ["client robot of OAUTH_CLIENTS does not get b: OAUTH_SCOPES does not allow it"]


def test_what_there_is_to_warn_of_is_told_once_for_each_text(caplog: pytest.LogCaptureFixture) -> None:
    good = json.dumps([{**MACHINE, "client_secret": "hush"}])
    now, text = 0.0, good
    clients = ConfiguredClients("file:x", (), ("a",), lambda _: text, lambda: now)
    told = caplog.messages
    assert len(told) == 2, "a short secret, and a scope that it does not get"
    for then, more in ((good, 0), ("broken", 1), (good, 0), (f"{good} ", 2)):
        now, text = now + RELOAD_SECONDS, then
        caplog.clear()
        assert set(clients()) == {"robot"}
        assert len(caplog.messages) == more
    assert caplog.messages == told


def test_list_is_read_anew_and_a_broken_one_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    now, text = 0.0, json.dumps([WEB])
    clients = ConfiguredClients("file:x", (), ("a",), lambda _: text, lambda: now)
    text = json.dumps([MACHINE])
    assert set(clients()) == {"web"}
    now += RELOAD_SECONDS
    assert set(clients()) == {"robot"}
    text = '[{"client_secret": "hush"}]'
    now += RELOAD_SECONDS
    assert set(clients()) == {"robot"}
    assert "client 0 (counted from 0): client_id is letters" in caplog.text
    assert "hush" not in caplog.text
    assert ConfiguredClients(None, (), (), lambda _: text, lambda: now)() == {}
