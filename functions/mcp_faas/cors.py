"""Browsers: which origin a request comes from, their question before it, and who may read the answer (Fetch §3.3).

Knows headers alone: no door, no token and no path. An origin is allowed by name or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import Message, Send

from mcp_faas.asgi import Header, respond, value_of
from mcp_faas.auth.challenge import refuse
from mcp_faas.auth.errors import OriginRefused

# What may be kept in a cache says so to everybody: one kept for a stranger would lack what an allowed origin needs.
VARY: Header = (b"vary", b"Origin")
_PREFLIGHT_SECONDS = 600
_ALLOWED_HEADERS = (
    b"authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id"
)
_TOOL_HEADER = re.compile(rb"mcp-param-[a-z0-9-]{1,100}")
# AWS renames the challenge of a function, so a browser must be able to read it under both names.
_EXPOSED_HEADERS = b"www-authenticate, x-amzn-remapped-www-authenticate, retry-after"


@dataclass(frozen=True)
class Origin:
    """Where a request comes from: `allowed` is the one origin that may call, `foreign` says that it may not.

    Clients that are no browsers send no origin: neither is set.
    """

    allowed: bytes | None
    foreign: bool


def origin_of(headers: Iterable[Header], allowed_origins: frozenset[str]) -> Origin:
    """The origin of a request with these headers, whose names are in lower case. Two origins are a foreign one."""
    origins = [value for name, value in headers if name == b"origin"]
    allowed = len(origins) == 1 and origins[0].decode("latin-1") in allowed_origins
    return Origin(origins[0] if allowed else None, foreign=bool(origins) and not allowed)


async def preflight(origin: Origin, headers: Iterable[Header], send: Send, method: bytes = b"POST") -> None:
    """Answer a browser's question before a request with this method; it never carries a token (Fetch §4.8)."""
    if origin.foreign:
        refusal = refuse(OriginRefused("preflight"), resource_metadata=None)
        await respond(send, refusal.status, refusal.headers, refusal.body)
        return
    # Tools may name headers of their own (Mcp-Param-*), which no list of ours could know.
    asked = value_of(headers, b"access-control-request-headers").lower().replace(b" ", b"").split(b",")
    own = [name for name in asked if _TOOL_HEADER.fullmatch(name)]
    told = [
        (b"allow", method + b", OPTIONS"),
        (b"access-control-allow-methods", method + b", OPTIONS"),
        (b"access-control-allow-headers", b", ".join([_ALLOWED_HEADERS, *own])),
        (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
    ]
    await respond(send, 204, told if origin.allowed is not None else told[:1], b"")


def shared(send: Send, origin: Origin) -> Send:
    """A `send` that lets the one allowed origin read the answer; without one, nothing is added."""
    if origin.allowed is None:
        return send
    told = [
        (b"access-control-allow-origin", origin.allowed),
        (b"access-control-expose-headers", _EXPOSED_HEADERS),
        VARY,
    ]

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *told]}
        await send(message)

    return with_headers
