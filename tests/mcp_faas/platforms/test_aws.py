"""Lambda's handler: the vendor's events in, answers out, around the real app; and events that nobody should send."""

from __future__ import annotations

import base64
import copy
import json
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mangum.handlers import HTTPGateway
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from mcp_faas import server as server_module
from mcp_faas.platforms.aws import ANSWER_MAX_BYTES, ESCAPED_MAX_CHARACTERS, handler_for
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.jwts import ISSUER, jwk, key_set, rsa_key, token

JWT = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": ISSUER, "MCP_JWT_JWKS": key_set(jwk(rsa_key())).decode()}
HOST = "abcdefgh.execute-api.eu-west-1.amazonaws.com"
Handler = Callable[..., dict[str, Any]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Handler]]:
    """A handler for these settings and a server of the test's own."""
    server = MCPServer("probe")
    made: list[Instance] = []

    @server.tool()
    def size(characters: int) -> str:
        return '"' * characters

    @server.tool()
    async def who() -> str | None:
        from mcp.server.auth.middleware.auth_context import get_access_token

        access = get_access_token()
        return access.subject if access else None

    @server.custom_route("/control", methods=["GET"])
    async def control(request: Request) -> Response:
        return PlainTextResponse("\x01" * int(request.query_params["characters"]))

    @server.custom_route("/header", methods=["GET"])
    async def header(request: Request) -> Response:
        return PlainTextResponse("", headers={"x-a": "a" * int(request.query_params["characters"])})

    @server.custom_route("/encoded", methods=["GET"])
    async def encoded(request: Request) -> Response:
        answer = PlainTextResponse("served")
        answer.raw_headers.append((b"x-drink", bytes.fromhex(request.query_params["drink"])))
        return answer

    class Wrong(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": None})

    @server.custom_route("/wrong", methods=["GET"])
    async def wrong(request: Request) -> Response:
        return Wrong()

    monkeypatch.setattr(server_module, "load_server", lambda _: (server, server_module.Scopes()))

    def maker(public_url: str | None = None, **environ: str) -> Handler:
        instance = Instance(build_app(read_settings({"MCP_DOOR": "platform", **environ}), streaming=False))
        made.append(instance)
        handler = handler_for(instance, public_url)
        return lambda event, milliseconds=9000: handler(event, context(milliseconds))

    yield maker
    for instance in made:
        instance.stop()


def context(milliseconds: int) -> Any:
    return types.SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: milliseconds)


def event(
    body: bytes = b"", *, method: str = "POST", path: str = "/mcp", stage: str = "$default", **headers: str
) -> dict[str, Any]:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {**mcp.headers("tools/call"), "host": HOST, "x-forwarded-proto": "https", **headers},
        "requestContext": {"domainName": HOST, "stage": stage, "requestId": "gw-1", "http": http},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def call(tool: str, arguments: dict[str, Any] | None = None) -> bytes:
    return mcp.message("tools/call", mcp.call(tool, arguments), identity="id-1")


def test_base64_body_is_the_same_request(make: Callable[..., Handler]) -> None:
    sent = event()
    sent["body"], sent["isBase64Encoded"] = base64.b64encode(call("who")).decode(), True
    assert make()(sent)["statusCode"] == 200


def test_identity_of_the_authorizer_reaches_the_tool(make: Callable[..., Handler]) -> None:
    sent = event(call("who"))
    sent["requestContext"]["authorizer"] = {"lambda": {"tokenName": "printer"}}
    assert json.loads(make()(sent)["body"])["result"]["structuredContent"] == {"result": "printer"}


def test_platform_door_can_demand_an_authorizer(make: Callable[..., Handler]) -> None:
    """A Function URL that somebody left beside the API, or a stack between two doors, lets nobody in."""
    handler = make(MCP_REQUIRE_AUTHORIZER="on")
    for authorizer in (None, {}, {"lambda": None}, {"lambda": {}}, {"lambda": {"tokenName": ""}}, {"iam": {}}, "x"):
        sent = event(call("who"), authorization="Bearer anything")
        sent["requestContext"]["authorizer"] = authorizer
        assert handler(sent)["statusCode"] == 401
    sent["requestContext"]["authorizer"] = {"lambda": {"tokenName": "printer"}}
    assert handler(sent)["statusCode"] == 200
    assert handler(event(method="GET", path="/healthz"))["statusCode"] == 200


def test_token_for_another_audience_is_refused_by_the_platforms_name(make: Callable[..., Handler]) -> None:
    now = int(time.time())
    handler = make(**JWT)
    for audience, status in ((f"https://{HOST}/mcp", 200), ("https://other.example/mcp", 401)):
        good = token(claims={"iat": now, "exp": now + 600, "aud": audience})
        assert handler(event(call("who"), authorization=f"Bearer {good}"))["statusCode"] == status


def test_app_sees_nothing_of_the_event(make: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    real = Instance.answer

    def noting(self: Instance, scope: dict[str, Any], body: bytes, seconds: float) -> Any:
        seen.append(scope)
        return real(self, scope, body, seconds)

    monkeypatch.setattr(Instance, "answer", noting)
    make()({**event(call("who")), "cookies": ["a=1", "b=2"]})
    assert not [name for name in seen[0] if name.startswith("aws.")]
    assert (b"cookie", b"a=1; b=2") in seen[0]["headers"]


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda _: None,
    "a list": lambda _: [],
    "text": lambda _: "event",
    "an empty object": lambda _: {},
    "payload 1.0": lambda sent: {**sent, "version": "1.0"},
    "no version": lambda sent: {name: value for name, value in sent.items() if name != "version"},
    "no context": lambda sent: {**sent, "requestContext": None},
    "no headers": lambda sent: {**sent, "headers": None},
    "a header that is a list": lambda sent: {**sent, "headers": {"a": ["b"]}},
    "a lone surrogate in a header": lambda sent: {**sent, "headers": {"a": "\ud800"}},
    "a host with a path": lambda sent: {**sent, "requestContext": {**sent["requestContext"], "domainName": "a/b"}},
    "a host that is a number": lambda sent: {**sent, "requestContext": {**sent["requestContext"], "domainName": 1}},
    "cookies that are text": lambda sent: {**sent, "cookies": [1]},
    "a body that is a list": lambda sent: {**sent, "body": [1]},
    "a body that is an object": lambda sent: {**sent, "body": {}},
    "invalid base64": lambda sent: {
        **sent,
        "body": base64.b64encode(sent["body"].encode()).decode() + "!",
        "isBase64Encoded": True,
    },
    "a lone surrogate in the body": lambda sent: {**sent, "body": "\ud800"},
    "a query that is a number": lambda sent: {**sent, "rawQueryString": 1},
    "a load balancer's event": lambda sent: {
        "requestContext": {"elb": {"targetGroupArn": "x"}},
        "httpMethod": "POST",
        "path": "/mcp",
        "headers": sent["headers"],
        "body": sent["body"],
    },
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_event_of_another_shape_is_the_callers_error(make: Callable[..., Handler], change: Any) -> None:
    answer = make()(change(copy.deepcopy(event(call("who")))))
    assert answer["statusCode"] == 400
    assert "Traceback" not in json.dumps(answer)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "[::1]:443:9"},
        {"host": "evil.example"},
        {"x-forwarded-port": "abc"},
        {"x-forwarded-proto": "gopher"},
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example"},
        {"transfer-encoding": "chunked"},
        {"content-length": "99999999999999999999999"},
    ],
    ids=str,
)
def test_header_that_a_caller_can_set_changes_nothing(make: Callable[..., Handler], headers: dict[str, str]) -> None:
    answer = make(**JWT)(event(method="GET", path="/.well-known/oauth-protected-resource", **headers))
    assert json.loads(answer["body"])["resource"] == f"https://{HOST}/mcp"


def test_two_spellings_of_authorization_are_two_headers(make: Callable[..., Handler]) -> None:
    answer = make(**JWT)(event(call("who"), authorization="Bearer a", Authorization="Bearer b"))
    assert answer["statusCode"] == 400


def test_named_stage_is_part_of_the_public_url_and_not_of_the_path(make: Callable[..., Handler]) -> None:
    handler = make(**JWT)
    refused = handler(event(call("who"), path="/prod/mcp", stage="prod"))
    assert refused["statusCode"] == 401
    # The host's root is no stage of this API: nothing but what begins with /prod reaches the function.
    well_known = f"https://{HOST}/prod/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{well_known}"' in refused["headers"]["www-authenticate"]
    told = handler(event(method="GET", path="/prod/.well-known/oauth-protected-resource", stage="prod"))
    assert json.loads(told["body"])["resource"] == f"https://{HOST}/prod/mcp"


@pytest.mark.parametrize("characters", [ANSWER_MAX_BYTES, ANSWER_MAX_BYTES * 6 // 10])
def test_result_that_lambda_could_not_return_is_said_so(make: Callable[..., Handler], characters: int) -> None:
    answer = make()(event(call("size", {"characters": characters})))
    assert answer["statusCode"] == 200
    told = json.loads(answer["body"])
    assert told["id"] == "id-1"
    assert "larger than this function can return" in told["error"]["message"]


def test_result_below_the_limit_is_returned(make: Callable[..., Handler]) -> None:
    answer = make()(event(call("size", {"characters": 300_000})))
    assert len(json.loads(answer["body"])["result"]["structuredContent"]["result"]) == 300_000


def get(path: str, query: str = "") -> dict[str, Any]:
    return {**event(method="GET", path=path), "rawQueryString": query}


@pytest.mark.parametrize(
    ("path", "most"),
    [("/control", ANSWER_MAX_BYTES // ESCAPED_MAX_CHARACTERS), ("/header", ANSWER_MAX_BYTES)],
)
def test_limit_is_of_the_whole_answer_as_json(make: Callable[..., Handler], path: str, most: int) -> None:
    handler = make()
    answer = handler(get(path, f"characters={most - 1000}"))
    assert len(answer["body"]) + len(answer["headers"].get("x-a", "")) == most - 1000
    told = json.loads(handler(get(path, f"characters={most + 1}"))["body"])
    assert "larger than this function can return" in told["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "read"), [(b"caf\xe9", "caf\xe9"), ("caf\xe9".encode(), "caf\xe9")], ids=["ISO 8859-1", "UTF-8"]
)
def test_header_of_either_encoding_is_returned(make: Callable[..., Handler], sent: bytes, read: str) -> None:
    answer = make()(get("/encoded", f"drink={sent.hex()}"))
    assert (answer["statusCode"], answer["headers"]["x-drink"], answer["body"]) == (200, read, "served")


def test_route_whose_body_is_no_bytes_has_failed(make: Callable[..., Handler]) -> None:
    handler = make()
    for _ in range(2):
        answer = handler(get("/wrong"))
        assert (answer["statusCode"], answer["body"]) == (500, "Internal Server Error")
    assert handler(event(call("who")))["statusCode"] == 200


def test_scope_of_a_call_is_built_once(make: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    original = HTTPGateway.scope.fget  # type: ignore[attr-defined]  # of the property itself

    def build(gateway: HTTPGateway) -> Any:
        built.append(gateway)
        return original(gateway)

    monkeypatch.setattr(HTTPGateway, "scope", property(build))
    handler = make()
    for calls in (1, 2):
        assert handler(event(call("who")))["statusCode"] == 200
        assert len(built) == calls
