"""Take the one bearer token out of a request's headers, and find it in a token document. No I/O.

RFC 6750 §2: the `Authorization` header is the only place that counts; one credential, one blank, one token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

from mcp_faas.auth.errors import RequestMalformed, TokenMissing, TokenUnknown
from mcp_faas.tokens import Token

# The union of RFC 6750's b64token and of what FC accepts. No comma: gateways join repeated headers with one.
_CREDENTIALS = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9\-._~+/=]+)")
_SCHEME = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr](?![A-Za-z0-9!#$%&'*+.^_`|~-])")


def token_of(authorization: Sequence[str]) -> str:
    """The token in the values of a request's `Authorization` headers.

    Raises `TokenMissing` when there is no bearer credential, `RequestMalformed` when there is more than one header
    (front doors disagree on which one counts) or when the one is not `Bearer`, a blank and a token.
    """
    if len(authorization) > 1:
        raise RequestMalformed("more than one Authorization header")
    if not authorization or not _SCHEME.match(authorization[0]):
        if authorization and "," in authorization[0] and "bearer" in authorization[0].lower():
            raise RequestMalformed("several credentials in one Authorization header")
        raise TokenMissing("no credential of the scheme Bearer")
    found = _CREDENTIALS.fullmatch(authorization[0])
    if found is None:
        raise RequestMalformed("the Authorization header is not `Bearer`, one blank and a token")
    return found[1]


def identify(presented: str, tokens: Iterable[Token]) -> Token:
    """The enabled token whose value was presented, or `TokenUnknown`.

    Compares digests of equal length with every token and never stops early, so that the time tells nothing about a
    value, its length or its place (20 tokens: about 2 µs).
    """
    digest = hashlib.sha256(presented.encode()).digest()
    found: Token | None = None
    for token in tokens:
        same = hmac.compare_digest(digest, hashlib.sha256(token.data.encode()).digest())
        if same and token.enabled:
            found = token
    if found is None:
        raise TokenUnknown("no enabled token has this value")
    return found
