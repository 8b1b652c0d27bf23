"""The ASGI app in front of the SDK: who may call, from where, with which method, and what is written down about it.

Knows HTTP and the door; knows no event shape, no token format and no tool. Everything that the SDK would answer too
late, too slowly or for strangers is answered here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import anyio
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_faas import audit, cors, logs
from mcp_faas.asgi import JSON, Answer, Header, holding, read_body, recording, replay, respond
from mcp_faas.auth.challenge import Refusal, refuse
from mcp_faas.auth.errors import AuthError, OriginRefused, ScopeMissing
from mcp_faas.auth.metadata import WELL_KNOWN, metadata, metadata_url
from mcp_faas.auth.principal import Principal
from mcp_faas.auth.scopes import Scopes, require, suffices
from mcp_faas.call import DEADLINE_KEY, SCOPE_KEY, Call
from mcp_faas.cors import Origin
from mcp_faas.doors import Door
from mcp_faas.operations import (
    BODY_MAX_BYTES,
    LARGE_BODY_BYTES,
    MessageRefused,
    check_headers,
    check_media_type,
    check_subscription,
    denial,
    read_message,
)

ENDPOINT = "/mcp"
STREAM_MAX_SECONDS = 3600.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Request:
    """One request to something behind the door, and what is decided about it."""

    scope: Scope
    receive: Receive
    send: Send
    call: Call
    decision: audit.Decision


@dataclass(frozen=True)
class Gate:
    """The app behind the door, and the rules of the door.

    `endpoints` are the paths under which the endpoint is known: `/mcp`, and the path of the public URL. `messages` and
    `streams` are the paths of the legacy transport; `leads` says whether a route that the user made is meant. All of
    them are behind the door, and everything else is 404 for everybody.
    """

    app: ASGIApp  # everything that is behind the door
    door_name: str
    door: Door
    scopes: Scopes
    issuers: tuple[str, ...] = ()
    scopes_required: frozenset[str] = frozenset()
    scopes_supported: frozenset[str] = frozenset()
    denies_in_results: bool = False  # a missing scope of one operation is its own result, and not status 403
    allowed_origins: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset({ENDPOINT})
    messages: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    leads: Callable[[Scope], bool] = field(default=lambda _: False)
    same_uri: Callable[[str, str], bool] = field(default=str.__eq__)
    straight: ASGIApp | None = None  # the way of a message to the endpoint, past the app's router
    before_end: Callable[[float | None], Awaitable[None]] | None = None  # of the app's answers; given a deadline
    clock: Callable[[], float] = time.time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name.lower(), value.strip(b" \t")) for name, value in scope["headers"]]
        origin = cors.origin_of(headers, self.allowed_origins)
        send = cors.shared(send, origin)
        call = scope.get(SCOPE_KEY) or Call()
        path, method = scope["path"], scope["method"]
        if path == "/healthz" and method in ("GET", "HEAD"):
            await respond(send, 200, [(b"content-type", b"text/plain; charset=utf-8")], b"ok")
        elif self.issuers and path in self._metadata_paths and method in ("GET", "HEAD", "OPTIONS"):
            await self._metadata(method, headers, origin, call, send)
        elif path in self._own_paths or self.leads(scope):
            path = ENDPOINT if path in self.endpoints else path
            scope = {**scope, "headers": headers, "path": path, "raw_path": path.encode()}
            await self._guarded(scope, receive, send, call, origin)
        else:
            # Exact paths only: the router would redirect `/mcp/` by the Host header, and before the door.
            await respond(send, 404, [JSON], b'{"message":"Not found."}')

    @cached_property
    def _own_paths(self) -> frozenset[str]:
        """The endpoint's, and those of the legacy transport."""
        return self.endpoints | self.messages | self.streams

    @cached_property
    def _spoken_paths(self) -> frozenset[str]:
        """Where a message is sent to."""
        return self.messages | {ENDPOINT}

    @cached_property
    def _metadata_paths(self) -> frozenset[str]:
        """RFC 9728 §3.1: the root form, and the one with the endpoint's path behind it."""
        return frozenset({WELL_KNOWN, *(WELL_KNOWN + path.rstrip("/") for path in self.endpoints)})

    @cached_property
    def _known_to_tools(self) -> ASGIApp:
        """The app, with the caller where `get_access_token()` finds him."""
        return AuthContextMiddleware(self.app)

    @cached_property
    def _straight_known_to_tools(self) -> ASGIApp:
        return AuthContextMiddleware(self.straight or self.app)

    async def _metadata(self, method: str, headers: list[Header], origin: Origin, call: Call, send: Send) -> None:
        if method == "OPTIONS":
            await cors.preflight(origin, headers, send, b"GET")
        elif call.public_url is None:
            await respond(send, 404, [JSON], b'{"message":"Not found."}')
        else:
            told = [JSON, (b"cache-control", b"public, max-age=300")]
            if self.allowed_origins and origin.allowed is None:
                told.append(cors.VARY)
            await respond(send, 200, told, metadata(call.public_url, self.issuers, self.scopes_supported))

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, call: Call, origin: Origin) -> None:
        if scope["method"] == "OPTIONS":
            await cors.preflight(origin, scope["headers"], send)
            return
        began = time.perf_counter()
        answer = Answer()
        decision = audit.Decision(door=self.door_name, request_id=call.request_id)
        request = _Request(scope, receive, recording(send, answer), call, decision)
        try:
            try:
                if origin.foreign:
                    raise OriginRefused("the Origin header")
                await self._admit(request)
            except AuthError as error:
                decision.deny(error)
                refusal = self._refusal(error, call)
                await respond(request.send, refusal.status, refusal.headers, refusal.body)
        except Exception as error:
            # Its kind and place are for the log; the caller learns that it was not his fault.
            logs.report(logger, "the request could not be answered", error)
            decision.reason = "internal_error"
            if answer.status is not None:
                raise
            await respond(request.send, 500, [JSON], b'{"message":"Internal server error."}')
        finally:
            if answer.status is None:  # cancelled: the caller hung up, or the time was over
                decision.reason = "cut_off"
            decision.status = answer.status
            decision.ms = round((time.perf_counter() - began) * 1000, 3)
            audit.write(decision, self.clock())

    async def _admit(self, request: _Request) -> None:
        """Let the request in to the app, or answer it here. Raises an `AuthError` where it may not come in."""
        scope = request.scope
        authorization = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        principal = await self.door.admit(authorization, request.call)
        request.decision.identify(principal)
        # The token stops here: no tool sees it, and no library behind this line can log it.
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        scope = {**scope, "headers": headers, "user": AuthenticatedUser(_access_token(principal, request.call))}
        receive, path, spoken = request.receive, scope["path"], scope["path"] in self._spoken_paths
        if spoken and scope["method"] == "POST":
            body = await self._check_message(request, principal)
            if body is None:
                return
            receive = replay(body, receive)
            app = self._straight_known_to_tools if path == ENDPOINT else self._known_to_tools
        else:
            app = self._known_to_tools
            require(principal.scopes, self.scopes_required)
            request.decision.allow()
            use = "POST" if spoken else "GET" if path in self.streams else scope["method"]
            if scope["method"] != use:
                told = json.dumps({"message": f"Use {use}."}).encode()
                await respond(request.send, 405, [JSON, (b"allow", use.encode())], told)
                return
        send = request.send
        if self.before_end is not None:
            send = holding(send, partial(self.before_end, scope.get(DEADLINE_KEY)))
        if path not in self.streams:
            await app(scope, receive, send)
            return
        # A stream was let in by a token that may end before it: it ends with it, and clients open another.
        left = STREAM_MAX_SECONDS
        if principal.expires_at is not None:
            left = min(left, principal.expires_at - self.clock())
        with anyio.move_on_after(left):
            await app(scope, receive, send)

    async def _check_message(self, request: _Request, principal: Principal) -> bytes | None:
        """Read the message as the SDK will and demand the scopes of its operation; None when it was answered here."""
        headers, decision = request.scope["headers"], request.decision
        try:
            check_media_type(headers)
            body = await read_body(headers, request.receive, BODY_MAX_BYTES)
            if body is not None and len(body) > LARGE_BODY_BYTES:
                require(principal.scopes, self.scopes_required)
            message = read_message(body)
            decision.method, decision.tool = message.method, message.tool
            own = self.scopes.needed_for(*message.guarded, self.same_uri) if message.guarded else frozenset()
            # All of them in one challenge: a client that asks its issuer for half of them comes back for the rest.
            require(principal.scopes, self.scopes_required | own)
            check_headers(message, headers)
            check_subscription(message)
        except MessageRefused as refused:
            require(principal.scopes, self.scopes_required)
            decision.allow(refused.reason)
            await respond(request.send, refused.status, [JSON], refused.body)
            return None
        except ScopeMissing as error:
            # Without the scopes of every request a client has to log in anew, which no result can make it do.
            can_go_on = suffices(principal.scopes, self.scopes_required) and request.scope["path"] == ENDPOINT
            if not self.denies_in_results or not can_go_on or message.id is None:
                raise
            decision.deny(error)
            await respond(request.send, 200, [JSON], denial(message, self._refusal(error, request.call)))
            return None
        decision.allow()
        return body

    def _refusal(self, error: AuthError, call: Call) -> Refusal:
        url = metadata_url(call.public_url, call.mount) if self.issuers and call.public_url else None
        return refuse(error, resource_metadata=url, scopes=self.scopes_required)


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
