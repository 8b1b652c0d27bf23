"""The SDK's tracing rests while nobody collects spans, and never a moment longer."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from opentelemetry import trace

from mcp_faas import spans
from mcp_faas.spans import on_demand

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


class Message:
    def __init__(self, meta: Any) -> None:
        self.meta = meta


async def traced(monkeypatch: pytest.MonkeyPatch, provider: object, meta: Any) -> bool:
    """Does the middleware in front of the handler see the message?"""
    seen = []

    class Tracing:
        async def __call__(self, ctx: Any, call_next: Any) -> Any:
            seen.append(ctx)
            return await call_next(ctx)

    async def answer(ctx: Any) -> Any:
        return {"answered": ctx}

    chain: list[Any] = [Tracing()]
    message = Message(meta)
    monkeypatch.setattr(spans, "_TRACING", frozenset({Tracing}))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    on_demand(chain)
    assert await chain[0](message, answer) == {"answered": message}
    return seen == [message]


def test_what_rests_is_the_sdks_tracing_and_nothing_else() -> None:
    assert [kind.__name__ for kind in spans._TRACING] == ["OpenTelemetryMiddleware"]
    server = MCPServer("any")

    async def own(ctx: Any, call_next: Any) -> Any:
        return await call_next(ctx)

    server.middleware.append(own)
    before = list(server.middleware)
    on_demand(server.middleware)
    changed = [old for old, new in zip(before, server.middleware, strict=True) if old is not new]
    assert [type(entry).__name__ for entry in changed] == ["OpenTelemetryMiddleware"]


@pytest.mark.anyio
@pytest.mark.parametrize("meta", [None, {}, {"progressToken": 1}])
async def test_no_span_is_made_for_nobody(monkeypatch: pytest.MonkeyPatch, meta: Any) -> None:
    assert not await traced(monkeypatch, trace.ProxyTracerProvider(), meta)


@pytest.mark.anyio
async def test_callers_trace_goes_on_without_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await traced(monkeypatch, trace.ProxyTracerProvider(), PARENT)


@pytest.mark.anyio
async def test_provider_of_the_users_gets_every_span(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await traced(monkeypatch, trace.NoOpTracerProvider(), None)
