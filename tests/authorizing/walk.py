"""The whole way of a client that is no browser, over whatever carries a request: an event, or HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from authorizing.world import CHALLENGE, PASSPHRASE, VERIFIER, fields, parameters

DOMAIN = "abc.execute-api.eu-west-1.amazonaws.com"
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
            "headers": {"host": DOMAIN, "x-forwarded-proto": "gopher", **headers},
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
        values = {unquote_plus(name): unquote_plus(value) for name, value in pairs}
        event = {
            "path": path,
            "httpMethod": method,
            "headers": {"Host": DOMAIN, **headers},
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


def over_http(origin: str) -> Call:
    """As a client calls a server."""
    parts = urlsplit(origin)

    def call(method: str, url: str, headers: dict[str, str], body: str) -> Answer:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, url, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read().decode())
        finally:
            connection.close()

    return call


def whole_flow(call: Call, issuer: str = "http://127.0.0.1:8787", passphrase: str = PASSPHRASE) -> dict[str, Any]:
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
    form = urlencode({**fields(login.body), "username": "dev", "password": passphrase})
    done = call("POST", "/authorize/login", {**FORM, "cookie": "; ".join(cookies)}, form)
    assert done.status == 303, done.body
    assert len(done.all("set-cookie")) == 2  # both are taken away
    found = parameters(done.one("location"))
    assert (found["state"], found["iss"]) == ("s t", issuer)
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
