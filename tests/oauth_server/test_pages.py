"""What every page holds to, without a browser: language, escaping, policy. With one: `make interop`, login pages."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import string
from pathlib import Path

import pytest

from authorization_server.translations import TEXTS, trouble_of
from authorizing.world import CALLBACK, World

CODE = Path(__file__).resolve().parents[2] / "functions/oauth_server/authorization_server"


def test_every_text_is_there_in_every_language_with_the_same_values() -> None:
    def values(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for language, texts in TEXTS.items():
        assert texts.keys() == TEXTS["en"].keys(), language
        assert {name: values(text) for name, text in texts.items()} == {
            name: values(text) for name, text in TEXTS["en"].items()
        }


def test_every_text_is_used() -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in [CODE / "pages.py", *CODE.glob("templates/*.html")])
    composed = ("origin_", "redirect_", "warning_", "next_", "trouble_", "advice_", "scope_", "unverified_")
    unused = [name for name in TEXTS["en"] if f'"{name}"' not in used and not name.startswith(composed)]
    assert unused == []


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-TW", "zh-Hans"),
        ("en-GB,zh;q=0.5", "en"),
        ("de,fr;q=0.5", "en"),
        ("de,zh-CN;q=0.5", "zh-Hans"),
        ("", "en"),
        ("*", "en"),
        ("\x00;;q=x,,zh;q=9", "en"),
    ],
)
def test_language_is_the_browsers(world: World, accepted: str, language: str) -> None:
    browser = world.browser()
    headers = {"Accept-Language": accepted} if accepted else {}
    page = browser.get("/authorize", query_string=world.request(), headers=headers)
    assert f'<html lang="{language}">' in page.text
    assert TEXTS["zh" if language != "en" else "en"]["consent_title"] in page.text


def every_page(world: World) -> list[str]:
    browser = world.browser()
    consent = world.ask(browser)
    location = world.decide(browser, consent.text).location
    answers = [consent, browser.get(location), world.log_in(browser, location, "wrong"), browser.get("/authorize")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(html.unescape(style).encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
    return [answer.text for answer in answers]


def test_pages_need_nothing_and_nobody_else(world: World) -> None:
    for text in every_page(world):
        assert not re.search(r"<(script|link|img|iframe|object|embed|base)\b|\son[a-z]+=|\sstyle=|@import|url\(", text)
        assert text.count("<main>") == text.count("<h1>") == 1


def test_name_of_a_client_is_shown_and_never_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "<b>{client}</b> {{ 7*7 }} %s \"'&"
    clients = [{"client_id": "one", "client_name": name, "redirect_uris": ["https://client.example/?a=%22%3E"]}]
    monkeypatch.setattr("authorizing.world.CLIENTS", clients)
    world = World(tmp_path)
    page = world.ask(world.browser(), client_id="one", redirect_uri=None).text
    assert f"<bdi>{html.escape(name, quote=True).replace('&quot;', '&#34;').replace('&#x27;', '&#39;')}</bdi>" in page


@pytest.mark.parametrize(
    ("client_id", "ttl", "words"),
    [
        ("web", "30d", "15 minutes"),
        ("desktop", "30d", "30 days"),
        ("desktop", "36h", "36 hours"),
        ("desktop", "2h", "Up to 2 hours"),
        ("desktop", "119m", "Up to 119 minutes"),
    ],
)
def test_consent_says_for_how_long(tmp_path: Path, client_id: str, ttl: str, words: str) -> None:
    world = World(tmp_path, OAUTH_REFRESH_TOKEN_TTL=ttl)
    redirect = "http://127.0.0.1:5/callback" if client_id == "desktop" else "https://client.example/callback"
    assert words in world.ask(world.browser(), client_id=client_id, redirect_uri=redirect).text


def test_scopes_are_said_in_words_where_they_are_known(tmp_path: Path) -> None:
    world = World(tmp_path, OAUTH_SCOPES="mcp:tools mcp:write vault:unseal")
    page = world.ask(world.browser(), scope="mcp:write vault:unseal").text
    assert "<li><span>change things</span> <code>mcp:write</code></li>" in page
    assert "<li><code>vault:unseal</code></li>" in page


@pytest.mark.parametrize(
    ("reason", "trouble"),
    [
        ("authorization_expired", "stale"),
        ("login_of_another_browser", "stale"),
        ("csrf_wrong", "stale"),
        ("client_refused", "client"),
        ("client_gone", "gone"),
        ("client_document_unavailable", "later"),
        ("redirect_not_registered", "client"),
        ("provider_unreachable", "provider"),
        ("provider_settings_wrong", "settings"),
        ("login_secret_unavailable", "settings"),
        ("provider_refused", "login"),
        ("id_token_refused", "login"),
        ("storage_unavailable", "busy"),
        ("internal_error", "other"),
        ("invalid_scope", "request"),
        ("unsupported_response_type", "request"),
        ("unauthorized_client", "request"),
        ("interaction_required", "request"),
        ("request_not_supported", "request"),
        ("request_uri_not_supported", "request"),
        ("request_malformed", "stale"),
        ("not_found", "other"),
    ],
)
def test_trouble_of_a_reason(reason: str, trouble: str) -> None:
    assert trouble_of(reason) == trouble
    assert all(f"{kind}_{trouble}" in texts for texts in TEXTS.values() for kind in ("trouble", "advice"))


def registered(world: World, **metadata: object) -> str:
    answer = world.browser().post("/register", json={"token_endpoint_auth_method": "none", **metadata})
    return str((answer.json or {})["client_id"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_document_that_cannot_be_had_now_is_waited_for(world: World, language: str) -> None:
    query = world.request(client_id="https://client.example/client.json")
    page = world.browser().get("/authorize", query_string=query, headers={"Accept-Language": language})
    assert (page.status_code, page.headers["Retry-After"]) == (400, "60")
    assert TEXTS[language]["trouble_later"] in html.unescape(page.text)
    assert TEXTS[language]["advice_later"] in html.unescape(page.text)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", [None, "A name of its own"])
def test_consent_speaks_of_a_name_only_where_there_is_one(world: World, name: str | None, language: str) -> None:
    asked = {"redirect_uris": [CALLBACK], **({"client_name": name} if name else {})}
    client_id = registered(world, **asked)
    query = world.request(client_id=client_id)
    text = world.browser().get("/authorize", query_string=query, headers={"Accept-Language": language}).text
    for kind in ("origin_registered", "unverified"):
        named, unnamed = (f">{TEXTS[language][kind + end]}<" in text for end in ("", "_unnamed"))
        assert (named, unnamed) == (bool(name), not name)


def test_consent_without_a_scope_says_what_it_allows(tmp_path: Path) -> None:
    world = World(tmp_path, MCP_SCOPES="")
    assert TEXTS["en"]["no_scopes"] in html.unescape(world.ask(world.browser(), scope=None).text)
    world.storage.close()


def test_a_private_redirect_is_written_alike_on_every_page(world: World) -> None:
    redirect = "cursor://anysphere.cursor-mcp/oauth/callback"
    client_id = registered(world, redirect_uris=[redirect])
    for asked in ({}, {"response_type": "token"}):
        page = world.ask(world.browser(), client_id=client_id, redirect_uri=redirect, **asked)
        assert "<strong>cursor:</strong>" in page.text
