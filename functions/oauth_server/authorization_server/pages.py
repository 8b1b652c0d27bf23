"""The pages that a person sees: a template, a language and values. No route, no rule; the one style is inline."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.datastructures import LanguageAccept

from authorization_server.flow import LoginForm, Shown
from authorization_server.translations import DEFAULT, TEXTS

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Trouble:
    """Why a person cannot go on: `reason` and `message` as in the log, and where to go from here, if anywhere."""

    reason: str
    message: str
    reference: str
    back: str | None = None


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )
        self._style = (TEMPLATES / "style.css").read_text(encoding="utf-8")

    @property
    def style_hash(self) -> str:
        """Of the one style that the Content-Security-Policy lets in, exactly as it stands between the tags."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()

    def consent(self, shown: Shown, language: str) -> str:
        request = shown.request
        return self._render(
            "consent.html",
            language,
            client=request.client,
            target=request.target,
            resource=request.resource,
            scopes=request.scopes,
            handle=shown.handle,
            csrf=shown.csrf,
        )

    def login(self, form: LoginForm, language: str) -> str:
        return self._render("login.html", language, state=form.state, csrf=form.csrf, failed=form.failed)

    def error(self, trouble: Trouble, language: str) -> str:
        return self._render("error.html", language, trouble=trouble)

    def _render(self, template: str, language: str, **values: Any) -> str:
        def text(name: str, **given: str) -> str:
            return TEXTS[language][name].format_map(given)

        return self._environment.get_template(template).render(
            text=text, language=language, style=self._style, **values
        )


def language_of(accepted: LanguageAccept) -> str:
    """The best of our languages for a browser."""
    return accepted.best_match(list(TEXTS), default=DEFAULT) or DEFAULT
