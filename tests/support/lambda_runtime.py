"""Lambda's Runtime API with SnapStart, for the real runtime client: it stops where Lambda would take the snapshot."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

API = "/2018-06-01/runtime"
PATIENCE_SECONDS = 60


class SnapStarted:
    """One process under `python -m awslambdaric` in snap-start mode.

    It has started when `with` begins, and waits for `restore`. `invoke` calls it after that.
    """

    def __init__(
        self, handler: str, folder: Path, environment: Mapping[str, str], python: str = sys.executable
    ) -> None:
        self._handler, self._folder, self._python = handler, folder, python
        self._environment = dict(environment)
        self._reached = threading.Event()  # the moment of the snapshot, or the end of the process
        self._restored = threading.Event()
        self._events: queue.Queue[Any] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.process: subprocess.Popen[str]

    def __enter__(self) -> SnapStarted:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        told = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_REGION": "eu-west-1",
        }
        self.process = subprocess.Popen(
            [self._python, "-m", "awslambdaric", self._handler],
            cwd=self._folder,
            env={"PATH": os.defpath, **told, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._reached.wait(0.05) and self.process.poll() is None:
            assert time.monotonic() < until, "the process does not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self._server.shutdown()
        self._server.server_close()

    @property
    def waits(self) -> bool:
        """Has it come to the snapshot, instead of failing before?"""
        return self._reached.is_set() and self.process.poll() is None

    def restore(self) -> None:
        self._restored.set()

    def invoke(self, event: Any) -> Any:
        """The result of one call."""
        self._events.put(event)
        path, answer = self.answers.get(timeout=PATIENCE_SECONDS)
        assert path.endswith("/response"), answer
        return answer

    def remembers(self, secret: str) -> bool:
        """Is this text anywhere in the memory of the process, as it would be in the snapshot?"""
        wanted = [secret.encode(code) for code in ("utf-8", "utf-16-le", "utf-32-le")]
        maps = Path(f"/proc/{self.process.pid}/maps").read_text().splitlines()
        with Path(f"/proc/{self.process.pid}/mem").open("rb", buffering=0) as memory:
            for line in maps:
                span, rights, *_ = line.split()
                if not rights.startswith("rw") or "[v" in line:
                    continue
                start, end = (int(edge, 16) for edge in span.split("-"))
                memory.seek(start)
                found = memory.read(end - start)
                if any(form in found for form in wanted):
                    return True
        return False

    def _take(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        if method == "POST":
            self.answers.put((path, body))
            self._reached.set()
            return 202, None, {}
        if path == f"{API}/restore/next":
            self._reached.set()
            self._restored.wait(PATIENCE_SECONDS)
            return 200, None, {}
        deadline = str(int((time.time() + 20) * 1000))
        told = {"Lambda-Runtime-Aws-Request-Id": "a-request", "Lambda-Runtime-Deadline-Ms": deadline}
        return 200, self._events.get(), {**told, "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:x:1:function:f"}


def _handler_of(runtime: SnapStarted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(*runtime._take("GET", self.path, None))

        def do_POST(self) -> None:
            text = self._chunks() if "chunked" in self.headers.get("transfer-encoding", "") else self._whole()
            self._answer(*runtime._take("POST", self.path, json.loads(text) if text else None))

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def _whole(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        def _chunks(self) -> bytes:
            text = b""
            while size := int(self.rfile.readline(), 16):
                text += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return text

        def _answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
            text = json.dumps(body).encode() if body is not None else b""
            self.send_response(status)
            # Without a content type the client of the runtime crashes.
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(text)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

    return Handler
