"""Every setting that is missing or wrong is one sentence that names it, and there is no start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mcp_faas import settings as settings_package
from mcp_faas.settings import read_fc_port, read_settings, read_tokens_address, require_public_url
from mcp_faas.settings.doubts import KNOWN
from mcp_faas.settings.values import TOKEN_ADDRESSES, SettingsError
from mcp_faas.stores import FORMS, open_store

PLATFORM = {"MCP_DOOR": "platform"}
BEARER = {"MCP_DOOR": "bearer", "MCP_TOKENS": "file:tokens.json"}
JWT = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": "https://issuer.example.com"}


@pytest.mark.parametrize("environ", [PLATFORM, BEARER, JWT], ids=lambda environ: environ["MCP_DOOR"])
def test_least_settings_of_each_door(environ: dict[str, str]) -> None:
    settings = read_settings(environ)
    assert settings.door == environ["MCP_DOOR"]
    assert settings.allowed_origins == settings.scopes == settings.token_scopes == frozenset()


WRONG = {
    "no door": ({}, "MCP_DOOR is not set; choose one of: platform, bearer, jwt."),
    "empty door": ({"MCP_DOOR": ""}, "MCP_DOOR is not set; choose one of: platform, bearer, jwt."),
    "open door": ({"MCP_DOOR": "open"}, 'MCP_DOOR is "open"; choose one of: platform, bearer, jwt.'),
    "door in capitals": ({"MCP_DOOR": "JWT"}, 'MCP_DOOR is "JWT"; choose one of: platform, bearer, jwt.'),
    "bearer without document": ({"MCP_DOOR": "bearer"}, "MCP_TOKENS is not set."),
    "jwt without issuer": (
        {"MCP_DOOR": "jwt"},
        "MCP_DOOR is jwt, but MCP_JWT_ISSUER is not set. Set it to your issuer's URL, e.g. https://login.example.com.",
    ),
    "issuer over http": ({**JWT, "MCP_JWT_ISSUER": "http://issuer.example.com"}, "must start with https://"),
    "issuer like loopback": ({**JWT, "MCP_JWT_ISSUER": "http://localhost.example.com"}, "must start with https://"),
    "issuer with a query": ({**JWT, "MCP_JWT_ISSUER": "https://i.example/?a=1"}, "no query or fragment"),
    "issuer with a user": ({**JWT, "MCP_JWT_ISSUER": "https://a@i.example"}, "holds a user or password"),
    "URL that is none": ({**PLATFORM, "MCP_PUBLIC_URL": "https://[x"}, "MCP_PUBLIC_URL"),
    "issuer that is no URL": ({**JWT, "MCP_JWT_ISSUER": "issuer"}, "not an absolute URL"),
    "issuer with a quote": ({**JWT, "MCP_JWT_ISSUER": 'https://i.example/"x'}, "not an absolute URL"),
    "one good and one bad issuer": ({**JWT, "MCP_JWT_ISSUER": "https://i.example ftp://j.example"}, "ftp://j.example"),
    "key set over http": ({**JWT, "MCP_JWT_JWKS_URL": "http://i.example/jwks"}, "MCP_JWT_JWKS_URL"),
    "key set from a file": ({**JWT, "MCP_JWT_JWKS_URL": "file:///etc/passwd"}, "MCP_JWT_JWKS_URL"),
    "key set twice": (
        {**JWT, "MCP_JWT_JWKS_URL": "https://i.example/jwks", "MCP_JWT_JWKS": "{}"},
        "MCP_JWT_JWKS_URL and MCP_JWT_JWKS are both set",
    ),
    "key set not JSON": ({**JWT, "MCP_JWT_JWKS": "{"}, "MCP_JWT_JWKS is not JSON"),
    "one key set, two issuers": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example https://j.example", "MCP_JWT_JWKS_URL": "https://i.example/k"},
        "MCP_JWT_ISSUER names 2 issuers",
    ),
    "algorithm none": ({**JWT, "MCP_JWT_ALGORITHMS": "none"}, 'MCP_JWT_ALGORITHMS holds "none"'),
    "algorithm HS256": ({**JWT, "MCP_JWT_ALGORITHMS": "RS256 HS256"}, 'MCP_JWT_ALGORITHMS holds "HS256"'),
    "unknown profile": ({**JWT, "MCP_JWT_PROFILE": "x"}, 'MCP_JWT_PROFILE is "x"; choose one of: rfc9068, cognito'),
    "public URL over http": ({**JWT, "MCP_PUBLIC_URL": "http://mcp.example.com/mcp"}, "MCP_PUBLIC_URL"),
    "public URL with a fragment": ({**JWT, "MCP_PUBLIC_URL": "https://mcp.example.com/mcp#x"}, "MCP_PUBLIC_URL"),
    "scope with a quote": ({**PLATFORM, "MCP_SCOPES": 'a"b'}, "MCP_SCOPES holds"),
    "a scope of the issuer's": ({**PLATFORM, "MCP_SCOPES": "a offline_access"}, "MCP_SCOPES holds offline_access"),
    "two issuers and a comma": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example/a, https://j.example"},
        "MCP_JWT_ISSUER holds https://i.example/a,; separate its values by blanks, without commas and quotes.",
    ),
    "two issuers and a comma alone": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example/a,https://j.example"},
        "separate its values by blanks",
    ),
    "issuer by its metadata": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example/.well-known/openid-configuration"},
        "where its metadata is; set it to what that document calls `issuer`.",
    ),
    "issuer by its metadata, before its path": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example/.well-known/oauth-authorization-server/tenant"},
        "where its metadata is",
    ),
    "audiences and a comma": ({**JWT, "MCP_JWT_AUDIENCE": "a, b"}, "MCP_JWT_AUDIENCE holds a,; separate"),
    "a comma for an audience": ({**JWT, "MCP_JWT_AUDIENCE": ","}, "MCP_JWT_AUDIENCE holds ,; separate"),
    "audiences with their quotes": ({**JWT, "MCP_JWT_AUDIENCE": '"a b"'}, 'MCP_JWT_AUDIENCE holds "a; separate'),
    "audience with its quotes": ({**JWT, "MCP_JWT_AUDIENCE": "'a'"}, "MCP_JWT_AUDIENCE holds 'a'; separate"),
    "an issuer twice": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example https://i.example", "MCP_JWT_PROFILE": "okta rfc9068"},
        "twice; name each issuer once",
    ),
    "subjects of several issuers": (
        {**JWT, "MCP_JWT_ISSUER": "https://i.example https://j.example", "MCP_JWT_SUBJECTS": "alice"},
        "a `sub` is somebody else at each; deploy a function for the issuer whose callers you name.",
    ),
    "subjects and a comma": ({**JWT, "MCP_JWT_SUBJECTS": "alice, bob"}, "MCP_JWT_SUBJECTS holds alice,; separate"),
    "algorithms and a comma": ({**JWT, "MCP_JWT_ALGORITHMS": "RS256,ES256"}, "Blanks separate several."),
    "profiles and a comma": ({**JWT, "MCP_JWT_PROFILE": "okta,entra"}, "Blanks separate several."),
    "scopes and a comma": ({**PLATFORM, "MCP_SCOPES": "a, b"}, "MCP_SCOPES holds a,; separate"),
    "origins and a comma": (
        {**PLATFORM, "MCP_ALLOWED_ORIGINS": "https://a.example,https://b.example"},
        "separate its values by blanks",
    ),
    "a scope of the issuer's, advertised": (
        {**JWT, "MCP_SCOPES_SUPPORTED": "offline_access a"},
        "MCP_SCOPES_SUPPORTED holds offline_access",
    ),
    "errors perhaps in results": ({**PLATFORM, "MCP_SCOPE_ERROR_IN_RESULT": "1"}, "choose one of: off, on."),
    "private perhaps": ({**JWT, "MCP_JWT_PRIVATE_ISSUER": "yes"}, "choose one of: off, on."),
    "hiding perhaps": ({**PLATFORM, "MCP_HIDE_FORBIDDEN": "true"}, "choose one of: off, on."),
    "origin with a path": ({**PLATFORM, "MCP_ALLOWED_ORIGINS": "https://a.example/x"}, "MCP_ALLOWED_ORIGINS holds"),
    "origin that is none": ({**PLATFORM, "MCP_ALLOWED_ORIGINS": "https://[x"}, "MCP_ALLOWED_ORIGINS holds"),
    "origin in capitals": ({**PLATFORM, "MCP_ALLOWED_ORIGINS": "https://A.example"}, "as browsers do"),
    "origin with its default port": ({**PLATFORM, "MCP_ALLOWED_ORIGINS": "https://a.example:443"}, "as browsers do"),
    "any origin": ({**PLATFORM, "MCP_ALLOWED_ORIGINS": "*"}, 'MCP_ALLOWED_ORIGINS holds "*"'),
    "origin null": ({**PLATFORM, "MCP_ALLOWED_ORIGINS": "null"}, "MCP_ALLOWED_ORIGINS holds"),
    "sse perhaps": ({**PLATFORM, "MCP_SSE": "yes"}, 'MCP_SSE is "yes"; choose one of: off, on.'),
    "server without attribute": ({**PLATFORM, "MCP_SERVER": "tools"}, 'MCP_SERVER is "tools"'),
    "server of an empty module": ({**PLATFORM, "MCP_SERVER": "tools..x:server"}, 'MCP_SERVER is "tools..x:server"'),
    "loud log": ({**PLATFORM, "MCP_LOG_LEVEL": "LOUD"}, 'MCP_LOG_LEVEL is "LOUD"'),
}


@pytest.mark.parametrize(("environ", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_setting_is_one_sentence(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(environ)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_plain_http_is_for_loopback(host: str) -> None:
    issuer = f"http://{host}:8789"
    settings = read_settings({**JWT, "MCP_JWT_ISSUER": issuer, "MCP_PUBLIC_URL": f"http://{host}:8787/mcp"})
    assert settings.jwt is not None
    assert settings.jwt.issuers == (issuer,)


def test_several_issuers_are_kept_byte_for_byte() -> None:
    settings = read_settings({**JWT, "MCP_JWT_ISSUER": "https://I.example/ https://j.example/tenant"})
    assert settings.jwt is not None
    assert settings.jwt.issuers == ("https://I.example/", "https://j.example/tenant")


def test_door_jwt_needs_a_public_url_where_the_platform_gives_none() -> None:
    with pytest.raises(SettingsError, match="MCP_PUBLIC_URL is not set"):
        require_public_url(read_settings(JWT))
    require_public_url(read_settings(PLATFORM))


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, 9000),
        ({"FC_SERVER_PORT": "80"}, 80),
        ({"FC_CUSTOM_LISTEN_PORT": "81"}, 81),
        ({"FC_SERVER_PORT": "80", "FC_CUSTOM_LISTEN_PORT": "81"}, 80),
    ],
)
def test_port_of_the_web_function(environ: dict[str, str], port: int) -> None:
    assert read_fc_port(environ) == port


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "8e3"])
def test_port_that_is_none(port: str) -> None:
    with pytest.raises(SettingsError, match="FC_SERVER_PORT"):
        read_fc_port({"FC_SERVER_PORT": port})


def test_no_secret_address_shows_in_a_repr() -> None:
    settings = read_settings({**BEARER, "MCP_REQUEST_STATE_KEY": "file:state-key"})
    assert "tokens.json" not in repr(settings)
    assert "state-key" not in repr(settings)


def test_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({**PLATFORM, "MCP_PUBLIC_URL": "https://user:hunter2@mcp.example.com/mcp"})
    assert "hunter2" not in str(refused.value)


SECRET = "hV3-a-secret-of-somebody"


@pytest.mark.parametrize(
    "value", [SECRET, f"aws:{SECRET}", f"https://{SECRET}", f"aws://x\n{SECRET}", f" file:{SECRET}"]
)
@pytest.mark.parametrize("name", ["MCP_TOKENS", "MCP_REQUEST_STATE_KEY"])
def test_secret_in_the_place_of_its_address_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is no address, and not shown here") as refused:
        read_settings({**BEARER, name: value})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("MCP_TOKENS", "fc://cn-hangzhou/mcp-server", "fc://REGION/FUNCTION/TRIGGER"),
        ("MCP_TOKENS", "aws://eu-west-1", "aws://REGION/SECRET"),
        ("MCP_TOKENS", "file:", "file:PATH"),
        ("MCP_REQUEST_STATE_KEY", "fc://a/b/c", "it takes aws://REGION/SECRET or file:PATH. Make a key with: openssl"),
    ],
)
def test_address_of_the_wrong_form_is_shown_with_the_right_ones(name: str, value: str, advice: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({**BEARER, name: value})
    assert f'{name} is "{value}"; it takes ' in str(refused.value)
    assert advice in str(refused.value)


def test_addresses_are_those_that_there_are_stores_for() -> None:
    assert set(TOKEN_ADDRESSES) == set(FORMS)
    for form in FORMS:
        assert read_tokens_address({"MCP_TOKENS": form}) == form
        open_store(form)  # the stores take it as well


def test_what_is_hardly_meant_is_named_without_its_value() -> None:
    wrong = {"MCP_JWT_ISUER": SECRET, "MCP_SCOPE": SECRET, "MCP_WEATHER": SECRET, "MCP_SSE_": "", "OTHER": SECRET}
    comma, unknown = read_settings({**JWT, **wrong, "MCP_JWT_AUDIENCE": f"{SECRET},b"}).doubts
    assert comma == "MCP_JWT_AUDIENCE holds a comma, which separates nothing there: blanks do"
    assert unknown == (
        "nothing reads MCP_JWT_ISUER (is MCP_JWT_ISSUER meant?), MCP_SCOPE (is MCP_SCOPES meant?), MCP_WEATHER; "
        "docs/settings.md has all settings"
    )


def test_nothing_is_doubted_of_what_the_doors_need() -> None:
    assert [read_settings(environ).doubts for environ in (PLATFORM, BEARER, JWT)] == [(), (), ()]


def test_known_settings_are_those_that_are_read() -> None:
    readers = Path(settings_package.__file__).parent.glob("*.py")
    texts = [path.read_text(encoding="utf-8") for path in readers if path.name != "doubts.py"]
    assert {name for text in texts for name in re.findall(r'"(MCP_[A-Z_]+)"', text)} == set(KNOWN)


def test_empty_means_not_set() -> None:
    names: tuple[str, ...] = (
        "MCP_SCOPES_SUPPORTED",
        "MCP_PUBLIC_URL",
        "MCP_SCOPES",
        "MCP_ALLOWED_ORIGINS",
        "MCP_SSE",
        "MCP_SERVER",
    )
    names += ("MCP_JWT_AUDIENCE", "MCP_JWT_JWKS_URL", "MCP_JWT_JWKS", "MCP_JWT_ALGORITHMS", "MCP_JWT_PROFILE")
    names += ("MCP_TOKEN_SCOPES", "MCP_REQUEST_STATE_KEY", "MCP_LOG_LEVEL", "MCP_TOKENS")
    names += ("MCP_SCOPE_ERROR_IN_RESULT", "MCP_HIDE_FORBIDDEN", "MCP_JWT_PRIVATE_ISSUER")
    assert read_settings({**JWT, **dict.fromkeys(names, "")}) == read_settings(JWT)


@pytest.mark.parametrize(
    "origin", ["http://localhost:6274", "https://app.example.com", "http://[::1]:3000", "vscode-file://app"]
)
def test_origins_as_browsers_send_them(origin: str) -> None:
    assert read_settings({**PLATFORM, "MCP_ALLOWED_ORIGINS": origin}).allowed_origins == {origin}
