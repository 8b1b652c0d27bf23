"""Where a browser may be sent with a code: what may be registered, and what matches it. No I/O, no clock.

RFC 9700 §2.1 demands exact matching; the one exception is the port of a loopback redirect (RFC 8252 §7.3). The stricter
reading holds wherever a browser and a parser could take one text for two addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

URI_MAX_CHARACTERS = 1024
LOOPBACK_HOSTS = ("127.0.0.1", "[::1]", "localhost")
# Schemes that a browser acts upon by itself: none of them hands a code to an application.
NEVER_SCHEMES = frozenset(
    {
        "about",
        "blob",
        "chrome",
        "content",
        "data",
        "file",
        "filesystem",
        "ftp",
        "ftps",
        "http",
        "https",
        "intent",
        "jar",
    }
    | {"javascript", "mailto", "sms", "tel", "urn", "vbscript", "view-source", "ws", "wss"}
)
# What we add to the redirect: a registered one that brings its own would leave two for the client to choose from.
RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri", "response"})

# RFC 3986 without the characters that browsers rewrite (backslash, quotes, braces, blanks) and without a fragment.
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_NAME = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_WEB = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_NAME}|\[[0-9a-f:.]+\])(?P<port>:[1-9][0-9]{{0,4}})?(?P<rest>[/?].*)?"
)
_OWN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*):(?://(?P<host>[A-Za-z0-9._~-]*)(?P<port>:[1-9][0-9]{0,4})?)?(?P<rest>[/?].*)?"
)
_HIDDEN_IN_PATH = re.compile(r"%(?:2f|5c|[01][0-9a-f]|7f)", re.IGNORECASE)


class RedirectRefused(ValueError):
    """A redirect that may not be registered; the message is for the client's author and quotes nothing."""


@dataclass(frozen=True)
class Target:
    """A redirect that may be registered, as the consent page tells it."""

    kind: Literal["web", "loopback", "private"]
    where: str  # the host with its port, or a private-use scheme with its colon
    without_port: str  # the same for every port


def read(uri: object, schemes: Iterable[str]) -> Target:
    """What a redirect is. `schemes` are the private-use ones that are accepted. Raises `RedirectRefused`."""
    if not isinstance(uri, str) or not 0 < len(uri) <= URI_MAX_CHARACTERS:
        raise RedirectRefused(f"a redirect URI is a text of 1 to {URI_MAX_CHARACTERS} characters")
    if "#" in uri:
        raise RedirectRefused("a redirect URI has no fragment")
    if not _CHARACTERS.fullmatch(uri):
        raise RedirectRefused("a redirect URI holds only what RFC 3986 allows")
    scheme = uri.partition(":")[0]
    return _web(uri) if scheme in ("http", "https") else _private(uri, scheme, schemes)


def matches(registered: Iterable[str], requested: str, schemes: Iterable[str]) -> bool:
    """Is the requested redirect a registered one? Byte for byte, but for the port of a loopback redirect."""
    registered = tuple(registered)
    try:
        target = read(requested, schemes)
    except RedirectRefused:
        return False
    if requested in registered:
        return True
    known = {other.without_port for other in _readable(registered, schemes) if other.kind == "loopback"}
    return target.without_port in known


def with_parameters(uri: str, encoded: str) -> str:
    """The redirect with an encoded query behind its own, which stays as it was registered (RFC 6749 §3.1.2)."""
    return f"{uri}{'' if uri.endswith(('?', '&')) else '&' if '?' in uri else '?'}{encoded}"


def check_scheme(scheme: str) -> bool:
    """May this be accepted as a private-use scheme (RFC 8252 §7.1)?"""
    return _SCHEME.fullmatch(scheme) is not None and scheme not in NEVER_SCHEMES


def _readable(registered: Iterable[str], schemes: Iterable[str]) -> Iterable[Target]:
    for uri in registered:
        try:
            yield read(uri, schemes)
        except RedirectRefused:
            continue  # a scheme that the operator has taken away since


def _web(uri: str) -> Target:
    found = _WEB.fullmatch(uri)
    if found is None:
        raise RedirectRefused(
            "a web redirect URI is a scheme and a host in lower case, without user or password, and a port above 0"
        )
    host, port, rest = found["host"], found["port"] or "", found["rest"] or ""
    if port and int(port[1:]) > 65535:
        raise RedirectRefused("a port is at most 65535")
    _check_rest(rest)
    if found["scheme"] == "https":
        return Target("web", host + port, f"https://{host}{rest}")
    if host not in LOOPBACK_HOSTS:
        raise RedirectRefused("plain http is for 127.0.0.1, [::1] and localhost only")
    return Target("loopback", host, f"http://{host}{rest}")


def _private(uri: str, scheme: str, schemes: Iterable[str]) -> Target:
    schemes = tuple(schemes)
    if scheme not in schemes or not check_scheme(scheme):
        choices = ", ".join(["https", "http for loopback", *schemes])
        raise RedirectRefused(f"a redirect URI begins with one of these schemes: {choices}")
    found = _OWN.fullmatch(uri)
    if found is None or not (found["host"] or (found["rest"] or "").strip("/?")):
        raise RedirectRefused("a private-use redirect URI is scheme:/path or scheme://name/path, without a user")
    _check_rest(found["rest"] or "")
    return Target("private", f"{scheme}:", uri)


def _check_rest(rest: str) -> None:
    path, _, query = rest.partition("?")
    if _HIDDEN_IN_PATH.search(path):
        raise RedirectRefused("the path of a redirect URI has no encoded slash, backslash or control character")
    segments = re.sub("%2e", ".", path, flags=re.IGNORECASE).split("/")
    if "." in segments or ".." in segments:
        raise RedirectRefused("the path of a redirect URI has no dot segments")
    if "//" in path:
        raise RedirectRefused("the path of a redirect URI has no empty segments")
    names = [pair.partition("=")[0] for pair in query.split("&") if pair]
    if any("%" in name or "+" in name for name in names):
        raise RedirectRefused("the names in the query of a redirect URI are not encoded")
    if len(set(names)) != len(names) or not RESPONSE_PARAMETERS.isdisjoint(names):
        raise RedirectRefused("the query of a redirect URI names nothing twice and nothing that the answer adds")
