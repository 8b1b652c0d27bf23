"""Lambda's Runtime API for one instance and one call: hands out an event, and notes when the answer came in."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

DEADLINE_SECONDS = 29


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is the instance, which was killed after its answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """`with RuntimeApi(event) as api:` start the instance, then `api.wait(seconds)`. It has no second event."""

    def __init__(self, event: bytes) -> None:
        self._event = event
        self._answered = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._handed_out = False
        self.answer = b""
        self.failed = False
        self.answered_at = 0.0
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if not api._take():
                    api._closing.wait()
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
                self.send_header("lambda-runtime-deadline-ms", str(int((time.time() + DEADLINE_SECONDS) * 1000)))
                arn = "arn:aws:lambda:eu-west-1:123456789012:function:bench"
                self.send_header("lambda-runtime-invoked-function-arn", arn)
                self.send_header("content-length", str(len(api._event)))
                self.end_headers()
                self.wfile.write(api._event)

            def do_POST(self) -> None:
                body = self._body()
                at = time.perf_counter()
                api._note(body, at, failed=not self.path.endswith("/response"))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def _body(self) -> bytes:
                if self.headers.get("transfer-encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: standard error is for the progress line."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def wait(self, seconds: float) -> bool:
        return self._answered.wait(seconds)

    def __enter__(self) -> RuntimeApi:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self) -> bool:
        with self._lock:
            first, self._handed_out = not self._handed_out, True
        return first

    def _note(self, body: bytes, at: float, *, failed: bool) -> None:
        if not self._answered.is_set():
            self.answer, self.answered_at, self.failed = body, at, failed
            self._answered.set()
