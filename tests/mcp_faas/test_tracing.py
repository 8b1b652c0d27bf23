"""OpenTelemetry's spans: they leave before the answer does, they hold nothing of a caller's, and nobody else pays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_faas.settings import read_settings
from mcp_faas.tracing import FLUSH_SECONDS, REST_SECONDS, Spans
from support import mcp
from support.collector import Collector, attributes, collecting
from support.jwts import ISSUER, RESOURCE, jwk, key_set, rsa_key, token

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
LOOPBACK = ROOT / "scripts/edges/loopback"  # keeps the 0.0.0.0 that FC wants on this machine's loopback
CANARY = "canary-0123456789-abcdefghijklmnop"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOOLS = """
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from opentelemetry import trace

server = MCPServer("traced")

@server.tool()
async def echo(text: str) -> str:
    with trace.get_tracer("mine").start_as_current_span("my own") as span:
        span.set_attribute("mine", "kept as it is")
    return text

@server.tool()
async def fail(text: str) -> str:
    raise ToolError(text)

@server.prompt()
async def explode(text: str) -> str:
    raise RuntimeError(text)
"""
# Calls in one process, and then none of what an interpreter does at its end: a platform that freezes for good.
LAMBDA = """
import json, os, sys, time, types
import aws_lambda
for event in json.load(sys.stdin):
    left = event.pop("milliseconds")
    context = types.SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: left)
    began = time.monotonic()
    answer = aws_lambda.handler(event, context)
    told = {"seconds": time.monotonic() - began, "status": answer["statusCode"], "body": answer["body"]}
    print("answer", json.dumps(told))
loaded = sorted({name for name in sys.modules if name.startswith(("opentelemetry.", "google.", "requests"))})
print("loaded", json.dumps(loaded), flush=True)
os._exit(0)
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def event(method: str, params: dict[str, Any], **headers: str) -> dict[str, Any]:
    http = {"method": "POST", "path": "/mcp", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    body = json.loads(mcp.message(method, params, era=mcp.MODERN))
    body["params"]["_meta"]["traceparent"] = f"00-{TRACE}-{PARENT}-01"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/mcp",
        "rawQueryString": "",
        "headers": {**mcp.headers(method, params, era=mcp.MODERN), **headers},
        "requestContext": {"domainName": "x.lambda-url.eu-west-1.on.aws", "stage": "$default", "http": http},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


class Ran:
    """What a process has said."""

    def __init__(self, ended: subprocess.CompletedProcess[str]) -> None:
        assert ended.returncode == 0, ended.stderr
        self.out, self.log = ended.stdout, ended.stderr
        lines = [line.partition(" ") for line in ended.stdout.splitlines()]
        told = [(name, json.loads(rest)) for name, _, rest in lines if name in ("answer", "loaded")]
        self.answers = [what for name, what in told if name == "answer"]
        self.loaded = next(what for name, what in told if name == "loaded")


def run(
    tmp_path: Path, events: list[dict[str, Any]], before: str = "", milliseconds: int = 20_000, **settings: str
) -> Ran:
    (tmp_path / "traced.py").write_text(TOOLS)
    path = os.pathsep.join(map(str, (FUNCTIONS, FUNCTIONS / "mcp_server", tmp_path)))
    given = {"MCP_DOOR": "platform", "MCP_SERVER": "traced:server", **settings}
    return Ran(
        subprocess.run(
            [sys.executable, "-c", before + LAMBDA],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **given},
            input=json.dumps([{"milliseconds": milliseconds, **event} for event in events]),
            capture_output=True,
            text=True,
            timeout=60,
        )
    )


def test_spans_leave_before_the_answer(tmp_path: Path, collector: Collector) -> None:
    ran = run(
        tmp_path,
        [event("tools/call", mcp.call("echo", {"text": "x"})), event("tools/list", {})],
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-key=secret",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )
    assert [answer["status"] for answer in ran.answers] == [200, 200]
    assert sorted(collector.names) == ["my own", "tools/call echo", "tools/list"]
    assert collector.requests[0][0]["x-key"] == "secret"
    called = next(span for span in collector.spans if span.name == "tools/call echo")
    own = next(span for span in collector.spans if span.name == "my own")
    assert (called.trace_id.hex(), called.parent_span_id.hex()) == (TRACE, PARENT)
    assert own.parent_span_id == called.span_id
    assert attributes(own) == {"mine": "kept as it is"}
    assert attributes(called)["gen_ai.tool.name"] == "echo"
    assert attributes(called)["mcp.method.name"] == "tools/call"
    assert attributes(collector.resources[0].resource)["service.name"] == "traced"


def test_spans_hold_no_token_and_no_argument(tmp_path: Path, collector: Collector) -> None:
    now = int(time.time())
    good = token(claims={"iat": now, "exp": now + 600, "aud": RESOURCE})
    authorization = f"Bearer {good}"
    asked: list[tuple[str, dict[str, Any]]] = [
        ("tools/call", mcp.call("echo", {"text": CANARY})),
        ("tools/call", mcp.call("echo", {"text": {"deep": CANARY}})),
        ("tools/call", mcp.call("fail", {"text": CANARY})),
        ("tools/call", mcp.call(good)),
        ("tools/call", mcp.call("x" * 5000)),
        ("prompts/get", {"name": "explode", "arguments": {"text": CANARY}}),
        ("resources/read", {"uri": f"none://{CANARY}"}),
        (f"unknown/{good}", {"text": CANARY}),
    ]
    ran = run(
        tmp_path,
        [event(method, params, authorization=authorization) for method, params in asked],
        MCP_DOOR="jwt",
        MCP_JWT_ISSUER=ISSUER,
        MCP_JWT_JWKS=key_set(jwk(rsa_key())).decode(),
        MCP_PUBLIC_URL=RESOURCE,
        MCP_LOG_LEVEL="DEBUG",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces",
        OTEL_SERVICE_NAME="named",
    )
    assert 401 not in [answer["status"] for answer in ran.answers]
    sent = collector.everything()
    assert len([span for span in collector.spans if span.name != "my own"]) >= len(asked) - 1
    assert CANARY.encode() not in sent
    for part in good.split("."):
        assert part[:16].encode() not in sent
        assert part[:16] not in ran.log
    assert max(len(span.name) for span in collector.spans) < 400
    failed = next(span for span in collector.spans if span.name == "prompts/get explode")
    assert failed.status.code == 2
    assert {name for happened in failed.events for name in attributes(happened)} == {"exception.type"}
    assert attributes(collector.resources[0].resource)["service.name"] == "named"


def test_spans_hold_nothing_of_the_callers_tracestate(tmp_path: Path, collector: Collector) -> None:
    """It reaches every span of the trace, the tool's own among them."""
    for state in (f"a={CANARY}", ",".join(f"k{number}={CANARY}{'x' * 200}" for number in range(32))):
        asked = event("tools/call", mcp.call("echo", {"text": "x"}))
        body = json.loads(asked["body"])
        body["params"]["_meta"]["tracestate"] = state
        run(tmp_path, [{**asked, "body": json.dumps(body)}], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert sorted(collector.names) == ["my own", "my own", "tools/call echo", "tools/call echo"]
    assert [span.trace_state for span in collector.spans] == [""] * 4
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert CANARY.encode() not in collector.everything()


@pytest.mark.parametrize(("sampler", "spans"), [({}, 0), ({"OTEL_TRACES_SAMPLER": "always_on"}, 2)])
def test_callers_sampling_decision_counts_unless_the_sampler_is_another(
    tmp_path: Path, collector: Collector, sampler: dict[str, str], spans: int
) -> None:
    asked = event("tools/call", mcp.call("echo", {"text": "x"}))
    asked["body"] = asked["body"].replace(f"{PARENT}-01", f"{PARENT}-00")
    ran = run(tmp_path, [asked], "", 20_000, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **sampler)
    assert ran.answers[0]["status"] == 200
    assert len(collector.spans) == spans


def test_nothing_of_it_is_loaded_without_the_settings(tmp_path: Path, collector: Collector) -> None:
    heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.", "requests")

    def loaded(**settings: str) -> list[str]:
        ran = run(tmp_path, [event("tools/list", {})], OTEL_SERVICE_NAME="x", **settings)
        assert "spans" not in ran.log
        return [name for name in ran.loaded if name.startswith(heavy)]

    assert loaded() == []
    assert loaded(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SDK_DISABLED="true") == []
    assert collector.requests == []
    assert loaded(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) != [], "or the test looks at the wrong names"


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_artifact_without_the_packages_serves_and_says_so(tmp_path: Path, collector: Collector, missing: str) -> None:
    ran = run(
        tmp_path,
        [event("tools/list", {})],
        before=f"import sys; sys.modules['{missing}'] = None",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert ran.answers[0]["status"] == 200
    assert f"no spans: this artifact has no {missing}" in ran.log


def test_another_protocol_costs_the_spans_alone(tmp_path: Path, collector: Collector) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    ran = run(tmp_path, [event("tools/list", {})], **settings)
    assert ran.answers[0]["status"] == 200
    assert "no spans: OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in ran.log
    assert not any(name.startswith("opentelemetry.sdk") for name in ran.loaded)


def test_collector_that_hangs_delays_one_call_by_a_moment(tmp_path: Path, collector: Collector) -> None:
    collector.go_on.clear()
    asked = event("tools/list", {})
    ran = run(
        tmp_path,
        [asked, asked, asked],
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"no header {CANARY}",
    )
    assert [answer["status"] for answer in ran.answers] == [200] * 3
    first, *others = [answer["seconds"] for answer in ran.answers]
    assert FLUSH_SECONDS <= first < FLUSH_SECONDS + 2
    assert max(others) < FLUSH_SECONDS
    assert ran.log.count("the spans did not leave") == 1
    assert CANARY not in ran.log, "a header that cannot be read is a key that somebody wrote wrongly"


def test_call_that_is_nearly_over_keeps_its_answer(tmp_path: Path, collector: Collector) -> None:
    """0.7 s are the handler's own; what remains is less than the spans may take, and they must not take it."""
    collector.go_on.clear()
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    ran = run(tmp_path, [event("tools/list", {})], milliseconds=1600, **settings)
    assert "result" in json.loads(ran.answers[0]["body"])


def test_collector_that_is_away_breaks_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and listening to nobody
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ran = run(tmp_path, [event("tools/list", {})] * 2, OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert [answer["status"] for answer in ran.answers] == [200, 200]
    assert ran.answers[1]["seconds"] < FLUSH_SECONDS


def test_web_functions_spans_leave_before_the_answer(tmp_path: Path, collector: Collector) -> None:
    """The process is killed in the moment when the answer is there: FC may freeze it then."""
    (tmp_path / "traced.py").write_text(TOOLS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join(map(str, (LOOPBACK, FUNCTIONS, tmp_path)))
    settings = {"MCP_DOOR": "platform", "MCP_SERVER": "traced:server", "FC_SERVER_PORT": str(port)}
    settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "alibaba_fc"],
            cwd=FUNCTIONS / "mcp_server",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **settings},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            wait_until_healthy(process, port, tmp_path / "log")
            params = mcp.call("echo", {"text": "x"})
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/mcp", mcp.message("tools/call", params), mcp.headers("tools/call", params)
            )
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
                assert json.load(answer)["result"]["structuredContent"] == {"result": "x"}
        finally:
            process.send_signal(signal.SIGKILL)
    assert sorted(collector.names) == ["my own", "tools/call echo"]


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except urllib.error.URLError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
    raise AssertionError("the web function did not start in 30 s")


# The wait


@pytest.mark.anyio
async def test_calls_share_a_flush_and_none_waits_in_vain() -> None:
    flushed: list[float] = []
    flushing, go_on = threading.Event(), threading.Event()

    def flush() -> None:
        flushed.append(time.monotonic())
        flushing.set()
        go_on.wait(10)

    spans = Spans(flush)
    first = asyncio.ensure_future(spans.leave())
    await asyncio.to_thread(flushing.wait, 10)
    others = [asyncio.ensure_future(spans.leave()) for _ in range(50)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *others)
    assert len(flushed) == 2, "those who came during a flush get one of their own, together"


@pytest.mark.anyio
async def test_slow_collector_is_tried_again_after_a_rest(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    go_on = threading.Event()
    asked: list[float] = []
    spans = Spans(lambda: (asked.append(now), go_on.wait(10)), clock=lambda: now)
    loop = asyncio.get_running_loop()
    await spans.leave(deadline=loop.time() + 0.25)
    assert "did not leave" in caplog.text
    await spans.leave()
    go_on.set()
    assert asked == [0.0]
    now = REST_SECONDS
    await spans.leave()
    assert asked == [0.0, REST_SECONDS]


@pytest.mark.anyio
async def test_call_that_is_nearly_over_does_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[None] = []
    spans = Spans(lambda: asked.append(None))
    loop = asyncio.get_running_loop()
    await spans.leave(deadline=loop.time() + 0.1)
    assert caplog.text == "", "and says nothing of a collector that was not asked"
    await spans.leave()
    assert len(asked) == 1


# The settings


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "x"}, None),
        (ENDPOINT, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http/protobuf"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            "http/protobuf",
        ),
    ],
)
def test_usual_settings_decide(environ: dict[str, str], protocol: str | None) -> None:
    assert read_settings({"MCP_DOOR": "platform", **environ}).otlp_protocol == protocol
