"""What the stand-in's doors make of a function's result, and their own refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edges.aws_answers import BrokenResult, Refusals, answer_of


def answered(
    result: Any, *, kind: Any = "http-api", renames_challenge: bool = True
) -> tuple[int, dict[str, str], bytes]:
    answer = answer_of(kind, json.dumps(result).encode(), renames_challenge=renames_challenge)
    return answer.status, dict(answer.headers), answer.body


@pytest.mark.parametrize(
    ("result", "http_api", "function_url"),
    [
        ("Hello!", b"Hello!", b'"Hello!"'),
        ({"message": "Hello!"}, b'{"message": "Hello!"}', b'{"message": "Hello!"}'),
        ([1], b"[1]", b"[1]"),
        (None, b"null", b"null"),
    ],
)
def test_a_result_without_a_status_is_a_json_body(result: Any, http_api: bytes, function_url: bytes) -> None:
    assert answered(result) == (200, {"content-type": "application/json"}, http_api)
    assert answered(result, kind="function-url") == (200, {"content-type": "application/json"}, function_url)


def test_a_result_with_a_status_is_what_it_says() -> None:
    result = {"statusCode": "201", "headers": {"X-Count": 2, "x-on": True, "content-type": "text/x"}, "body": "é"}
    headers = {"x-count": "2", "x-on": "true", "content-type": "text/x"}
    assert answered(result) == (201, headers, "é".encode())
    assert answered({"statusCode": 200, "isBase64Encoded": True, "body": "/w=="})[2] == b"\xff"
    assert answered({"statusCode": 202}) == (202, {}, b"")


def test_a_body_without_a_type_gets_the_doors_own() -> None:
    result = {"statusCode": 200, "body": "x"}
    assert answered(result)[1] == {"content-type": "text/plain;charset=UTF-8"}
    assert answered(result, kind="function-url")[1] == {"content-type": "application/json"}


def test_each_cookie_becomes_a_header() -> None:
    result = {"statusCode": 200, "cookies": ["a=1; Secure", "b=2"]}
    answer = answer_of("http-api", json.dumps(result).encode(), renames_challenge=True)
    assert answer.headers == (("set-cookie", "a=1; Secure"), ("set-cookie", "b=2"))


@pytest.mark.parametrize("kind", ["http-api", "function-url"])
def test_headers_of_the_connection_do_not_pass_and_some_are_renamed(kind: str) -> None:
    headers = {
        "WWW-Authenticate": "Bearer",
        "Date": "now",
        "Server": "me",
        "Transfer-Encoding": "x",
        "Content-Length": "9",
    }
    renamed = {"x-amzn-remapped-date": "now", "x-amzn-remapped-server": "me"}
    result = {"statusCode": 401, "headers": headers}
    assert answered(result, kind=kind)[1] == {"x-amzn-remapped-www-authenticate": "Bearer", **renamed}
    assert answered(result, kind=kind, renames_challenge=False)[1] == {"www-authenticate": "Bearer", **renamed}


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 99},
        {"statusCode": 100},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": "ok"},
        {"statusCode": 200.5},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nset-cookie: c=d"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "→"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a=1\n"]},
    ],
    ids=json.dumps,
)
def test_a_result_that_no_door_understands_is_the_functions_failure(result: Any) -> None:
    with pytest.raises(BrokenResult):
        answered(result)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("http-api", 401, b'{"message":"Unauthorized"}'),
        ("http-api", 403, b'{"message":"Forbidden"}'),
        ("http-api", 500, b'{"message":"Internal Server Error"}'),
        ("http-api", 503, b'{"message":"Service Unavailable"}'),
        ("function-url", 502, b"Internal Server Error"),
        ("function-url", 413, b'{"Message": "Request Entity Too Large"}'),
    ],
)
def test_a_door_refuses_in_its_own_words(kind: Any, status: int, body: bytes) -> None:
    assert Refusals(kind)(status).body == body
