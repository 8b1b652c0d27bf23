"""What a hostile case is: a request or an event, and the answer that it must get. No code under test may enter."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from support import mcp
from support.jwts import ISSUER, ec_key, ed_key, rsa_key, sign_parts

REQUIRED_SCOPE = "mcp:tools"  # MCP_SCOPES of every function that the corpus is thrown at
GUARDED_SCOPE = "mcp:vault:open"  # what the canary server declares beside its tool `guarded`
ALLOWED_ORIGIN = "https://app.example.com"

# Texts that only stand in tokens, so that any of them in a log of a refused call is a leak.
CANARIES = {
    "sub": "canary-subject-8d1f",
    "client_id": "canary-client-31c7",
    "jti": "canary-jti-5b02",
    "email": "canary@mail.example",
}

# `http` is FC's web function, `fc` its built-in runtime. A Function URL hands on the path as it was sent, an HTTP API
# decodes it first.
Transport = Literal["asgi", "http", "function-url", "http-api", "fc"]
EVENTS: tuple[Transport, ...] = ("function-url", "http-api", "fc")


@dataclass(frozen=True)
class Expect:
    """The answer: status, `error` of the challenge, and the reasons that the audit line may have.

    `error` is None where there is no challenge at all, and empty where it has no error code. Without `reasons` no
    decision was made, and no audit line may be written.
    """

    status: int
    error: str | None
    reasons: tuple[str, ...] = ()
    scope: str = REQUIRED_SCOPE

    def __str__(self) -> str:
        error = {None: "-", "": "challenge"}.get(self.error, self.error)
        return f"{self.status} {error} {'|'.join(self.reasons) or '-'}"


def invalid_token(*reasons: str) -> Expect:
    """RFC 6750 §3.1: expired, revoked, malformed or invalid for other reasons."""
    return Expect(401, "invalid_token", reasons)


def insufficient_scope(scope: str = REQUIRED_SCOPE) -> Expect:
    """RFC 6750 §3.1: the scopes of the operation stand in the challenge."""
    return Expect(403, "insufficient_scope", ("scope_missing",), scope)


def plain(status: int, *reasons: str) -> Expect:
    """An answer that no token would change, or that a good token got: there is nothing to challenge."""
    return Expect(status, None, reasons)


STRANGER = Expect(401, "", ("token_missing",))  # RFC 6750 §3: without credentials no error code
MALFORMED = Expect(400, "invalid_request", ("request_malformed",))
ORIGIN_REFUSED = plain(403, "origin_not_allowed")
NOT_FOUND = plain(404)
NO_REQUEST = plain(400)  # not HTTP, or not an event of this function: nobody decides anything


@dataclass(frozen=True)
class Request:
    """One HTTP request, as it would arrive: header values are text that goes out as UTF-8."""

    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = mcp.message("tools/call", mcp.call("touch"))
    method: str = "POST"
    target: str = "/mcp"
    content_type: str | None = "application/json"

    def all_headers(self) -> list[tuple[str, str]]:
        """With those that every client sends."""
        common = [("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", mcp.LEGACY[0])]
        if self.content_type is not None:
            common.append(("Content-Type", self.content_type))
        own = {name.lower() for name, _ in self.headers}
        return [*(pair for pair in common if pair[0].lower() not in own), *self.headers]


@dataclass(frozen=True)
class Case:
    """A request with its answer; `exceptions` name the transports on which the answer is another.

    None stands for a request that this transport cannot express.
    """

    id: str
    source: str
    request: Request
    expect: Expect
    exceptions: Mapping[Transport, Expect | None] = field(default_factory=dict)
    profile: str = "rfc9068"  # MCP_JWT_PROFILE of the function

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]

    def expected(self, transport: Transport) -> Expect | None:
        return self.exceptions.get(transport, self.expect)


@dataclass(frozen=True)
class EventCase:
    """An event of a function that is called with events, with its answer."""

    id: str
    source: str
    platform: Literal["aws", "fc"]
    event: Any
    expect: Expect

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]


def bearer(token: str) -> Request:
    """The good request with this token."""
    return Request((("Authorization", f"Bearer {token}"),))


def token_case(
    identity: str, source: str, token: str, expect: Expect, exceptions: Mapping[Transport, Expect | None] | None = None
) -> Case:
    return Case(identity, source, bearer(token), expect, exceptions or {})


KEYS: dict[str, tuple[str, Any]] = {
    "k-rsa": ("RS256", rsa_key()),
    "k-rs256": ("RS256", rsa_key(name="bound to one algorithm")),
    "k-p256": ("ES256", ec_key("P-256")),
    "k-p384": ("ES384", ec_key("P-384")),
    "k-p521": ("ES512", ec_key("P-521")),
    "k-ed": ("EdDSA", ed_key()),
}
STRANGERS_KEY = rsa_key(name="of a stranger")


@dataclass(frozen=True)
class World:
    """What the tokens are made for: the endpoint's URL, and the hour."""

    resource: str
    now: int = field(default_factory=lambda: int(time.time()))

    def header(self, signer: str = "k-rsa", /, **changes: Any) -> dict[str, Any]:
        """The good header; a member that is `...` is left out."""
        return _merge({"alg": KEYS[signer][0], "typ": "at+jwt", "kid": signer}, changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The good claims; a member that is `...` is left out."""
        good = {
            "iss": ISSUER,
            "aud": self.resource,
            **CANARIES,
            "iat": self.now - 10,
            "exp": self.now + 3 * 3600,
            "scope": REQUIRED_SCOPE,
        }
        return _merge(good, changes)

    def token(
        self, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None, *, kid: str = "k-rsa"
    ) -> str:
        """The good token with these members changed, signed by the key that `kid` names."""
        return self.signed(
            json.dumps(self.header(kid, **(header or {}))).encode(),
            json.dumps(self.claims(**(claims or {}))).encode(),
            kid=kid,
        )

    def signed(self, header: bytes, payload: bytes, *, kid: str = "k-rsa", algorithm: str | None = None) -> str:
        """These very bytes, signed by a good key."""
        return sign_parts(header, payload, algorithm=algorithm or KEYS[kid][0], key=KEYS[kid][1])


def _merge(good: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}
