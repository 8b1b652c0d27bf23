"""The processes that measure: what they count, and that a stack which answers wrongly is an error and no figure."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks import cold, events, warm
from benchmarks.child import Child, ChildFailed
from benchmarks.environments import HANDLERS
from benchmarks.peers import ERAS, FLOOR, LEGACY, MODERN
from benchmarks.runtime_api import RuntimeApi

PYTHON = Path(sys.executable)
ADD = warm.Case.of_tool(MODERN, "async", 10)


def test_the_runtime_api_hands_out_one_event_and_notes_the_first_answer() -> None:
    with RuntimeApi(b'{"event": 1}') as api:
        host, _, port = api.address.partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        response = connection.getresponse()
        assert (response.read(), response.status) == (b'{"event": 1}', 200)
        identity = response.headers["lambda-runtime-aws-request-id"]
        assert not api.wait(0)
        for body in (b"first", b"second"):
            connection.request("POST", f"/2018-06-01/runtime/invocation/{identity}/response", body)
            assert connection.getresponse().read() == b""
        assert api.wait(10)
        assert (api.answer, api.failed) == (b"first", False)
        connection.close()


def test_an_error_of_the_function_is_a_failure() -> None:
    with RuntimeApi(b"{}") as api:
        host, _, port = api.address.partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("POST", "/2018-06-01/runtime/init/error", b"{}")
        connection.getresponse().read()
        assert api.failed
        connection.close()


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ({"statusCode": 200, "body": '{"result": {"content": [{"text": "5"}]}}'}, True),
        ({"statusCode": 200, "body": '{"result": {"content": [{"text": "6"}]}}'}, False),
        ({"statusCode": 401, "body": '{"result": {"content": [{"text": "5"}]}}'}, False),
        ({"statusCode": 200, "body": '{"error": {}}'}, False),
        ({"statusCode": 200, "body": ""}, False),
        (None, False),
    ],
)
def test_only_the_right_answer_ends_a_cold_start(answer: object, good: bool) -> None:
    assert cold.is_good(json.dumps(answer).encode(), cold.has_added) is good


def test_each_stack_is_asked_in_turn_and_every_call_is_timed() -> None:
    stacks = [warm.Stack(FLOOR, HANDLERS, 7)]
    cases = [warm.Case.of_tool(era, "async", 10) for era in ERAS]
    found = warm.measure(stacks, cases, PYTHON, events.Issuer(), processes=2, rounds=3)
    times = found["legacy async 10 tools"]["floor"]
    assert (len(times.medians), len(times.cpu_medians), len(times.all)) == (6, 6, 42)
    assert all(value > 0 for value in times.all)
    assert set(found) == {"modern async 10 tools", "legacy async 10 tools"}


def test_an_answer_without_what_was_expected_is_an_error() -> None:
    wrong = warm.Case("wrong", LEGACY, "tools/call", ADD.params, '"6"')
    with pytest.raises(ChildFailed, match="statusCode"):
        warm.measure([warm.Stack(FLOOR, HANDLERS, 2)], [wrong], PYTHON, events.Issuer(), processes=1, rounds=1)


def test_a_handler_that_does_not_load_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('no such thing')\n")
    with Child("warm_child.py", PYTHON, tmp_path, "broken.handler") as child, pytest.raises(ChildFailed, match="thing"):
        child.ask({})


class Web(BaseHTTPRequestHandler):
    """Answers well, wrongly, or not at all."""

    protocol_version = "HTTP/1.1"
    behaviour = "good"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.behaviour == "hangs up":
            self.close_connection = True
            return
        body = b'{"text": "5"}' if self.behaviour != "wrong answer" else b"{}"
        self.send_response(503 if self.behaviour == "status" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(name="port")
def _port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("behaviour", "counted"),
    [("good", "seconds"), ("wrong answer", "wrong"), ("status", "wrong"), ("hangs up", "lost")],
)
def test_the_load_counts_what_became_of_its_calls(
    port: int, behaviour: str, counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Web, "behaviour", behaviour)
    request = "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    asked = {"request": request, "expected": '"5"', "port": port, "callers": 3, "for": 0.3}
    with Child("load_child.py", PYTHON, HANDLERS) as child:
        answer = child.ask(asked)
    found = {"seconds": len(answer["seconds"]), "wrong": answer["wrong"], "lost": answer["lost"]}
    assert found.pop(counted) >= 3
    assert not any(found.values())
    assert 0 < answer["cpu"] < answer["took"]
