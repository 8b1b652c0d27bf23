"""From the user's `MCPServer` and the settings to one ASGI app behind a door. Knows the SDK; knows no event shape."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer, RequestStateBoundary
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import INTERNAL_ERROR, CallToolResult, TextContent
from starlette.applications import Starlette
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_faas.auth.scopes import Scopes, advertised, least
from mcp_faas.declarations import check_declarations, scopes_of
from mcp_faas.doors import Door, open_door
from mcp_faas.gate import ENDPOINT, Gate
from mcp_faas.listing import hiding
from mcp_faas.mirrored import MirroredSchemas
from mcp_faas.operations import BODY_MAX_BYTES
from mcp_faas.references import completing_known
from mcp_faas.settings import Settings
from mcp_faas.settings.values import SettingsError
from mcp_faas.spans import on_demand
from mcp_faas.state_keys import KeyedBoundary, StateKeys

SSE_PATH, SSE_MESSAGE_PATH = "/sse", "/messages/"

logger = logging.getLogger(__name__)

# The gate has checked the Origin, and nothing here is ever built from the Host: behind a gateway that is the
# platform's name for the function, which no list of ours could know (the SDK's check would answer 421).
_CHECKED_IN_FRONT = TransportSecuritySettings(enable_dns_rebinding_protection=False)


def load_server(address: str) -> tuple[MCPServer[Any], Scopes]:
    """Import `module:attribute` and find the server, and the scopes that guard it. Raises `SettingsError`."""
    module_name, _, attribute = address.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # something that the module itself needs
        raise SettingsError(f'MCP_SERVER is "{address}", but there is no module {module_name}.') from None
    server = getattr(module, attribute, None)
    if not isinstance(server, MCPServer):
        raise SettingsError(
            f'MCP_SERVER is "{address}", but {module_name} has no MCPServer called {attribute}. '
            f'Write `{attribute} = MCPServer("name")` from `mcp.server.mcpserver`.'
        )
    if server.settings.auth is not None:
        raise SettingsError(
            f'MCP_SERVER is "{address}", whose MCPServer has `auth=` of its own. Leave it out: the door is MCP_DOOR.'
        )
    return server, scopes_of(module)


def build_app(settings: Settings, *, streaming: bool) -> Callable[[], tuple[Gate, Starlette]]:
    """Check everything once, and return what makes the app: the gate, and behind it the SDK's app with the lifespan.

    `streaming` says whether the platform can answer in a stream. The result may be called again for a fresh app, as
    after a call that was cut off; door, keys and server stay the same. Raises `SettingsError`.
    """
    if settings.sse and not streaming:
        raise SettingsError("MCP_SSE is on, but this platform answers in one piece. Use FC's web function, or off.")
    for doubt in settings.doubts:
        logger.warning("%s", doubt)
    server, scopes = load_server(settings.server)
    check_declarations(server, scopes)
    _harden(server, settings)
    if settings.hides_forbidden:
        server.middleware.insert(0, hiding(scopes, _same_uri))
    door = open_door(settings, background=streaming)
    before_end = _tracing(settings, server.name)

    def make() -> tuple[Gate, Starlette]:
        app = server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            streamable_http_path=ENDPOINT,
            max_request_body_size=BODY_MAX_BYTES,
            transport_security=_CHECKED_IN_FRONT,
        )
        wire = server.session_manager.app
        if wire.get_tool_input_schema is not None and not isinstance(wire.get_tool_input_schema, MirroredSchemas):
            wire.get_tool_input_schema = MirroredSchemas(wire.get_tool_input_schema)
        if settings.sse:
            sse = server.sse_app(
                sse_path=SSE_PATH,
                message_path=SSE_MESSAGE_PATH,
                max_request_body_size=BODY_MAX_BYTES,
                transport_security=_CHECKED_IN_FRONT,
            )
            app.router.routes.extend(sse.routes[:2])
        gate = _gate(app, settings, door, scopes)
        return replace(gate, straight=_straight_to(server.session_manager, app), before_end=before_end), app

    return make


def _straight_to(manager: StreamableHTTPSessionManager, app: Starlette) -> ASGIApp:
    """The way of a message that the gate has let in: no router has to find out where it goes."""

    async def straight(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app  # what a tool finds as `request.app`
        await manager.handle_request(scope, receive, send)

    return straight


def _gate(app: Starlette, settings: Settings, door: Door, scopes: Scopes) -> Gate:
    supported = settings.scopes_supported
    public_path = urlsplit(settings.public_url).path if settings.public_url else ENDPOINT
    own = {ENDPOINT, SSE_PATH, SSE_MESSAGE_PATH}
    custom = [route for route in app.router.routes if isinstance(route, Route) and route.path not in own]
    return Gate(
        app=app,
        door_name=settings.door,
        door=door,
        scopes=scopes,
        issuers=settings.jwt.issuers if settings.jwt else (),
        scopes_required=least(settings.scopes),
        scopes_supported=advertised(settings.scopes, scopes.supported) if supported is None else supported,
        denies_in_results=settings.denies_in_results,
        allowed_origins=settings.allowed_origins,
        endpoints=frozenset({ENDPOINT, unquote(public_path) or "/"}),
        messages=frozenset({SSE_MESSAGE_PATH} if settings.sse else ()),
        streams=frozenset({SSE_PATH} if settings.sse else ()),
        leads=lambda scope: any(route.matches(scope)[0] is not Match.NONE for route in custom),
        same_uri=_same_uri,
    )


def _tracing(settings: Settings, name: str) -> Callable[[float | None], Awaitable[None]] | None:
    """Start to send the SDK's spans where the settings ask for it; returns what waits until they have left.

    A wrong setting of OpenTelemetry's costs the spans and not the function, as its specification says.
    """
    if settings.otlp_protocol is None:
        return None
    if settings.otlp_protocol != "http/protobuf":
        logger.warning("no spans: OTEL_EXPORTER_OTLP_PROTOCOL is %s; set it to http/protobuf", settings.otlp_protocol)
        return None
    try:
        from mcp_faas import tracing  # a tenth of a cold start: only for those who ask for it
    except ModuleNotFoundError as error:
        logger.warning("no spans: this artifact has no %s; build it with OTEL=on, or unset OTEL_*", error.name)
        return None
    return tracing.start(name).leave


def _same_uri(declared: str, asked: str) -> bool:
    """Does a declared URI or URI template mean the resource asked for? As the SDK's own resource manager decides."""
    return declared == asked or ("{" in declared and UriTemplate.parse(declared).match(asked) is not None)


def _harden(server: MCPServer[Any], settings: Settings) -> None:
    """Make a server that anybody wrote fit for many instances: shared state keys, and no promise of a stream."""
    if settings.request_state_key is None:
        logger.warning(
            "MCP_REQUEST_STATE_KEY is not set: a question to the user (elicitation) can only be answered on the "
            "instance that asked it"
        )
    else:
        boundary = KeyedBoundary(StateKeys(settings.request_state_key), default_audience=server.name)
        chain = server.middleware
        chain[:] = [boundary if isinstance(entry, RequestStateBoundary) else entry for entry in chain]
    on_demand(server.middleware)
    server.middleware[:0] = [_without_subscriptions, _survive, completing_known(server)]


async def _survive(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """A tool that ends its process, as argument parsers do, ends its own call: the instance belongs to others too."""
    try:
        return await call_next(ctx)
    except (Exception, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException:
        logger.exception("%s tried to end the process", ctx.method)
        if ctx.method != "tools/call":
            raise MCPError(INTERNAL_ERROR, "Internal error") from None
        text = TextContent(type="text", text="Error executing the tool")
        return CallToolResult(content=[text], is_error=True)


async def _without_subscriptions(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Take the promise of change notifications out of `server/discover` and `initialize`: nobody could keep it."""
    result = await call_next(ctx)
    if ctx.method not in ("server/discover", "initialize") or result is None:
        return result
    answer = result if isinstance(result, dict) else result.model_dump(by_alias=True, mode="json", exclude_none=True)
    for capability in answer.get("capabilities", {}).values():
        for promise in ("listChanged", "subscribe"):
            if promise in capability:
                capability[promise] = False
    return answer
