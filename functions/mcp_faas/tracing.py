"""Send the SDK's spans to where the OTEL_* settings say. Knows OpenTelemetry; knows no door and no MCP.

Imported only where those settings are, for it makes a cold start longer by a tenth. OpenTelemetry reads its own
settings. A platform freezes an instance when it has answered, so what was recorded leaves before the answer does.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, Status
from opentelemetry.util.types import Attributes, AttributeValue

from mcp_faas.logs import redact

FLUSH_SECONDS = 1.0  # what an answer waits for its spans
REST_SECONDS = 30.0  # after a collector that did not take them in time, nobody waits for it
MARGIN_SECONDS = 0.2  # what a call that is nearly over keeps for its answer
TEXT_MAX_CHARACTERS = 256  # names of tools and ids of messages come from callers
SDK_SCOPE = "mcp-python-sdk"

logger = logging.getLogger(__name__)


class Spans:
    """What was recorded and has not left yet."""

    def __init__(self, flush: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._flush = flush
        self._clock = clock
        self._rests_until = 0.0
        self._asked: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = queue.SimpleQueue()
        # One thread of our own: a flush blocks, and a collector that hangs must neither keep the workers of the tools
        # nor the end of the process.
        threading.Thread(target=self._work, name="mcp-faas spans", daemon=True).start()

    async def leave(self, deadline: float | None = None) -> None:
        """Wait until what was recorded before is gone, for a moment; `deadline` is when the call must be over.

        A collector that is slow or away costs one call in `REST_SECONDS` that moment. Its spans are sent later, if at
        all.
        """
        loop, now = asyncio.get_running_loop(), self._clock()
        patience = FLUSH_SECONDS if deadline is None else min(FLUSH_SECONDS, deadline - loop.time() - MARGIN_SECONDS)
        if now < self._rests_until or patience <= 0:
            return
        done = loop.create_future()
        self._asked.put((loop, done))
        await asyncio.wait({done}, timeout=patience)
        if not done.done():
            self._rests_until = now + REST_SECONDS
            logger.warning(
                "the spans did not leave within %.1f s; no call waits for the collector for a while", patience
            )

    def _work(self) -> None:
        while True:
            asked = [self._asked.get()]
            while not self._asked.empty():  # one flush for all who came during the last one
                asked.append(self._asked.get())
            self._flush()
            for loop, done in asked:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_resolve, done)


def start(service: str) -> Spans:
    """Record from now on; `service` is the name where OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES give none."""
    # It would quote a header of OTEL_EXPORTER_OTLP_HEADERS that it cannot read, and they hold keys.
    logging.getLogger("opentelemetry.util.re").setLevel(logging.ERROR)
    provider = trace.get_tracer_provider()
    # A wrapper around the function, as AWS's layer is, may have set everything up before us.
    if not isinstance(provider, TracerProvider):
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(Discreet(OTLPSpanExporter())))
        trace.set_tracer_provider(provider)
    return Spans(provider.force_flush)


class Discreet(SpanExporter):
    """Hands on spans without what callers sent: the SDK's own hold an error's text, which may quote arguments.

    Spans that the user's tools make are theirs, and leave as they are, but for the caller's `tracestate`.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_discreet(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _discreet(span: ReadableSpan) -> ReadableSpan:
    scope = span.instrumentation_scope
    if scope is None or scope.name != SDK_SCOPE:
        return _rebuilt(span, span.name, span.attributes, span.events, span.links, span.status)
    kinds = [(event, (event.attributes or {}).get("exception.type", "")) for event in span.events]
    return _rebuilt(
        span,
        _short(span.name),
        {name: _short_value(value) for name, value in (span.attributes or {}).items()},
        [Event(event.name, {"exception.type": kind}, event.timestamp) for event, kind in kinds],
        (),
        Status(span.status.status_code),
    )


def _rebuilt(
    span: ReadableSpan,
    name: str,
    attributes: Attributes,
    events: Sequence[Event],
    links: Sequence[Link],
    status: Status,
) -> ReadableSpan:
    """The span with these, and without the state of its trace, which every span inherits from the caller."""
    return ReadableSpan(
        name=name,
        context=_stateless(span.context),
        parent=_stateless(span.parent),
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _stateless(context: SpanContext | None) -> SpanContext | None:
    """`tracestate` is up to 32 texts of whoever called us, and nobody needs them to join the spans of a trace."""
    return context and SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _short(text: str) -> str:
    return redact(text[:TEXT_MAX_CHARACTERS])


def _short_value(value: AttributeValue) -> AttributeValue:
    return _short(value) if isinstance(value, str) else value


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
