"""What a refused caller hears: the one place where an internal reason becomes a status and RFC 6750's words. No I/O.

Strangers learn what the RFC says and nothing about why: the reason is in the log. Where a challenge is sent at all
it stands in the JSON body too, because AWS renames the `WWW-Authenticate` header of a function.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mcp_faas.auth.errors import (
    AuthError,
    KeysUnavailable,
    OriginRefused,
    RequestMalformed,
    ScopeMissing,
    TokenMissing,
    TokenRejected,
    TokensUnavailable,
)

RETRY_AFTER_SECONDS = 30  # the cool-down of a key set that could not be fetched

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Refusal:
    """An answer that lets nobody in: `status`, headers as ASGI takes them, and a JSON body."""

    status: Literal[400, 401, 403, 503]
    headers: tuple[Header, ...]
    body: bytes


def refuse(error: AuthError, *, resource_metadata: str | None, scopes: Iterable[str] = ()) -> Refusal:
    """The answer to a request that was refused with `error`.

    `resource_metadata` is the URL of RFC 9728's document, or None in doors with opaque tokens: a client that finds
    OAuth metadata ignores the static header that its user configured. `scopes` are those that every request needs.
    """
    wanted = " ".join(sorted(scopes))
    parameters: dict[str, str] = {}
    status: Literal[400, 401, 403, 503]
    if isinstance(error, TokenMissing):
        # RFC 6750 §3: without credentials the challenge has no error code.
        status = 401
    elif isinstance(error, TokenRejected):
        status = 401
        parameters = {"error": "invalid_token", "error_description": "The access token is not accepted."}
    elif isinstance(error, RequestMalformed):
        status = 400
        parameters = {
            "error": "invalid_request",
            "error_description": "Send exactly one Authorization header: Bearer, one blank and the token.",
        }
    elif isinstance(error, ScopeMissing):
        status, wanted = 403, " ".join(sorted(error.needed))
        parameters = {"error": "insufficient_scope", "error_description": "The operation needs a wider scope."}
    elif isinstance(error, OriginRefused):
        return _plain(403, "This origin may not call.")
    elif isinstance(error, KeysUnavailable | TokensUnavailable):
        who = "issuer" if isinstance(error, KeysUnavailable) else "token store"
        retry = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)
        return _plain(503, f"The {who} does not answer; try again later.", retry)
    else:
        status = 401
    if wanted:
        parameters["scope"] = wanted
    if resource_metadata is not None:
        parameters["resource_metadata"] = resource_metadata
    # RFC 6750 §3: the scheme is followed by at least one parameter.
    challenge = ", ".join(f'{name}="{value}"' for name, value in (parameters or {"realm": "mcp"}).items())
    message = parameters if "error" in parameters else {"message": "Authentication required.", **parameters}
    return Refusal(
        status,
        (
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"www-authenticate", f"Bearer {challenge}".encode("ascii")),
        ),
        json.dumps(message).encode(),
    )


def _plain(status: Literal[403, 503], message: str, *headers: Header) -> Refusal:
    """A refusal that no token would change, so without a challenge."""
    body = json.dumps({"message": message}).encode()
    return Refusal(status, ((b"content-type", b"application/json"), (b"cache-control", b"no-store"), *headers), body)
