"""Who gets past an FC trigger, and what the gateway says to the others. Pure but for the account it reads.

Facts with a standing of (docs) are as the vendor's pages have them; what nobody knows is a switch in `Unproven`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

from starlette.types import Scope

from edges.fc_state import Account, Resource

Headers = list[tuple[bytes, bytes]]

REQUEST_HEADERS_LIMIT_BYTES = 8 * 1024
PATH_LIMIT_BYTES = 4 * 1024
NO_AUTHORIZATION = "Authorization header is expected but missing"  # both word for word (docs)
WRONG_TOKEN = "access denied due to invalid bearer token"  # noqa: S105  # what is said of a token


class Stop(Exception):
    """The gateway answers by itself; the function hears nothing, or nothing more."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def target(scope: Scope) -> bytes:
    """Path and query, byte for byte as sent."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def domain_of(account: Account, scope: Scope) -> Resource | None:
    """The custom domain that this request came in by; None: the trigger's own host."""
    host = b"".join(values(scope["headers"], b"host")[:1]).decode("latin-1").partition(":")[0].lower()
    return account.domains.get(host)


def check(account: Account, trigger: Resource, scope: Scope) -> None:
    """Let the request pass, or raise `Stop`."""
    headers: Headers = scope["headers"]
    if sum(len(name) + len(value) for name, value in headers) > REQUEST_HEADERS_LIMIT_BYTES:
        raise Stop(400, "InvalidArgument", "the headers of the request exceed 8 KB")
    if len(target(scope)) > PATH_LIMIT_BYTES:
        raise Stop(400, "InvalidArgument", "the path of the request exceeds 4 KB")
    delays = account.unproven.propagation_seconds
    delay = delays[scope["edge.connection"].serial % len(delays)]
    config = trigger.obeyed(delay)
    if scope["method"] not in config["methods"]:
        raise Stop(403, "AccessDenied", f"the trigger does not allow the method {scope['method']}")  # 403: (reported)
    domain = domain_of(account, scope)
    if domain is not None:
        config = domain.obeyed(delay)
    elif config.get("disableURLInternet"):
        raise Stop(403, "AccessDenied", "access denied due to function internet URL is disable")  # (docs)
    if config["authType"] != "anonymous":
        # authType `function` wants a signature, which nobody makes here: no token fits
        _authorize(account, headers, account.tokens(config) if account.is_bearer(config) else [])


def _authorize(account: Account, headers: Headers, tokens: list[dict[str, Any]]) -> None:
    given = values(headers, b"authorization")
    status = account.unproven.refusal_status
    if not given:
        raise Stop(status, "AccessDenied", NO_AUTHORIZATION)
    scheme, _, token = given[0].partition(b" ")
    if account.unproven.any_case_scheme:
        scheme = scheme.capitalize()
    # All of them, without an early exit: the time says nothing about which one was close.
    matches = [hmac.compare_digest(one["tokenData"].encode(), token) for one in tokens if one["enable"]]
    if len(given) > 1 or scheme != b"Bearer" or not any(matches):
        raise Stop(status, "AccessDenied", WRONG_TOKEN)
