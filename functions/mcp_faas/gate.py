"""The ASGI app in front of the SDK: who may call, from where, with which method, and what is written down about it.

Knows HTTP and the door; knows no event shape, no token format and no tool. Everything that the SDK would answer too
late, too slowly or for strangers is answered here.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import anyio
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_faas import audit
from mcp_faas.auth.challenge import Header, Refusal, refuse
from mcp_faas.auth.errors import AuthError, OriginRefused
from mcp_faas.auth.metadata import WELL_KNOWN, metadata, metadata_url
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.scopes import Scopes, require
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.doors import Door
from mcp_faas.message import INVALID_REQUEST, MessageMalformed, parse_message
from mcp_faas.message import Message as JsonRpc

ENDPOINT = "/mcp"
BODY_MAX_BYTES = 4 * 1024 * 1024  # the SDK's own limit; below Lambda's 6 MB and FC's 32 MB
STREAM_MAX_SECONDS = 3600.0
_JSON = (b"content-type", b"application/json")
_PREFLIGHT_SECONDS = 600
_ALLOWED_HEADERS = (
    b"authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id"
)
_REQUESTED_HEADERS = b"access-control-request-headers"
_TOOL_HEADER = re.compile(rb"mcp-param-[a-z0-9-]{1,100}")
# AWS renames the challenge of a function, so a browser must be able to read it under both names.
_EXPOSED_HEADERS = b"www-authenticate, x-amzn-remapped-www-authenticate, retry-after"

logger = logging.getLogger(__name__)


@dataclass
class _Answer:
    """What was sent, for the audit line."""

    status: int | None = None


@dataclass(frozen=True)
class Gate:
    """The app behind the door, and the rules of the door.

    `endpoints` are the paths under which the endpoint is known: `/mcp`, and the path of the public URL. `messages` and
    `streams` are the paths of the legacy transport; `leads` says whether a route that the user made is meant. All of
    them are behind the door, and everything else is 404 for everybody.
    """

    app: ASGIApp
    door_name: str
    door: Door
    scopes: Scopes
    issuers: tuple[str, ...] = ()
    scopes_required: frozenset[str] = frozenset()
    scopes_supported: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset({ENDPOINT})
    messages: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    leads: Callable[[Scope], bool] = field(default=lambda _: False)
    same_uri: Callable[[str, str], bool] = field(default=str.__eq__)
    clock: Callable[[], float] = time.time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name.lower(), value.strip(b" \t")) for name, value in scope["headers"]]
        origins = [value for name, value in headers if name == b"origin"]
        origin = self._allowed(origins)
        send = _with_cors(send, origin)
        call = scope.get(SCOPE_KEY) or Call()
        path, method = scope["path"], scope["method"]
        if path == "/healthz" and method in ("GET", "HEAD"):
            await _send(send, 200, [(b"content-type", b"text/plain; charset=utf-8")], b"ok")
        elif self.issuers and path in self._metadata_paths and method in ("GET", "HEAD", "OPTIONS"):
            await self._metadata(method, origins, origin, call, send)
        elif path in self.endpoints | self.messages | self.streams or self.leads(scope):
            path = ENDPOINT if path in self.endpoints else path
            scope = {**scope, "headers": headers, "path": path, "raw_path": path.encode()}
            await self._guarded(scope, receive, send, call, origins, origin)
        else:
            # Exact paths only: the router would redirect `/mcp/` by the Host header, and before the door.
            await _send(send, 404, [_JSON], b'{"message":"Not found."}')

    @property
    def _metadata_paths(self) -> frozenset[str]:
        """RFC 9728 §3.1: the root form, and the one with the endpoint's path behind it."""
        return frozenset({WELL_KNOWN, *(WELL_KNOWN + path.rstrip("/") for path in self.endpoints)})

    def _allowed(self, origins: list[bytes]) -> bytes | None:
        """The one origin of the request, if it is an allowed one."""
        allowed = len(origins) == 1 and origins[0].decode("latin-1") in self.allowed_origins
        return origins[0] if allowed else None

    async def _metadata(self, method: str, origins: list[bytes], origin: bytes | None, call: Call, send: Send) -> None:
        if method == "OPTIONS":
            await self._preflight(origins, origin, send)
        elif call.public_url is None:
            await _send(send, 404, [_JSON], b'{"message":"Not found."}')
        else:
            cache = (b"cache-control", b"public, max-age=300")
            body = metadata(call.public_url, self.issuers, self.scopes_supported)
            await _send(send, 200, [_JSON, cache], body)

    async def _preflight(self, origins: list[bytes], origin: bytes | None, send: Send, asked: bytes = b"") -> None:
        """Answer a browser's question before its request; it never carries a token (Fetch §4.8)."""
        if origins and origin is None:
            await _refuse(send, refuse(OriginRefused("preflight"), resource_metadata=None))
            return
        # Tools may name headers of their own (Mcp-Param-*), which no list of ours could know.
        own = [name for name in asked.lower().replace(b" ", b"").split(b",") if _TOOL_HEADER.fullmatch(name)]
        headers = [
            (b"allow", b"POST, OPTIONS"),
            (b"access-control-allow-methods", b"POST, OPTIONS"),
            (b"access-control-allow-headers", b", ".join([_ALLOWED_HEADERS, *own])),
            (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
        ]
        await _send(send, 204, headers if origin is not None else headers[:1], b"")

    async def _guarded(
        self, scope: Scope, receive: Receive, send: Send, call: Call, origins: list[bytes], origin: bytes | None
    ) -> None:
        if scope["method"] == "OPTIONS":
            asked = next((value for name, value in scope["headers"] if name == _REQUESTED_HEADERS), b"")
            await self._preflight(origins, origin, send, asked)
            return
        began = time.perf_counter()
        answer = _Answer()
        send = _recording(send, answer)
        decision = audit.Decision(door=self.door_name, request_id=call.request_id)
        try:
            try:
                await self._admit(scope, receive, send, call, bool(origins) and origin is None, decision)
            except AuthError as error:
                decision.decision, decision.reason = "deny", error.reason
                url = metadata_url(call.public_url) if self.issuers and call.public_url else None
                await _refuse(send, refuse(error, resource_metadata=url, scopes=self.scopes_required))
        except Exception:
            # The traceback is for the log; the caller learns that it was not his fault.
            logger.exception("the request could not be answered")
            decision.reason = "internal_error"
            if answer.status is not None:
                raise
            await _send(send, 500, [_JSON], b'{"message":"Internal server error."}')
        finally:
            if answer.status is None:  # cancelled: the caller hung up, or the time was over
                decision.reason = "cut_off"
            decision.status = answer.status
            decision.ms = round((time.perf_counter() - began) * 1000, 3)
            audit.write(decision, self.clock())

    async def _admit(
        self, scope: Scope, receive: Receive, send: Send, call: Call, foreign: bool, decision: audit.Decision
    ) -> None:
        if foreign:
            raise OriginRefused("the Origin header")
        authorization = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        principal = await self.door.admit(authorization, call)
        decision.issuer, decision.subject = principal.issuer, principal.subject
        decision.client, decision.scopes = principal.client, sorted(principal.scopes)
        require(principal.scopes, self.scopes_required)
        decision.decision, decision.reason = "allow", "ok"
        # The token stops here: no tool sees it, and no library behind this line can log it.
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        scope = {**scope, "headers": headers, "user": AuthenticatedUser(_access_token(principal, call))}
        path, spoken = scope["path"], scope["path"] in self.messages | {ENDPOINT}
        allow = "POST" if spoken else "GET" if path in self.streams else None
        if allow is not None and scope["method"] != allow:
            told = json.dumps({"message": f"Use {allow}."}).encode()
            await _send(send, 405, [_JSON, (b"allow", allow.encode())], told)
            return
        if spoken:
            if _media_type(headers) != b"application/json":
                decision.reason = "message_malformed"
                text = "Send Content-Type: application/json"
                await _send_error(send, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, None, INVALID_REQUEST, text)
                return
            body = await _read_body(headers, receive)
            if body is None:
                decision.reason = "message_too_large"
                await _send(send, 413, [_JSON], json.dumps({"message": _TOO_LARGE}).encode())
                return
            if not await self._check_message(body, principal, send, decision):
                return
            receive = _replay(body, receive)
        # A stream was let in by a token that may end before it: it ends with it, and clients open another.
        left = STREAM_MAX_SECONDS
        if principal.expires_at is not None:
            left = min(left, principal.expires_at - self.clock())
        with anyio.move_on_after(left if path in self.streams else None):
            await AuthContextMiddleware(self.app)(scope, receive, send)

    async def _check_message(self, body: bytes, principal: Principal, send: Send, decision: audit.Decision) -> bool:
        """Read the message as the SDK will, demand the scopes of its operation; False when it was answered here."""
        try:
            message = parse_message(body)
        except MessageMalformed as error:
            decision.reason = "message_malformed"
            await _send_error(send, HTTPStatus.BAD_REQUEST, None, error.code, str(error))
            return False
        decision.method, decision.tool = message.method, message.tool
        if message.method == "subscriptions/listen":
            # A stream without end: on a function it would run to the timeout, at the owner's expense.
            await _send_error(send, HTTPStatus.NOT_FOUND, message, -32601, "Method not found")
            return False
        if message.method is not None and message.target is not None:
            require(principal.scopes, self.scopes.needed_for(message.method, message.target, self.same_uri))
        return True


_TOO_LARGE = f"The body is larger than {BODY_MAX_BYTES} bytes."


def _access_token(principal: Principal, call: Call) -> AccessToken:
    """What `get_access_token()` gives a tool: everything about the caller but the token itself."""
    claims = dict(principal.claims) or ({"iss": principal.issuer} if principal.issuer else {})
    return AccessToken(
        token="",
        client_id=principal.client,
        scopes=sorted(principal.scopes),
        expires_at=principal.expires_at,
        resource=call.public_url,
        subject=principal.subject,
        claims=claims,
    )


def _media_type(headers: Iterable[Header]) -> bytes:
    """The media type of the request's body, without its parameters (RFC 9110 §8.3)."""
    value = next((value for name, value in headers if name == b"content-type"), b"")
    return value.partition(b";")[0].strip().lower()


async def _read_body(headers: Iterable[Header], receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is longer than the limit."""
    declared = next((value for name, value in headers if name == b"content-length"), b"0")
    if declared.isdigit() and int(declared[:20]) > BODY_MAX_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


def _recording(send: Send, answer: _Answer) -> Send:
    async def recorded(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
        await send(message)

    return recorded


def _with_cors(send: Send, origin: bytes | None) -> Send:
    """Let the one allowed origin read the answer; without one, add nothing."""
    if origin is None:
        return send

    async def shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                *message.get("headers", []),
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _EXPOSED_HEADERS),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": headers}
        await send(message)

    return shared


async def _send(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    # RFC 9110 §8.6: no Content-Length on 204.
    length = [] if status == HTTPStatus.NO_CONTENT else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, refusal: Refusal) -> None:
    await _send(send, refusal.status, refusal.headers, refusal.body)


async def _send_error(send: Send, status: int, message: JsonRpc | None, code: int, text: str) -> None:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": message.id if message else None}
    await _send(send, status, [_JSON], json.dumps({**body, "error": {"code": code, "message": text}}).encode())
