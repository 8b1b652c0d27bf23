"""RFC 7591 metadata of a client, judged: what it may do, or which of the two errors it gets. No I/O, no clock.

What we do not use is left out of the answer, and nothing that a client names is ever fetched or shown as an image.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from authorization_server.metadata import AUTH_METHODS
from authorization_server.redirects import RedirectRefused, read

REDIRECTS_MAX = 20
REDIRECTS_MAX_CHARACTERS = 4096  # of all together: a client is stored before anybody has vouched for it
NAME_MAX_CHARACTERS = 100
MARKS_MAX = 2  # above or below one letter; more would paint over the lines around it
LIST_MAX = 20
# Shown as nothing, though Unicode calls them letters, marks or signs: fillers, joiners, variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0").union(
    map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
_OVERLAY = 1  # the combining class of marks that strike a letter through
# Whoever registers by himself acts for people; machines are entered by the operator.
SELF_SERVICE_GRANTS = ("authorization_code", "refresh_token")


class RegistrationRefused(ValueError):
    """`error` is one of RFC 7591 §3.2.2; the message is for the client's author and quotes nothing."""

    def __init__(self, error: Literal["invalid_redirect_uri", "invalid_client_metadata"], message: str) -> None:
        super().__init__(message)
        self.error = error


@dataclass(frozen=True)
class Metadata:
    """What counts of a client's metadata."""

    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    auth_method: str
    name: str | None

    def as_document(self) -> dict[str, Any]:
        """As RFC 7591 §3.2.1 tells the client what was registered."""
        found: dict[str, Any] = {
            "redirect_uris": list(self.redirect_uris),
            "grant_types": list(self.grant_types),
            "response_types": ["code"] if "authorization_code" in self.grant_types else [],
            "token_endpoint_auth_method": self.auth_method,
        }
        if self.name is not None:
            found["client_name"] = self.name
        return found


def judge(
    document: object,
    schemes: tuple[str, ...],
    grants: tuple[str, ...] = SELF_SERVICE_GRANTS,
    default_auth_method: str = "client_secret_basic",
) -> Metadata:
    """What a client may be registered as. Raises `RegistrationRefused`.

    Grants that we do not give are left out, as RFC 7591 §2 allows: clients name all that they know.
    """
    if not isinstance(document, Mapping):
        raise _malformed("the metadata is a JSON object")
    asked = _texts(document, "grant_types", ("authorization_code",))
    granted = tuple(name for name in grants if name in asked)
    if not granted or granted == ("refresh_token",):
        raise _malformed(f"grant_types holds none of what can be granted here: {', '.join(grants)}")
    by_code = "authorization_code" in granted
    if by_code and "code" not in _texts(document, "response_types", ("code",)):
        raise _malformed("response_types has to hold code")
    method = document.get("token_endpoint_auth_method", default_auth_method)
    if method not in AUTH_METHODS:
        raise _malformed(f"token_endpoint_auth_method is one of: {', '.join(AUTH_METHODS)}")
    if method == "none" and "client_credentials" in granted:
        raise _malformed("a client without a secret cannot have the grant client_credentials")
    return Metadata(_redirects(document, schemes, required=by_code), granted, method, _name(document))


def clean(text: str) -> str:
    """A name as a page may show it: one line, no character that hides, reverses or overlays others.

    Nothing, if no letter and no digit is left.
    """
    kept: list[str] = []
    marks = MARKS_MAX  # none without a character before it
    for char in unicodedata.normalize("NFKC", text):
        kind = unicodedata.category(char)
        if kind[0] in "CZ" or char in _BLANK:
            kept.append(" ")
            marks = MARKS_MAX
        elif kind not in ("Mn", "Me"):
            kept.append(char)
            marks = 0
        elif kind == "Mn" and unicodedata.combining(char) != _OVERLAY and marks < MARKS_MAX:
            kept.append(char)
            marks += 1
    name = " ".join("".join(kept).split())[:NAME_MAX_CHARACTERS].strip()
    return name if any(char.isalnum() for char in name) else ""


def _redirects(document: Mapping[str, Any], schemes: tuple[str, ...], *, required: bool) -> tuple[str, ...]:
    uris = document.get("redirect_uris", [])
    if not isinstance(uris, list) or len(uris) > REDIRECTS_MAX:
        raise RegistrationRefused(
            "invalid_redirect_uri", f"redirect_uris is a JSON list of at most {REDIRECTS_MAX} texts"
        )
    if required and not uris:
        raise RegistrationRefused("invalid_redirect_uri", "redirect_uris is missing")
    for number, uri in enumerate(uris, 1):
        try:
            read(uri, schemes)
        except RedirectRefused as why:
            message = f"redirect_uris, number {number} of {len(uris)}: {why}"
            raise RegistrationRefused("invalid_redirect_uri", message) from None
    if sum(map(len, uris)) > REDIRECTS_MAX_CHARACTERS:
        message = f"redirect_uris has at most {REDIRECTS_MAX_CHARACTERS} characters in all"
        raise RegistrationRefused("invalid_redirect_uri", message)
    return tuple(dict.fromkeys(uris))


def _texts(document: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, list) or len(value) > LIST_MAX or not all(isinstance(entry, str) for entry in value):
        raise _malformed(f"{name} is a list of texts")
    return tuple(value)


def _name(document: Mapping[str, Any]) -> str | None:
    name = document.get("client_name")
    if name is None:
        return None
    if not isinstance(name, str):
        raise _malformed("client_name is a text")
    return clean(name) or None


def _malformed(message: str) -> RegistrationRefused:
    return RegistrationRefused("invalid_client_metadata", message)
