"""A collector of OpenTelemetry's spans on loopback: takes OTLP over HTTP, as protobuf, and keeps what came."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector:
    """What has come, and where it is to be sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.go_on = threading.Event()  # answers wait for it
        self.go_on.set()

    @property
    def spans(self) -> list[Any]:
        return [span for resource in self.resources for scope in resource.scope_spans for span in scope.spans]

    @property
    def resources(self) -> list[Any]:
        decoded = [ExportTraceServiceRequest.FromString(body) for _, body in self.requests]
        return [resource for request in decoded for resource in request.resource_spans]

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def everything(self) -> bytes:
        return b"".join(body for _, body in self.requests)


def attributes(thing: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in thing.attributes}


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            collector.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            collector.go_on.wait(60)
            answer = ExportTraceServiceResponse().SerializeToString()
            with contextlib.suppress(OSError):  # whoever sent it may be gone
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        collector.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
