"""The deployed entry points: the Lambda handler on events of payload 2.0 and 1.0, and waitress on a socket."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from authorizing.world import CALLBACK, CHALLENGE, PASSPHRASE, VERIFIER, environment, fields, parameters, write_files

FUNCTION = Path(__file__).resolve().parents[2] / "functions/oauth_server"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Answer:
    """What came back, whatever carried it."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        self.status, self.headers, self.body = status, headers, body

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value


Call = Callable[[str, str, dict[str, str], str], Answer]


def two(handler: Any) -> Call:
    """As an HTTP API or a Function URL calls: payload 2.0."""

    def call(method: str, url: str, headers: dict[str, str], body: str) -> Answer:
        path, _, query = url.partition("?")
        cookies = headers.pop("cookie", "")
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"host": "abc.execute-api.eu-west-1.amazonaws.com", "x-forwarded-proto": "gopher", **headers},
            "cookies": cookies.split("; ") if cookies else [],
            "requestContext": {"http": {"method": method, "sourceIp": "192.0.2.1"}, "stage": "$default"},
            "body": body,
            "isBase64Encoded": False,
        }
        found = handler(event, SimpleNamespace(aws_request_id="a-request"))
        # The gateway takes cookies from the list alone.
        assert "set-cookie" not in {name.lower() for name in found["headers"]}
        given = [*found["headers"].items(), *(("set-cookie", value) for value in found.get("cookies", []))]
        return Answer(found["statusCode"], given, found.get("body", ""))

    return call


def one(handler: Any) -> Call:
    """As a REST API calls: payload 1.0."""

    def call(method: str, url: str, headers: dict[str, str], body: str) -> Answer:
        path, _, query = url.partition("?")
        pairs = [pair.split("=", 1) for pair in query.split("&") if pair]
        from urllib.parse import unquote_plus

        values = {unquote_plus(name): unquote_plus(value) for name, value in pairs}
        event = {
            "path": path,
            "httpMethod": method,
            "headers": {"Host": "abc.execute-api.eu-west-1.amazonaws.com", **headers},
            "multiValueHeaders": {name: [value] for name, value in {"Host": "evil.example", **headers}.items()},
            "queryStringParameters": values,
            "multiValueQueryStringParameters": {name: [value] for name, value in values.items()},
            "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.1"}},
            "body": body,
            "isBase64Encoded": False,
        }
        found = handler(event, SimpleNamespace(aws_request_id="a-request"))
        given = [(name, value) for name, values in found["multiValueHeaders"].items() for value in values]
        return Answer(found["statusCode"], given, found.get("body", ""))

    return call


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


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


def whole_flow(call: Call) -> dict[str, Any]:
    """Registration, consent, login, code, token, refresh, revocation, as a client that is not a browser does it."""
    redirect = "http://127.0.0.1:3334/callback"
    metadata = {"redirect_uris": [redirect], "token_endpoint_auth_method": "none"}
    metadata |= {"grant_types": ["authorization_code", "refresh_token"], "client_name": "Ünïcode <b>"}
    registered = call("POST", "/register", dict(JSON), json.dumps(metadata))
    assert registered.status == 201, registered.body
    client_id = json.loads(registered.body)["client_id"]
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect, "state": "s t"}
    query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    shown = call("GET", f"/authorize?{urlencode(query)}", {}, "")
    assert shown.status == 200, shown.body
    assert "Ünïcode &lt;b&gt;" in shown.body
    cookies = [shown.one("set-cookie").split(";")[0]]
    form = urlencode({**fields(shown.body), "decision": "allow"})
    agreed = call("POST", "/authorize", {**FORM, "cookie": cookies[0]}, form)
    assert agreed.status == 303, agreed.body
    cookies.append(agreed.one("set-cookie").split(";")[0])
    login = call("GET", agreed.one("location"), {"cookie": "; ".join(cookies)}, "")
    form = urlencode({**fields(login.body), "username": "dev", "password": PASSPHRASE})
    done = call("POST", "/authorize/login", {**FORM, "cookie": "; ".join(cookies)}, form)
    assert done.status == 303, done.body
    assert len(done.all("set-cookie")) == 2  # both are taken away
    found = parameters(done.one("location"))
    assert (found["state"], found["iss"]) == ("s t", "http://127.0.0.1:8787")
    code = {"grant_type": "authorization_code", "code": found["code"], "redirect_uri": redirect}
    body = urlencode({**code, "client_id": client_id, "code_verifier": VERIFIER})
    tokens = call("POST", "/token", dict(FORM), body)
    assert tokens.status == 200, tokens.body
    given: dict[str, Any] = json.loads(tokens.body)
    again = urlencode({"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": client_id})
    refreshed = call("POST", "/token", dict(FORM), again)
    assert refreshed.status == 200, refreshed.body
    fresh: dict[str, Any] = json.loads(refreshed.body)
    revoked = call("POST", "/revoke", dict(FORM), urlencode({"token": fresh["refresh_token"], "client_id": client_id}))
    assert revoked.status == 200, revoked.body
    last = urlencode({"grant_type": "refresh_token", "refresh_token": fresh["refresh_token"], "client_id": client_id})
    assert call("POST", "/token", dict(FORM), last).status == 400
    return {**given, "code": found["code"], "fresh": fresh["refresh_token"]}


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
