"""The SDK's spans where somebody collects them, and no work for them where nobody does. Knows OpenTelemetry's API.

Each server of the SDK makes a span for each message, also where no provider of tracers would keep it; that is a tenth
of a call. Whether one is there is asked for each message, because `tools.py` may set it up at any time.
"""

from __future__ import annotations

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.lowlevel import Server
from opentelemetry import trace

# All that a server without options comes with; its documentation says to take it out of the list to be without spans.
_TRACING = frozenset(type(entry) for entry in Server("").middleware)


def on_demand(chain: list[ServerMiddleware[Any]]) -> None:
    """Let the SDK's own tracing in a chain of middlewares rest while there is nothing to trace."""
    chain[:] = [_resting(entry) if type(entry) in _TRACING else entry for entry in chain]


def _resting(tracing: ServerMiddleware[Any]) -> ServerMiddleware[Any]:
    async def trace_if_asked(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        # A caller's trace goes on through a server that records nothing itself: what the tool calls may record it.
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider) and "traceparent" not in (ctx.meta or ()):
            return await call_next(ctx)
        return await tracing(ctx, call_next)

    return trace_if_asked
