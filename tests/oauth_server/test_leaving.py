"""Somebody leaves, or a right is taken back: what a login of before is worth under the settings of today."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authorizing.world import CALLBACK, CLIENTS, MACHINE_SECRET, NOON, World, basic

ANOTHER = "https://other.example/mcp"
BEFORE = {
    "OAUTH_ALLOWED_USERS": "dev somebody-else",
    "OAUTH_RESOURCES": f"http://127.0.0.1:8787/mcp {ANOTHER}",
    "OAUTH_SCOPE_RULES": "mcp:admin=user:dev",
}
GRANTED = "mcp:tools mcp:write mcp:admin"
RESOURCE_SERVER = basic("resource-server", "resource-server-secret-0123")
Reopen = Callable[..., World]


@pytest.fixture
def before(tmp_path: Path) -> World:
    return World(tmp_path, changes=BEFORE)


@pytest.fixture
def reopen(before: World, tmp_path: Path) -> Reopen:
    """The same server after a deployment with other settings."""

    def reopened(**changes: str) -> World:
        world = World(tmp_path, storage=before.storage, changes={**BEFORE, **changes})
        world.key_document, world.now = before.key_document, before.now
        return world

    return reopened


def introspect(world: World, token: str) -> dict[str, Any]:
    found: dict[str, Any] = world.post("/introspect", RESOURCE_SERVER, token=token).json or {}
    return found


def told(capfd: pytest.CaptureFixture[str]) -> str:
    """The reason in the last audit line."""
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith('{"audit"')]
    reason: str = json.loads(lines[-1])["reason"]
    return reason


# What was changed, and the reason why nothing is given any longer.
ENDED = {
    "taken off the list": ({"OAUTH_ALLOWED_USERS": "somebody-else"}, "person_not_admitted"),
    "all lists empty": ({"OAUTH_ALLOWED_USERS": ""}, "person_not_admitted"),
    "in by another entry": ({"OAUTH_ALLOWED_USERS": "DEV"}, "person_not_admitted"),
    "in by a rule alone": (
        {"OAUTH_ALLOWED_USERS": "", "OAUTH_SCOPE_RULES": "mcp:tools=user:dev"},
        "person_not_admitted",
    ),
    "resource gone": ({"OAUTH_RESOURCES": ANOTHER}, "resource_withdrawn"),
    "scopes gone": ({"OAUTH_SCOPES": "new", "MCP_SCOPES": "", "OAUTH_SCOPE_RULES": ""}, "scopes_withdrawn"),
    "person ended": ({"OAUTH_ENDED": "dev"}, "login_ended"),
    "person's logins ended": ({"OAUTH_ENDED": "somebody-else dev@2027-01-15T08:01Z"}, "login_ended"),
    "everybody's logins ended": ({"OAUTH_ENDED": "*@2027-01-15T08:01Z"}, "login_ended"),
}


@pytest.mark.parametrize(("changes", "reason"), ENDED.values(), ids=ENDED)
def test_login_that_counts_no_longer(
    before: World, reopen: Reopen, changes: dict[str, str], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens = before.tokens(scope=GRANTED, resource=before.resource)
    code = before.code(scope=GRANTED, resource=before.resource)
    after = reopen(**changes)
    for way in ("refresh", "redeem"):
        refused = after.refresh(tokens["refresh_token"]) if way == "refresh" else after.redeem(code)
        assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_grant")
        assert told(capfd) == reason
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert introspect(after, token) == {"active": False}
    # no token was used up and no grant ended: a slip of the operator's costs nobody a login
    assert before.refresh(tokens["refresh_token"]).status_code == 200
    assert before.redeem(code).status_code == 200


NARROWED = {
    "as it was": ({}, GRANTED),
    "scopes fewer": ({"OAUTH_SCOPES": "mcp:tools mcp:admin"}, "mcp:tools mcp:admin"),
    "rule for another": ({"OAUTH_SCOPE_RULES": "mcp:admin=user:somebody-else"}, "mcp:tools mcp:write"),
    "rule new": ({"OAUTH_SCOPE_RULES": "mcp:write=user:somebody-else"}, "mcp:tools mcp:admin"),
    "rule gone": ({"OAUTH_SCOPE_RULES": ""}, GRANTED),
    "another ended": ({"OAUTH_ENDED": "somebody-else"}, GRANTED),
    "earlier logins ended": ({"OAUTH_ENDED": "dev@2027-01-15T08:00Z *@2027-01-15T08:00Z"}, GRANTED),
}


@pytest.mark.parametrize(("changes", "scope"), NARROWED.values(), ids=NARROWED)
def test_scopes_that_are_still_given(before: World, reopen: Reopen, changes: dict[str, str], scope: str) -> None:
    tokens = before.tokens(scope=GRANTED, resource=before.resource)
    after = reopen(**changes)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        asked = introspect(after, token)
        assert (asked["active"], asked["scope"]) == (True, scope)
    renewed = after.refresh(tokens["refresh_token"], scope=GRANTED).json or {}
    assert renewed["scope"] == scope
    assert (before.refresh(renewed["refresh_token"]).json or {})["scope"] == GRANTED, "they come back with the settings"


def test_token_whose_own_scopes_are_gone_counts_no_longer(before: World, reopen: Reopen) -> None:
    tokens = before.tokens(scope=GRANTED, resource=before.resource)
    narrow = before.refresh(tokens["refresh_token"], scope="mcp:write").json or {}
    after = reopen(OAUTH_SCOPES="mcp:tools mcp:admin")
    assert introspect(after, narrow["access_token"]) == {"active": False}
    assert (after.refresh(narrow["refresh_token"], scope="mcp:write").json or {})["error"] == "invalid_grant"
    assert introspect(after, narrow["refresh_token"])["scope"] == "mcp:tools mcp:admin"


MACHINES: dict[str, tuple[dict[str, str], dict[str, Any] | None, str | None]] = {
    "as it was": ({}, {}, "mcp:tools mcp:write"),
    "taken off the list": ({}, None, None),
    "no machine any longer": (
        {},
        {"grant_types": ["authorization_code"], "redirect_uris": [CALLBACK], "scope": None},
        None,
    ),
    "only asks about tokens": ({}, {"grant_types": [], "scope": None}, None),
    "fewer scopes": ({}, {"scope": "mcp:write"}, "mcp:write"),
    "other scopes": ({}, {"scope": "mcp:admin"}, None),
    "OAUTH_SCOPES fewer": ({"OAUTH_SCOPES": "mcp:tools", "OAUTH_SCOPE_RULES": ""}, {}, "mcp:tools"),
    "resource gone": ({"OAUTH_RESOURCES": ANOTHER}, {}, None),
}


@pytest.mark.parametrize(("changes", "entry", "scope"), MACHINES.values(), ids=MACHINES)
def test_machine_is_judged_by_its_entry_of_today(
    before: World,
    reopen: Reopen,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    entry: dict[str, Any] | None,
    scope: str | None,
) -> None:
    robot = basic("robot", MACHINE_SECRET)
    asked = {"grant_type": "client_credentials", "resource": before.resource}
    token = (before.post("/token", robot, **asked).json or {})["access_token"]
    others = [known for known in CLIENTS if known["client_id"] != "robot"]
    (known,) = (known for known in CLIENTS if known["client_id"] == "robot")
    monkeypatch.setattr("authorizing.world.CLIENTS", others if entry is None else [*others, {**known, **entry}])
    found = introspect(reopen(**changes), token)
    assert (found["active"], found.get("scope")) == (scope is not None, scope)


CLIENT_CHANGES: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "as it was": ({}, True),
    "taken off the list": (None, False),
    "may refresh no longer": ({"grant_types": ["authorization_code"]}, True),
}


@pytest.mark.parametrize(("entry", "counts"), CLIENT_CHANGES.values(), ids=CLIENT_CHANGES)
def test_login_counts_no_longer_than_its_client(
    before: World, reopen: Reopen, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any] | None, counts: bool
) -> None:
    tokens = before.tokens(resource=before.resource)
    others = [known for known in CLIENTS if known["client_id"] != "desktop"]
    (known,) = (known for known in CLIENTS if known["client_id"] == "desktop")
    monkeypatch.setattr("authorizing.world.CLIENTS", others if entry is None else [*others, {**known, **entry}])
    after = reopen()
    assert introspect(after, tokens["access_token"])["active"] is counts
    told_active = introspect(after, tokens["refresh_token"])["active"]
    assert (after.refresh(tokens["refresh_token"]).status_code == 200) is told_active is (counts and not entry)


def test_login_of_somebody_who_is_called_like_a_new_machine(
    before: World, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = before.tokens(resource=before.resource)
    machine = {"client_id": "dev", "client_secret": MACHINE_SECRET, "grant_types": ["client_credentials"]}
    monkeypatch.setattr("authorizing.world.CLIENTS", [*CLIENTS, machine])
    after = reopen()
    assert (after.refresh(tokens["refresh_token"]).json or {})["error"] == "invalid_grant"
    assert introspect(after, tokens["access_token"]) == {"active": False}


def test_who_is_ended_does_not_log_in_and_who_was_ended_before_does(
    before: World, reopen: Reopen, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = reopen(OAUTH_ENDED="dev").answer(resource=before.resource)
    assert refused["error"] == "access_denied"
    assert told(capfd) == "person_not_admitted"
    assert before.now == NOON  # 2027-01-15T08:00Z
    again = reopen(OAUTH_ENDED="dev@2027-01-15T08:00Z *@2027-01-15T07:59Z")
    tokens = again.tokens(resource=before.resource)
    assert again.refresh(tokens["refresh_token"]).status_code == 200
