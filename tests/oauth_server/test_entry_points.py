"""The deployed entry points: the Lambda handler on events of payload 2.0 and 1.0, and waitress on a socket."""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from authorizing.walk import Answer, Call, one, two, whole_flow
from authorizing.world import CALLBACK, PASSPHRASE, VERIFIER, environment, parameters, write_files
from edges.processes import free_port

FUNCTION = Path(__file__).resolve().parents[2] / "functions/oauth_server"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    write_files(tmp_path, int(time.time()) - 3600)
    return environment(tmp_path)


@pytest.fixture
def handler(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    # by its path: another deployable has an entry point of the same name
    spec = importlib.util.spec_from_file_location("oauth_aws_lambda", FUNCTION / "aws_lambda.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import logging

    root = logging.getLogger()
    before = root.handlers[:], root.level
    spec.loader.exec_module(module)
    root.handlers[:], root.level = before
    return module.handler


@pytest.fixture
def waitress(settings: dict[str, str], tmp_path: Path) -> Iterator[tuple[Call, Path]]:
    port = free_port()
    path = os.pathsep.join([str(FUNCTION), str(FUNCTION.parent)])
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "alibaba_fc"],
            env={**os.environ, **settings, "PYTHONPATH": path, "FC_SERVER_PORT": str(port), "MCP_LOG_LEVEL": "DEBUG"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def call(method: str, url: str, headers: dict[str, str], body: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, url, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read().decode())
        connection.close()
        return answer

    try:
        until = time.monotonic() + 60
        while True:
            try:
                call("GET", "/jwks.json", {}, "")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
        yield call, log
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("payload", [two, one], ids=["2.0", "1.0"])
def test_whole_flow_through_lambda(handler: Any, payload: Callable[[Any], Call]) -> None:
    whole_flow(payload(handler))


@pytest.mark.parametrize(
    "event", [None, {}, [], "x", {"version": "2.0"}, {"requestContext": {}}, {"requestContext": {}, "body": 3}]
)
def test_event_that_is_no_request_is_400(handler: Any, event: Any) -> None:
    assert handler(event, None)["statusCode"] == 400


def test_several_cookies_go_where_the_gateway_looks(handler: Any) -> None:
    from authorization_server.lambda_events import _with_cookies

    answer = {"statusCode": 200, "headers": {"set-cookie": "a=1", "set-cookiE": "b=2", "x": "y"}}
    assert _with_cookies(answer, {"version": "2.0"}) == {
        "statusCode": 200,
        "headers": {"x": "y"},
        "cookies": ["a=1", "b=2"],
    }


def test_whole_flow_through_waitress_and_no_secret_in_its_log(waitress: tuple[Call, Path]) -> None:
    call, log = waitress
    given = whole_flow(call)
    text = log.read_text()
    assert '"decision":"allow"' in text
    for secret in (given["access_token"], given["refresh_token"], given["fresh"], given["code"], PASSPHRASE, VERIFIER):
        for piece in (secret, secret[-20:], secret.split(".")[-1]):
            assert piece not in text
    assert not re.search(r"mcp[aclr]-[A-Za-z0-9]", text)


def test_caller_cannot_name_the_host(waitress: tuple[Call, Path]) -> None:
    call, _ = waitress
    path = "/.well-known/oauth-authorization-server"
    plain = call("GET", path, {}, "").body
    for headers in (
        {"host": "evil.example"},
        {"host": "e vil@example:x"},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-port": "x"},
        {"forwarded": "host=evil.example"},
    ):
        assert call("GET", path, headers, "").body == plain
    for strange in ("//token", "/token/", "/./token", "/authorize/"):
        answer = call("GET", strange, {"host": "evil.example"}, "")
        assert answer.status in (400, 404, 405), strange
        assert "location" not in dict(answer.headers)


def test_server_that_lacks_a_setting_says_which(settings: dict[str, str]) -> None:
    path = os.pathsep.join([str(FUNCTION), str(FUNCTION.parent)])
    del settings["OAUTH_STORE"]
    done = subprocess.run(
        [sys.executable, "-m", "alibaba_fc"],
        env={**os.environ, **settings, "PYTHONPATH": path, "FC_SERVER_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("OAUTH_STORE is not set.")


def test_redirects_of_the_default_client(handler: Any) -> None:
    query = {"response_type": "code", "client_id": "web", "redirect_uri": CALLBACK}
    answer = two(handler)("GET", f"/authorize?{urlencode(query)}", {}, "")
    assert parameters(answer.one("location"))["error"] == "invalid_request"
