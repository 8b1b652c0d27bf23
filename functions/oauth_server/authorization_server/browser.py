"""The browser's side: cookies, the token against forged forms, and the headers of every page. No storage, no route."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from authorization_server.records.handles import derive, digest, same
from authorization_server.redirects import Target
from authorization_server.settings import Settings

COOKIE_SECONDS = 600  # as long as an authorization waits
TABS_MAX = 10  # whose cookies a browser keeps: every request carries them, and headers have a limit
_FORM = "mcp-request"
_LOGIN = "mcp-login"
_OF_A_TAB = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Cookie:
    """A cookie to set, or with an empty value to take away."""

    name: str
    value: str = field(repr=False)
    secure: bool = True

    @property
    def header(self) -> str:
        age = COOKIE_SECONDS if self.value else 0
        secure = "; Secure" if self.secure else ""
        return f"{self.name}={self.value}; Max-Age={age}; Path=/; HttpOnly; SameSite=Lax{secure}"


@dataclass(frozen=True)
class Tab:
    """One authorization in one browser, by the secret in its cookie. Several can be open at once."""

    key: str  # of the authorization's record
    local: bool  # plain http on loopback: clients that are not browsers would drop a Secure cookie
    secret: str | None = field(repr=False)

    @classmethod
    def new(cls, key: str, settings: Settings) -> Tab:
        return cls(key, settings.local, secrets.token_urlsafe(32))

    @classmethod
    def of(cls, key: str, settings: Settings, cookies: Mapping[str, str]) -> Tab:
        """The tab that a request came from; without a secret, if the cookie is not there."""
        return cls(key, settings.local, cookies.get(_name(_FORM, key, settings.local)) or None)

    @property
    def digest(self) -> str | None:
        return None if self.secret is None else digest(self.secret)

    @property
    def csrf(self) -> str:
        """What a form of ours has and no other page can know."""
        return derive(self.secret or "", "csrf")

    def sent_form(self, token: str | None) -> bool:
        """Did our own form send this?"""
        return self.secret is not None and same(self.csrf, token)

    def cookie(self) -> Cookie:
        """Set when the request is shown."""
        return Cookie(_name(_FORM, self.key, self.local), self.secret or "", not self.local)

    def login_cookie(self, state: str) -> Cookie:
        """Set after somebody has agreed, never before."""
        return Cookie(_name(_LOGIN, self.key, self.local), self._login_mark(state), not self.local)

    def began_login(self, state: str, cookies: Mapping[str, str]) -> bool:
        """Was this login's state given to this browser?"""
        mark = cookies.get(_name(_LOGIN, self.key, self.local))
        return self.secret is not None and same(self._login_mark(state), mark)

    def farewell(self) -> tuple[Cookie, ...]:
        """Takes both cookies away."""
        return tuple(Cookie(_name(kind, self.key, self.local), "", not self.local) for kind in (_FORM, _LOGIN))

    def _login_mark(self, state: str) -> str:
        return derive(self.secret or "", f"login {state}")


def outnumbered(settings: Settings, cookies: Mapping[str, str]) -> Iterator[Cookie]:
    """Takes away the cookies of the oldest tabs, to make room for one more. Browsers send them oldest first.

    Nobody who opens our address again and again in somebody's browser can fill its requests with them, or end a login
    that runs there: tabs in which nobody has agreed yet go first, and no visit agrees.
    """
    form, login = (_name(kind, "", settings.local) for kind in (_FORM, _LOGIN))
    shown, agreed = (
        [name.removeprefix(prefix) for name in cookies if name.startswith(prefix)] for prefix in (form, login)
    )
    tabs = [tab for tab in dict.fromkeys([*shown, *agreed]) if _OF_A_TAB.fullmatch(tab)]
    for tab in sorted(tabs, key=agreed.__contains__)[: 1 - TABS_MAX]:
        for name in (form + tab, login + tab):
            if name in cookies:
                yield Cookie(name, "", not settings.local)


def _name(kind: str, key: str, local: bool) -> str:
    return f"{'' if local else '__Host-'}{kind}-{key[:16]}"


def is_same_origin(settings: Settings, origin: str | None, fetch_site: str | None) -> bool:
    """Do the headers that no page can forge allow that our own page sent this? Old browsers send neither."""
    return origin in (None, settings.issuer) and fetch_site in (None, "same-origin", "none")


def page_headers(settings: Settings, style_hash: str, target: Target | None = None) -> dict[str, str]:
    """For every page. `target` is where a form may lead in the end: browsers hold redirects to form-action, too."""
    actions = ["'self'", "https:"]
    if settings.local:
        actions += ["http://127.0.0.1:*", "http://localhost:*"]
    if target is not None and target.kind == "private":
        actions.append(target.where)
    if target is not None and target.kind == "loopback":
        # a source expression cannot name an address of IPv6
        actions.append("http:" if target.where.startswith("[") else f"http://{target.where}:*")
    policy = {
        "default-src": "'none'",
        "style-src": f"'{style_hash}'",
        "form-action": " ".join(dict.fromkeys(actions)),
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Frame-Options": "DENY",
        # Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def common_headers(settings: Settings) -> dict[str, str]:
    """For every answer."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return headers if settings.local else {**headers, "Strict-Transport-Security": "max-age=31536000"}
