"""What keeps a server with a provider's login from starting, and what it says when it starts all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from authorization_server.key_source import KeysUnavailable
from authorization_server.logins.github import GitHubLogin
from authorization_server.logins.oidc import OpenIdLogin
from authorization_server.services import open_services
from authorization_server.settings import Settings, read_settings
from authorizing.world import environment, write_files
from mcp_faas.settings.values import SettingsError


def settings_of(folder: Path, **changes: str) -> Settings:
    given = {"OAUTH_LOGIN": "github", "OAUTH_LOGIN_CLIENT_ID": "x", **changes}
    return read_settings(environment(folder, OAUTH_LOGIN_CLIENT_SECRET=f"file:{folder / 'secret'}", **given))


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_secret_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    write_files(tmp_path)
    if text is not None:
        (tmp_path / "secret").write_text(text)
    with pytest.raises(SettingsError, match="OAUTH_LOGIN_CLIENT_SECRET leads to no secret"):
        open_services(settings_of(tmp_path))


@pytest.mark.parametrize("text", ["", "eleven char"])
def test_passphrase_that_could_be_guessed(tmp_path: Path, text: str) -> None:
    write_files(tmp_path)
    (tmp_path / "passphrase").write_text(f"{text}\n")
    with pytest.raises(SettingsError, match="OAUTH_LOCAL_PASSPHRASE leads to") as why:
        open_services(read_settings(environment(tmp_path)))
    assert "eleven" not in str(why.value)


def test_what_has_to_be_there_at_the_start_and_what_may_come_later(tmp_path: Path) -> None:
    """docs/oauth.md, Settings."""
    write_files(tmp_path)
    keys, clients = (tmp_path / "keys.json").read_bytes(), tmp_path / "clients.json"
    (tmp_path / "keys.json").unlink()
    services = open_services(read_settings(environment(tmp_path)))
    with pytest.raises(KeysUnavailable):
        services.keys.signer()
    (tmp_path / "keys.json").write_bytes(keys)
    again = open_services(read_settings(environment(tmp_path)))
    assert again.keys.signer()
    for made in (services, again):
        made.storage.close()
    clients.write_text("[}")
    with pytest.raises(SettingsError, match="OAUTH_CLIENTS leads to"):
        open_services(read_settings(environment(tmp_path)))
    clients.unlink()
    with pytest.raises(SettingsError, match="OAUTH_CLIENTS leads to"):
        open_services(read_settings(environment(tmp_path)))


def test_login_is_the_one_that_was_chosen(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "secret").write_text("the provider's secret")
    github = open_services(settings_of(tmp_path))
    assert isinstance(github.login, GitHubLogin)
    issuer = {"OAUTH_LOGIN": "oidc", "OAUTH_LOGIN_ISSUER": "https://login.example.com"}
    oidc = open_services(settings_of(tmp_path, **issuer))
    assert isinstance(oidc.login, OpenIdLogin)
    for services in (github, oidc):
        assert "the provider's secret" not in repr(services)
        services.storage.close()


@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers"])
def test_every_tenant_of_entra_is_too_many(tmp_path: Path, tenant: str) -> None:
    url = f"https://login.microsoftonline.com/{tenant}/v2.0"
    with pytest.raises(SettingsError, match=r"OAUTH_LOGIN_ISSUER .* name your own"):
        settings_of(tmp_path, OAUTH_LOGIN="oidc", OAUTH_LOGIN_ISSUER=url)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"OAUTH_ALLOWED_DOMAINS": "example.com"}, "at GitHub, at any time"),
        (
            {
                "OAUTH_LOGIN": "oidc",
                "OAUTH_LOGIN_ISSUER": "https://accounts.google.com",
                "OAUTH_ALLOWED_DOMAINS": "example.com",
            },
            "at Google, at any time",
        ),
        (
            {"OAUTH_LOGIN": "oidc", "OAUTH_LOGIN_ISSUER": "https://login.example.com", "OAUTH_ALLOWED_ORGS": "acme"},
            "organisations are known at GitHub alone",
        ),
        ({"OAUTH_ALLOWED_USERS": ""}, "nobody may log in"),
    ],
)
def test_what_is_hardly_meant_is_told(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    assert any(told in doubt for doubt in settings_of(tmp_path, **changes).doubts)
    assert settings_of(tmp_path, OAUTH_ALLOWED_USERS="octocat").doubts == ()
