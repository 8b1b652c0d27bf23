"""The URL of an MCP endpoint, as a person types it. Nothing is fetched here."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from lifecycle.errors import UsageError
from mcp_faas.stores import LOOPBACK


def endpoint(url: str) -> SplitResult:
    """Its parts. A URL with a user name in it is not quoted, because a password comes with that."""
    authority = re.split(r"[/?#]", re.sub(r"^[A-Za-z0-9+.-]*://", "", url))[0]
    if "@" in authority:
        raise UsageError("the URL carries a user name; an MCP endpoint is known by its host and path alone")
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018 - judged when it is asked for
    except ValueError:
        named = False
    if not named:
        raise UsageError(f"{url!r} is no URL of an MCP endpoint, like https://HOST/mcp")
    return parts


def token_endpoint(url: str) -> SplitResult:
    """Likewise, of one that a token may be sent to."""
    parts = endpoint(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageError(f"http://{parts.hostname} would carry the token in the clear; use https")
    if parts.query or parts.fragment:  # not quoted, because it may be the token
        raise UsageError(
            "the URL has something behind its path; an MCP endpoint is known by its host and path alone, and a token "
            "belongs into a header, because URLs stand in logs"
        )
    return parts
