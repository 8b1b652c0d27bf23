"""What the stand-in's doors make of a request, held against the vendor's own examples."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from edges.aws_events import Platform, authorizer_event_of, event_of
from edges.listener import Request

EVENTS = Path(__file__).parents[1] / "events/aws"
HTTP_API, FUNCTION_URL = Platform("http-api"), Platform("function-url")


def documented(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


REQUEST = Request(
    "POST",
    "/my/path?parameter1=value1&parameter1=value2&parameter2=value",
    (
        ("host", "127.0.0.1:8787"),
        ("header1", "value1"),
        ("header2", "value1"),
        ("cookie", "cookie1; cookie2"),
        ("header2", "value2"),
        ("user-agent", "agent"),
        ("connection", "keep-alive"),
        ("content-type", "text/plain"),
        ("content-length", "18"),
    ),
    b"Hello from client!",
    "192.0.2.1",
)


def made_of(platform: Platform, request: Request, **more: Any) -> dict[str, Any]:
    details = {
        "route_key": "$default",
        "path_parameters": {},
        "request_id": "id",
        "trace_id": "Root=1",
        "now": 1583348638.39,
    }
    return event_of(platform, request, **{**details, **more})


def headers_of(platform: Platform) -> dict[str, str]:
    return {
        "content-length": "18",
        "content-type": "text/plain",
        "header1": "value1",
        "header2": "value1,value2",
        "host": platform.domain_name,
        "user-agent": "agent",
        "x-amzn-trace-id": "Root=1",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }


@pytest.mark.parametrize(
    ("platform", "name", "account"),
    [(FUNCTION_URL, "function-url", "anonymous"), (HTTP_API, "http-api", "123456789012")],
)
def test_an_event_is_the_documented_one(platform: Platform, name: str, account: str) -> None:
    expected = documented(name)
    expected["headers"] = headers_of(platform)
    expected["body"] = "Hello from client!"
    for unset in ("pathParameters", "stageVariables"):
        del expected[unset]
    context = expected["requestContext"]
    for unset in ("authentication", "authorizer"):
        del context[unset]
    context |= {
        "accountId": account,
        "apiId": "a1b2c3d4e5",
        "domainPrefix": "a1b2c3d4e5",
        "domainName": platform.domain_name,
    }
    context["time"] = "04/Mar/2020:19:03:58 +0000"  # what the documented timeEpoch really is
    assert made_of(platform, REQUEST) == expected


def test_a_named_stage_is_part_of_the_path() -> None:
    platform = Platform("http-api", stage="prod")
    event = made_of(platform, Request("POST", "/prod/my/path"), route_key="POST /my/path")
    expected = documented("http-api-named-stage")
    assert event["rawPath"] == expected["rawPath"]
    assert event["routeKey"] == expected["routeKey"]
    for key in ("stage", "routeKey"):
        assert event["requestContext"][key] == expected["requestContext"][key]
    assert event["requestContext"]["http"]["path"] == expected["requestContext"]["http"]["path"]
    assert platform.route_path_of("/prod/my/path") == "/my/path"
    assert platform.route_path_of("/prod") == "/"
    assert platform.route_path_of("/production/my/path") is None


def test_an_authorizer_hears_all_but_the_body() -> None:
    event = authorizer_event_of(HTTP_API, made_of(HTTP_API, REQUEST), "Bearer x")
    expected = documented("http-api-authorizer")
    assert event.keys() == expected.keys() - {"pathParameters", "stageVariables"}
    assert event["requestContext"].keys() == expected["requestContext"].keys() - {"authentication"}
    assert (event["version"], event["type"], event["identitySource"]) == ("2.0", "REQUEST", ["Bearer x"])
    assert event["routeArn"] == "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/$default/POST/my/path"


@pytest.mark.parametrize(
    ("content_type", "body", "is_base64"),
    [
        ("application/json", b"{}", False),
        ("Application/JSON; charset=utf-8", b"{}", False),
        ("text/csv", b"a,b", False),
        ("application/xml", b"<a/>", False),
        ("application/json", b"\xff\xfe", True),
        ("application/vnd.api+json", b"{}", True),
        ("application/x-www-form-urlencoded", b"a=b", True),
        ("application/octet-stream", b"\x00", True),
        (None, b"{}", True),
    ],
)
def test_only_some_bodies_are_text(content_type: str | None, body: bytes, is_base64: bool) -> None:
    headers = (("content-type", content_type),) if content_type else ()
    for platform in (HTTP_API, FUNCTION_URL):
        event = made_of(platform, Request("POST", "/mcp", headers, body))
        assert event["isBase64Encoded"] is is_base64
        assert event["body"] == (base64.b64encode(body).decode() if is_base64 else body.decode())


def test_a_request_without_a_body_has_none_in_the_event() -> None:
    event = made_of(HTTP_API, Request("GET", "/mcp"))
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & event.keys()
    assert event["headers"]["content-length"] == "0"


@pytest.mark.parametrize(
    ("target", "http_api", "function_url"),
    [
        ("/a%2Fb", "/a/b", "/a%2Fb"),
        ("/%6dcp", "/mcp", "/%6dcp"),
        ("/mcp%3Fx=1", "/mcp", "/mcp%3Fx=1"),
    ],
)
def test_an_http_api_decodes_the_path_and_a_function_url_does_not(
    target: str, http_api: str, function_url: str
) -> None:
    assert made_of(HTTP_API, Request("GET", target))["rawPath"] == http_api
    assert made_of(FUNCTION_URL, Request("GET", target))["rawPath"] == function_url


def test_query_strings_stay_raw_and_are_also_taken_apart() -> None:
    event = made_of(HTTP_API, Request("GET", "/mcp?a=%20b&a=&c"))
    assert event["rawQueryString"] == "a=%20b&a=&c"
    assert event["queryStringParameters"] == {"a": " b,", "c": ""}


@pytest.mark.parametrize("trusts", [False, True])
def test_callers_words_on_the_way_here_pass_only_where_the_switch_says_so(trusts: bool) -> None:
    sent = (("x-forwarded-proto", "http"), ("x-forwarded-port", "80"), ("x-forwarded-for", "203.0.113.9"))
    platform = Platform("function-url", trusts_forwarded=trusts)
    headers = made_of(platform, Request("GET", "/mcp", sent, client="192.0.2.1"))["headers"]
    assert headers["x-forwarded-for"] == "203.0.113.9, 192.0.2.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == (
        ("http", "80") if trusts else ("https", "443")
    )
