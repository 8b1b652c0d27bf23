"""The pages that a person sees: a template, a language and values. No route, no rule; the one style is inline."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.datastructures import LanguageAccept

from authorization_server.clients import Client
from authorization_server.flow import LoginForm, Shown
from authorization_server.settings import Settings
from authorization_server.translations import DEFAULT, TEXTS, trouble_of

HOUR_SECONDS, DAY_SECONDS = 3600, 86400
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Trouble:
    """Why a person cannot go on: `reason` and `message` as in the log, and where to go from here, if anywhere.

    `where` is the place that `back` leads to, as the consent page would have told it.
    """

    reason: str
    message: str
    reference: str
    back: str | None = None
    where: str = ""


class Pages:
    """The templates, read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )
        self._style = (TEMPLATES / "style.css").read_text(encoding="utf-8")

    @property
    def style_hash(self) -> str:
        """Of the one style that the Content-Security-Policy lets in, exactly as it stands between the tags."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()

    def consent(self, shown: Shown, language: str) -> str:
        request, login = shown.request, self._settings.login
        return self._render(
            "consent.html",
            language,
            client=request.client,
            target=request.target,
            resource=request.resource,
            scopes=[(scope, _scope_words(scope, language)) for scope in request.scopes],
            duration=self._duration(request.client, language),
            login=login.kind,
            login_host=urlsplit(login.issuer if login.kind == "oidc" else login.github_url).netloc,
            handle=shown.handle,
            csrf=shown.csrf,
        )

    def login(self, form: LoginForm, language: str) -> str:
        return self._render("login.html", language, state=form.state, csrf=form.csrf, failed=form.failed)

    def error(self, trouble: Trouble, language: str) -> str:
        return self._render("error.html", language, trouble=trouble, kind=trouble_of(trouble.reason))

    def _duration(self, client: Client, language: str) -> str:
        """How long a client can go on without asking again."""
        texts = TEXTS[language]
        if "refresh_token" not in client.grant_types:
            return texts["duration_minutes"].format(count=math.ceil(self._settings.access_token_seconds / 60))
        seconds = self._settings.refresh_token_seconds
        if seconds < 2 * HOUR_SECONDS:
            return texts["duration_most_minutes"].format(count=math.ceil(seconds / 60))
        if seconds < 2 * DAY_SECONDS:
            return texts["duration_hours"].format(count=math.ceil(seconds / HOUR_SECONDS))
        return texts["duration_days"].format(count=math.ceil(seconds / DAY_SECONDS))

    def _render(self, template: str, language: str, **values: Any) -> str:
        def text(name: str, **given: str) -> str:
            return TEXTS[language][name].format_map(given)

        server = urlsplit(self._settings.issuer).netloc
        return self._environment.get_template(template).render(text=text, server=server, style=self._style, **values)


def _scope_words(scope: str, language: str) -> str:
    """What the last word of a scope commonly means; nothing where it means something of the operator's own."""
    return TEXTS[language].get(f"scope_{scope.rpartition(':')[2]}", "")


def language_of(accepted: LanguageAccept) -> str:
    """The first of a browser's languages that we have, in whatever region it is spoken (RFC 4647 §3.4).

    Werkzeug's own match would take Chinese for a Briton who reads it, too: it knows no English but `en` itself.
    """
    found = (tag.partition("-")[0].lower() for tag, quality in accepted if quality > 0)
    return next((language for language in found if language in TEXTS), DEFAULT)
