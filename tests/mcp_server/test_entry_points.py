"""The entry points as their platforms start them: in a process of their own, with nothing but their settings."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import mcp
from support.jwts import ISSUER, RESOURCE, jwk, key_set, rsa_key, token

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
# Keeps the 0.0.0.0 that FC wants on this machine's loopback.
LOOPBACK = ROOT / "scripts/edges/loopback"
CANARY = "Canary-0123456789abcdefghijklmnopqrstuvwxyz"


def environment(**settings: str) -> dict[str, str]:
    """Nothing of this process but the way to Python."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{LOOPBACK}{os.pathsep}{FUNCTIONS}", **settings}


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=FUNCTIONS / "mcp_server",
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
    )


NO_START = {
    "no door": ({}, "MCP_DOOR is not set; choose one of: platform, bearer, jwt."),
    "bearer without a document": ({"MCP_DOOR": "bearer"}, "MCP_TOKENS is not set"),
    "bearer with a broken address": (
        {"MCP_DOOR": "bearer", "MCP_TOKENS": "tokens.json"},
        "MCP_TOKENS is no address",
    ),
    "jwt without an issuer": ({"MCP_DOOR": "jwt"}, "MCP_JWT_ISSUER is not set"),
    "unknown server": ({"MCP_DOOR": "platform", "MCP_SERVER": "tools:app"}, 'MCP_SERVER is "tools:app"'),
    "unknown module": ({"MCP_DOOR": "platform", "MCP_SERVER": "toolz:server"}, 'MCP_SERVER is "toolz:server"'),
    "unknown package": ({"MCP_DOOR": "platform", "MCP_SERVER": "toolz.x:server"}, 'MCP_SERVER is "toolz.x:server"'),
    "key set without a key": (
        {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": ISSUER, "MCP_PUBLIC_URL": RESOURCE, "MCP_JWT_JWKS": '{"keys": []}'},
        "MCP_JWT_JWKS",
    ),
    "state key that is too short": (
        {"MCP_DOOR": "platform", "MCP_REQUEST_STATE_KEY": "file:aws_lambda.py"},
        "MCP_REQUEST_STATE_KEY",
    ),
    "state key that is missing": (
        {"MCP_DOOR": "platform", "MCP_REQUEST_STATE_KEY": "file:missing"},
        "MCP_REQUEST_STATE_KEY leads to no key: missing does not exist. Make one with: openssl rand -hex 32",
    ),
}


@pytest.mark.parametrize("arguments", [("-m", "alibaba_fc"), ("-c", "import alibaba_fc"), ("-c", "import aws_lambda")])
@pytest.mark.parametrize(("settings", "sentence"), NO_START.values(), ids=NO_START)
def test_last_line_says_why_there_is_no_start(
    arguments: tuple[str, ...], settings: dict[str, str], sentence: str
) -> None:
    ended = run(*arguments, **settings)
    assert ended.returncode != 0
    assert sentence in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("program", ["import alibaba_fc", "import aws_lambda"])
def test_a_misspelt_setting_is_one_warning(program: str) -> None:
    ended = run("-c", program, MCP_DOOR="platform", MCP_SCOPEZ="a-value")
    warned = [line for line in ended.stderr.splitlines() if "MCP_SCOPEZ" in line]
    assert ended.returncode == 0
    assert len(warned) == 1
    assert warned[0].startswith("WARNING")
    assert "MCP_SCOPEZ (is MCP_SCOPES meant?)" in warned[0]
    assert "a-value" not in ended.stderr


def test_fc_needs_a_public_url_in_door_jwt() -> None:
    ended = run("-m", "alibaba_fc", MCP_DOOR="jwt", MCP_JWT_ISSUER=ISSUER)
    assert "MCP_PUBLIC_URL is not set" in ended.stderr.splitlines()[-1]


def test_process_ends_by_itself_after_plain_tools_ran() -> None:
    """A worker thread that waits for work must not keep the interpreter."""
    script = f"""
import aws_lambda, json, types
event = {json.dumps(event(mcp.message("tools/call", mcp.call("word_count", {"text": "a b"})).decode()))}
context = types.SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 9000)
print(json.loads(aws_lambda.handler(event, context)["body"])["result"]["structuredContent"])
"""
    ended = run("-c", script, MCP_DOOR="platform")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "{'result': 2}")


def event(body: str) -> dict[str, Any]:
    http = {"method": "POST", "path": "/mcp", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/mcp",
        "rawQueryString": "",
        "headers": mcp.headers("tools/call"),
        "requestContext": {"domainName": "x.lambda-url.eu-west-1.on.aws", "stage": "$default", "http": http},
        "body": body,
        "isBase64Encoded": 0,
    }


class WebFunction:
    """`python -m alibaba_fc` on a free port, and what it has written when it is over."""

    def __init__(self, tmp_path: Path, **settings: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = tmp_path / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "alibaba_fc"],
                cwd=FUNCTIONS / "mcp_server",
                env=environment(FC_SERVER_PORT=str(self.port), **settings),
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                assert self.request("/healthz")[1] == b"ok"
                return
            except urllib.error.URLError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.05)
        raise AssertionError("the web function did not start in 30 s")

    def request(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def call(self, tool: str, arguments: dict[str, Any], **headers: str) -> tuple[int, bytes]:
        parameters = mcp.call(tool, arguments)
        sent = {**mcp.headers("tools/call", parameters), **headers}
        return self.request("/mcp", mcp.message("tools/call", parameters), **sent)

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        return self.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    running: list[WebFunction] = []

    def starter(**settings: str) -> WebFunction:
        running.append(WebFunction(tmp_path, **settings))
        return running[-1]

    yield starter
    for function in running:
        if function.process.poll() is None:
            function.process.kill()
            function.process.wait()


def test_web_function_calls_and_stops_gracefully(start: Any) -> None:
    function = start(MCP_DOOR="platform", MCP_TOKEN_SCOPES="mcp:tools")
    status, body = function.call("add", {"a": 1, "b": 2})
    assert (status, json.loads(body)["result"]["structuredContent"]) == (200, {"result": 3.0})
    assert "shutting down" in function.stop()


def test_no_token_in_the_log_at_debug(start: Any, tmp_path: Path) -> None:
    document = tmp_path / "tokens.json"
    document.write_text(json.dumps({"tokens": [{"tokenName": "t", "enable": True, "tokenData": CANARY}]}))
    function = start(MCP_DOOR="bearer", MCP_TOKENS=f"file:{document}", MCP_LOG_LEVEL="DEBUG", MCP_SSE="on")
    assert function.call("whoami", {}, authorization=f"Bearer {CANARY}")[0] == 200
    assert function.call("whoami", {}, authorization=f"Bearer {CANARY}x")[0] == 401
    assert function.call("whoami", {}, authorization=f"Bearer {CANARY} {CANARY}")[0] == 400
    assert function.request(f"/mcp?access_token={CANARY}", b"{}", authorization=f"Basic {CANARY}")[0] == 401
    assert CANARY[:12] not in function.stop()


def test_no_jwt_and_no_signature_in_the_log_at_debug(start: Any) -> None:
    now = int(time.time())
    good = token(claims={"iat": now, "exp": now + 600})
    function = start(
        MCP_DOOR="jwt",
        MCP_JWT_ISSUER=ISSUER,
        MCP_JWT_JWKS=key_set(jwk(rsa_key())).decode(),
        MCP_PUBLIC_URL=RESOURCE,
        MCP_LOG_LEVEL="DEBUG",
    )
    assert function.call("whoami", {}, authorization=f"Bearer {good}")[0] == 200
    assert function.call("whoami", {}, authorization=f"Bearer {good[:-9]}AAAAAAAAA")[0] == 401
    log = function.stop()
    for part in good.split("."):
        assert part[:16] not in log


def test_forged_platform_headers_change_nothing(start: Any) -> None:
    function = start(MCP_DOOR="platform")
    for name in ("x-fc-request-id", "x-fc-control-path", "x-original-url", "x-forwarded-uri"):
        assert function.call("add", {"a": 1, "b": 2}, **{name: "/healthz"})[0] == 200
    assert function.request("/invoke", b"{}")[0] == 404
    assert function.request("/initialize", b"{}")[0] == 404


def test_stream_ends_with_the_token_that_opened_it(start: Any) -> None:
    now = int(time.time())
    function = start(
        MCP_DOOR="jwt",
        MCP_JWT_ISSUER=ISSUER,
        MCP_JWT_JWKS=key_set(jwk(rsa_key())).decode(),
        MCP_PUBLIC_URL=RESOURCE,
        MCP_SSE="on",
    )
    soon = token(claims={"iat": now - 60, "exp": int(time.time()) + 2})
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{function.url}/sse", headers={"authorization": f"Bearer {soon}"}
    )
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=15) as stream:  # noqa: S310
        assert stream.readline() == b"event: endpoint\r\n"
        with contextlib.suppress(http.client.IncompleteRead):  # the stream is cut, not ended
            stream.read()
    assert time.monotonic() - began < 10
    assert function.call("whoami", {}, authorization=f"Bearer {soon}")[0] == 200, "the leeway is for requests"
