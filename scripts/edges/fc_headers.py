"""What the FC gateway does to header fields on the way in and out. Pure: lists in, lists out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate

from edges.fc_door import Headers, Stop, values
from edges.fc_state import Unproven

RESPONSE_HEADERS_LIMIT_BYTES = 8 * 1024
PREFLIGHT_MAX_AGE_SECONDS = 3600

NOT_FROM_CLIENTS = {b"connection", b"keep-alive"}  # and x-fc-* (docs)
# And x-fc-* (docs). content-length is the platform's as well; the function's is right, or its HTTP server has failed.
NOT_FROM_FUNCTIONS = {b"connection", b"date", b"keep-alive", b"server", b"upgrade"}
HOP_BY_HOP = {b"transfer-encoding", b"expect", b"te", b"trailer", b"upgrade", b"proxy-connection"}  # RFC 9110 §7.6.1
ROLE_CREDENTIALS = {
    "x-fc-access-key-id": "STS.local-key-id",
    "x-fc-access-key-secret": "local-key-secret",
    "x-fc-security-token": "local-security-token",
}
EXPOSED = b"Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,x-fc-max-memory-usage"


@dataclass(frozen=True)
class Function:
    """What FC knows of the function behind the trigger."""

    name: str
    trigger: str
    region: str
    account_id: str

    @property
    def host(self) -> str:
        return f"{self.name}-local.{self.region}.fcapp.run"


def to_function(headers: Headers, function: Function, unproven: Unproven, request_id: str) -> Headers:
    """What the function gets of the caller's headers, and what FC adds."""
    dropped = NOT_FROM_CLIENTS | HOP_BY_HOP
    if not unproven.forward_authorization:
        dropped = dropped | {b"authorization"}
    if unproven.rewrite_host:
        dropped = dropped | {b"host"}
    kept = [(name, value) for name, value in headers if name not in dropped and not name.startswith(b"x-fc-")]
    if unproven.rewrite_host:
        kept.insert(0, (b"host", function.host.encode()))
    added = {
        "x-fc-request-id": request_id,
        "x-fc-function-name": function.name,
        "x-fc-region": function.region,
        "x-fc-account-id": function.account_id,
        "x-fc-qualifier": "LATEST",
        "x-fc-control-path": "/http-invoke",
    }
    if unproven.sends_credentials:
        added |= ROLE_CREDENTIALS
    return [*kept, *((name.encode(), value.encode()) for name, value in added.items())]


def from_function(headers: Iterable[tuple[bytes, bytes]], *, default_host: bool) -> Headers:
    """What the caller gets of the function's headers, or `Stop` for too many of them."""
    given = [(name.lower(), value) for name, value in headers]
    if sum(len(name) + len(value) for name, value in given) > RESPONSE_HEADERS_LIMIT_BYTES:
        raise Stop(502, "BadResponse", "the headers of the response exceed 8 KB")
    dropped = NOT_FROM_FUNCTIONS | HOP_BY_HOP
    if default_host:
        dropped = dropped | {b"content-disposition"}
    return [(name, value) for name, value in given if name not in dropped and not name.startswith(b"x-fc-")]


def of_platform(headers: Headers, *, request_id: str, now: float, default_host: bool, cors: bool) -> Headers:
    """What the platform adds to every answer, its own refusals included, unless the function set the same field."""
    added: Headers = [
        (b"date", formatdate(now, usegmt=True).encode()),
        (b"x-fc-request-id", request_id.encode()),
    ]
    if default_host:
        added.append((b"content-disposition", b"attachment"))
    for origin in values(headers, b"origin")[:1] if cors else []:
        added += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED),
        ]
    return added


def of_preflight(headers: Headers) -> Headers:
    """The platform grants whatever a browser asks for; the function has to look at `Origin` itself."""
    asked = {
        b"access-control-allow-methods": values(headers, b"access-control-request-method"),
        b"access-control-allow-headers": values(headers, b"access-control-request-headers"),
        b"access-control-max-age": [str(PREFLIGHT_MAX_AGE_SECONDS).encode()],
    }
    return [(name, given[0]) for name, given in asked.items() if given]
