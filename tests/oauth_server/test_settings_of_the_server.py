"""The server's settings: good ones, and for each wrong one a sentence that names it and shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from authorization_server.people import Ending, Rule
from authorization_server.settings import KNOWN, read_settings, read_signing_keys
from authorizing.world import HTTPS, environment
from mcp_faas.settings.values import SettingsError

PLACE = Path("/somewhere")
GITHUB = {"OAUTH_LOGIN": "github", "OAUTH_LOGIN_CLIENT_ID": "x", "OAUTH_LOGIN_CLIENT_SECRET": "file:secret"}


def test_defaults() -> None:
    found = read_settings(environment(PLACE))
    assert (found.access_token_seconds, found.refresh_token_seconds, found.code_seconds) == (900, 30 * 86400, 60)
    assert (found.registration, found.client_documents, found.redirect_schemes) == (True, True, ("cursor",))
    assert (found.local, found.doubts, found.login.kind) == (True, (), "local")


def test_all_of_them() -> None:
    changes = {
        "OAUTH_ISSUER": HTTPS,
        "OAUTH_RESOURCES": f"{HTTPS}/mcp https://other.example/mcp",
        "OAUTH_STORE": "dynamodb://eu-west-1/mcp.oauth-table",
        "OAUTH_SIGNING_KEYS": "aws://eu-west-1/mcp/keys",
        "OAUTH_LOGIN": "oidc",
        "OAUTH_LOGIN_ISSUER": "https://login.example",
        "OAUTH_LOGIN_CLIENT_ID": "id",
        "OAUTH_LOGIN_CLIENT_SECRET": "aws://eu-west-1/mcp/secret",
        "OAUTH_ALLOWED_ORGS": "acme",
        "OAUTH_ALLOWED_DOMAINS": "example.com",
        "OAUTH_SCOPE_RULES": "mcp:admin=org:acme mcp:write=user:alice@example.com",
        "OAUTH_REGISTRATION": "off",
        "OAUTH_CLIENT_METADATA_DOCUMENTS": "off",
        "OAUTH_REDIRECT_SCHEMES": "cursor vscode",
        "OAUTH_ACCESS_TOKEN_TTL": "5m",
        "OAUTH_REFRESH_TOKEN_TTL": "7d",
    }
    found = read_settings(environment(PLACE, **changes))
    assert (found.local, found.registration, found.client_documents) == (False, False, False)
    assert found.redirect_schemes == ("cursor", "vscode")
    assert (found.access_token_seconds, found.refresh_token_seconds) == (300, 7 * 86400)
    assert found.admission.rules == (
        Rule("mcp:admin", "org", "acme"),
        Rule("mcp:write", "user", "alice@example.com"),
    )
    assert read_settings(environment(PLACE, OAUTH_REDIRECT_SCHEMES="none")).redirect_schemes == ()


@pytest.mark.parametrize(
    ("granted", "needed", "scopes"),
    [("", "", ()), ("", "a a:b", ("a", "a:b")), ("a b", "", ("a", "b")), ("a", "a:b c", ("a", "c"))],
)
def test_what_every_request_needs_can_be_granted(granted: str, needed: str, scopes: tuple[str, ...]) -> None:
    found = read_settings(environment(PLACE, OAUTH_SCOPES=granted, MCP_SCOPES=needed))
    assert found.scopes == scopes


def test_ended_logins() -> None:
    words = "sub:alice@example.com sub:bob@example.com@2026-01-31T18:00Z *@1970-01-01T00:01Z sub:x@163.com "
    words += "auth0|5e@2026-01-31T18:01Z sub:plain"
    assert read_settings(environment(PLACE, OAUTH_ENDED=words)).ended == (
        Ending("alice@example.com", None),
        Ending("bob@example.com", 1_769_882_400),
        Ending(None, 60),
        Ending("x@163.com", None),
        Ending("auth0|5e", 1_769_882_460),
        Ending("plain", None),
    )


@pytest.mark.parametrize(
    ("url", "numbers"),
    [
        ("", "github"),
        ("https://github.com/", "github"),
        ("https://GitHub.com", "github"),
        ("https://github.com:443", "github"),
        ("https://GitHub.example.com:443/", "github.example.com"),
        ("https://github.example.com:8443", "github.example.com:8443"),
        ("https://octocorp.ghe.com", "octocorp.ghe.com"),
    ],
)
def test_people_of_github_end_by_the_numbers_of_their_host(url: str, numbers: str) -> None:
    """Another host's number would end nobody, without a word."""

    def ended(words: str) -> list[str | None]:
        found = read_settings(environment(PLACE, **GITHUB, OAUTH_GITHUB_URL=url, OAUTH_ENDED=words)).ended
        return [ending.subject for ending in found]

    assert ended(f"{numbers}:7 *@2026-01-31T18:00Z sub:{numbers}:8@2026-01-31T18:00Z") == [
        f"{numbers}:7",
        None,
        f"{numbers}:8",
    ]
    for other in {"github:7", "github.example.com:7", "7", "alice", f"{numbers}:alice"} - {f"{numbers}:7"}:
        with pytest.raises(SettingsError, match=f"like {numbers}:583231, with sub:"):
            ended(other)


WRONG: dict[str, dict[str, str]] = {
    "OAUTH_ISSUER": {"OAUTH_ISSUER": ""},
    "OAUTH_ISSUER with a path": {"OAUTH_ISSUER": "https://mcp.example.com/oauth"},
    "OAUTH_ISSUER with a slash": {"OAUTH_ISSUER": "https://mcp.example.com/"},
    "OAUTH_ISSUER in upper case": {"OAUTH_ISSUER": "https://MCP.example.com"},
    "OAUTH_ISSUER with its own port": {"OAUTH_ISSUER": "https://mcp.example.com:443"},
    "OAUTH_ISSUER by http": {"OAUTH_ISSUER": "http://mcp.example.com"},
    "OAUTH_ISSUER by http below localhost": {"OAUTH_ISSUER": "http://x.localhost:8787"},
    "OAUTH_RESOURCES": {"OAUTH_RESOURCES": ""},
    "OAUTH_RESOURCES relative": {"OAUTH_RESOURCES": "/mcp"},
    "OAUTH_RESOURCES with a fragment": {"OAUTH_RESOURCES": "https://mcp.example.com/mcp#x"},
    "OAUTH_RESOURCES twice": {"OAUTH_RESOURCES": "https://a.example/mcp https://a.example/mcp"},
    "OAUTH_STORE": {"OAUTH_STORE": ""},
    "OAUTH_STORE of another kind": {"OAUTH_STORE": "redis://x"},
    "OAUTH_SIGNING_KEYS": {"OAUTH_SIGNING_KEYS": ""},
    "OAUTH_SIGNING_KEYS as the key itself": {"OAUTH_SIGNING_KEYS": '{"keys": [{"d": "hush-hush"}]}'},
    "OAUTH_LOGIN": {"OAUTH_LOGIN": ""},
    "OAUTH_LOGIN of another kind": {"OAUTH_LOGIN": "google"},
    "OAUTH_LOGIN local on the internet": {"OAUTH_ISSUER": HTTPS},
    "OAUTH_LOCAL_PASSPHRASE": {"OAUTH_LOCAL_PASSPHRASE": ""},
    "OAUTH_LOCAL_PASSPHRASE as the passphrase itself": {"OAUTH_LOCAL_PASSPHRASE": "hush-hush"},
    "OAUTH_LOGIN_CLIENT_ID": {**GITHUB, "OAUTH_LOGIN_CLIENT_ID": ""},
    "OAUTH_LOGIN_CLIENT_SECRET": {**GITHUB, "OAUTH_LOGIN_CLIENT_SECRET": ""},
    "OAUTH_LOGIN_CLIENT_SECRET as the secret itself": {**GITHUB, "OAUTH_LOGIN_CLIENT_SECRET": "hush-hush"},
    "OAUTH_LOGIN_ISSUER": {**GITHUB, "OAUTH_LOGIN": "oidc"},
    "OAUTH_LOGIN_ISSUER by http": {**GITHUB, "OAUTH_LOGIN": "oidc", "OAUTH_LOGIN_ISSUER": "http://x.example"},
    "OAUTH_LOGIN_ISSUER as the document": {
        **GITHUB,
        "OAUTH_LOGIN": "oidc",
        "OAUTH_LOGIN_ISSUER": "https://x.example/t/.well-known/openid-configuration",
    },
    "OAUTH_LOGIN_ISSUER with github": {**GITHUB, "OAUTH_LOGIN_ISSUER": "https://x.example"},
    "OAUTH_GITHUB_URL with a path": {**GITHUB, "OAUTH_GITHUB_URL": "https://github.example.com/api/v3"},
    "OAUTH_GITHUB_URL by http": {**GITHUB, "OAUTH_GITHUB_URL": "http://github.example"},
    "OAUTH_ALLOWED_DOMAINS with an address": {"OAUTH_ALLOWED_DOMAINS": "a@example.com"},
    "OAUTH_ALLOWED_DOMAINS with a wildcard": {"OAUTH_ALLOWED_DOMAINS": "*.example.com"},
    "OAUTH_ALLOWED_DOMAINS with a comma": {"OAUTH_ALLOWED_DOMAINS": "example.com,example.org"},
    "OAUTH_ALLOWED_USERS with commas": {"OAUTH_ALLOWED_USERS": "alice, bob"},
    "OAUTH_ALLOWED_USERS with a comma": {"OAUTH_ALLOWED_USERS": "alice,bob"},
    "OAUTH_ALLOWED_USERS as a page": {"OAUTH_ALLOWED_USERS": "https://github.com/alice"},
    "OAUTH_ALLOWED_USERS as a path": {"OAUTH_ALLOWED_USERS": "github.com/alice"},
    "OAUTH_ALLOWED_USERS as a mention": {"OAUTH_ALLOWED_USERS": "@alice"},
    "OAUTH_ALLOWED_USERS half an address": {"OAUTH_ALLOWED_USERS": "alice@"},
    "OAUTH_ALLOWED_USERS as in a rule": {"OAUTH_ALLOWED_USERS": "user:alice"},
    "OAUTH_ALLOWED_USERS of another kind": {"OAUTH_ALLOWED_USERS": "org:acme"},
    "OAUTH_ALLOWED_ORGS as in a rule": {"OAUTH_ALLOWED_ORGS": "org:acme"},
    "OAUTH_ALLOWED_ORGS with a comma": {"OAUTH_ALLOWED_ORGS": "acme,beta"},
    "OAUTH_ALLOWED_ORGS as a page": {"OAUTH_ALLOWED_ORGS": "https://github.com/acme"},
    "OAUTH_ALLOWED_ORGS as a mention": {"OAUTH_ALLOWED_ORGS": "@acme"},
    "OAUTH_ENDED for ever for everybody": {"OAUTH_ENDED": "*"},
    "OAUTH_ENDED with a day alone": {"OAUTH_ENDED": "dev@2026-01-31"},
    "OAUTH_ENDED with a time that is none": {"OAUTH_ENDED": "dev@2026-02-30T18:00Z"},
    "OAUTH_ENDED without a zone": {"OAUTH_ENDED": "dev@2026-01-31T18:00"},
    "OAUTH_ENDED with seconds": {"OAUTH_ENDED": "dev@1795000000"},
    "OAUTH_ENDED without a subject": {"OAUTH_ENDED": "@2026-01-31T18:00Z"},
    "OAUTH_ENDED with a login name": {**GITHUB, "OAUTH_ENDED": "alice"},
    "OAUTH_ENDED with a slip": {**GITHUB, "OAUTH_ENDED": "github:1@31.1.2026"},
    "OAUTH_ENDED with an address": {"OAUTH_ENDED": "alice@example.com"},
    "OAUTH_ENDED with a word for a time": {"OAUTH_ENDED": "dev@tomorrow"},
    "OAUTH_ENDED for everybody with a word": {"OAUTH_ENDED": "*@now"},
    "OAUTH_ENDED for everybody with a slip": {"OAUTH_ENDED": "*@31.1.2026"},
    "OAUTH_ENDED for everybody and more": {"OAUTH_ENDED": "*dev@2026-01-31T18:00Z"},
    "OAUTH_ENDED for nobody in particular": {"OAUTH_ENDED": "sub:"},
    "OAUTH_SCOPE_RULES": {"OAUTH_SCOPE_RULES": "mcp:admin"},
    "OAUTH_SCOPE_RULES with a comma": {"OAUTH_SCOPE_RULES": "mcp:admin=org:acme,beta"},
    "OAUTH_SCOPE_RULES with a page": {"OAUTH_SCOPE_RULES": "mcp:admin=user:https://github.com/alice"},
    "OAUTH_SCOPE_RULES with two kinds": {"OAUTH_SCOPE_RULES": "mcp:admin=user:org:acme"},
    "OAUTH_SCOPE_RULES with a wildcard": {"OAUTH_SCOPE_RULES": "mcp:admin=domain:*.example.com"},
    "OAUTH_SCOPE_RULES for an unknown scope": {"OAUTH_SCOPE_RULES": "other=user:alice"},
    "OAUTH_SCOPES with a quote": {"OAUTH_SCOPES": 'mcp:tools a"b'},
    "OAUTH_SCOPES with offline_access": {"OAUTH_SCOPES": "mcp:tools offline_access"},
    "MCP_SCOPES with a quote": {"MCP_SCOPES": 'a"b'},
    "OAUTH_CLIENTS": {"OAUTH_CLIENTS": "[]"},
    "OAUTH_REGISTRATION": {"OAUTH_REGISTRATION": "yes"},
    "OAUTH_CLIENT_METADATA_DOCUMENTS": {"OAUTH_CLIENT_METADATA_DOCUMENTS": "1"},
    "OAUTH_REDIRECT_SCHEMES": {"OAUTH_REDIRECT_SCHEMES": "javascript"},
    "OAUTH_REDIRECT_SCHEMES with https": {"OAUTH_REDIRECT_SCHEMES": "https"},
    "OAUTH_ACCESS_TOKEN_TTL": {"OAUTH_ACCESS_TOKEN_TTL": "15"},
    "OAUTH_ACCESS_TOKEN_TTL too long": {"OAUTH_ACCESS_TOKEN_TTL": "25h"},
    "OAUTH_REFRESH_TOKEN_TTL": {"OAUTH_REFRESH_TOKEN_TTL": "forever"},
    "MCP_LOG_LEVEL": {"MCP_LOG_LEVEL": "LOUD"},
}


@pytest.mark.parametrize(("name", "changes"), WRONG.items(), ids=WRONG)
def test_wrong_setting_is_named(name: str, changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as why:
        read_settings(environment(PLACE, **changes))
    assert name.split()[0] in str(why.value)
    assert "hush-hush" not in str(why.value)


def test_no_address_of_keys_says_how_to_begin_them() -> None:
    with pytest.raises(
        SettingsError, match=r"aws://REGION/SECRET or file:PATH\. .* scripts/signing_keys\.py mint ADDRESS"
    ):
        read_signing_keys({})


def test_an_id_may_have_what_a_name_has_not() -> None:
    users = "sub:uid=alice,ou=people sub:https://id.example/alice alice@example.com auth0|5e c_17;g|1"
    assert read_settings(environment(PLACE, OAUTH_ALLOWED_USERS=users)).admission.users == set(users.split())


def test_each_setting_has_a_wrong_value_here() -> None:
    assert set(KNOWN) == {name.split()[0] for name in WRONG} - {"MCP_LOG_LEVEL", "MCP_SCOPES"}


@pytest.mark.parametrize(
    "issuer", ["http://localhost:1", "http://[::1]:8787", "http://127.0.0.1", "https://a.example:8443"]
)
def test_issuers(issuer: str) -> None:
    changes = {} if issuer.startswith("http://") else GITHUB
    assert read_settings(environment(PLACE, **changes, OAUTH_ISSUER=issuer)).issuer == issuer


def test_nobody_is_a_doubt_and_so_is_an_unknown_name() -> None:
    assert "nobody may log in" in read_settings(environment(PLACE, OAUTH_ALLOWED_USERS="")).doubts[0]
    assert "OAUTH_ISSUER_URL" in read_settings(environment(PLACE, OAUTH_ISSUER_URL="x")).doubts[0]


def test_nothing_secret_is_in_the_repr() -> None:
    text = repr(read_settings(environment(PLACE, **GITHUB, OAUTH_ALLOWED_USERS="alice")))
    for address in ("file:secret", "keys.json", "clients.json"):
        assert address not in text
