"""Family `fc-event`: what may reach FC's built-in runtime that is no request of its HTTP trigger, or lies about one."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile.case import MALFORMED, NO_REQUEST, NOT_FOUND, STRANGER, EventCase, Expect, World, plain
from hostile.families.aws_events import BODY, IDENTITY
from hostile.families.event_changes import (
    NOT_AN_OBJECT,
    NOT_HEADERS,
    NOT_TEXT,
    Change,
    Event,
    changed,
    not_base64,
    put,
    put_each,
)
from support import mcp

EVENT = json.loads((Path(__file__).resolve().parents[2] / "events/fc/http_trigger.json").read_text(encoding="utf-8"))
UNREAD = plain(400, "message_malformed")


def request(token: str | None) -> Event:
    """A good event of an HTTP trigger, but for the token."""
    made: Event = copy.deepcopy(EVENT)
    headers = {name.title(): value for name, value in mcp.headers("tools/call", era=mcp.LEGACY[0]).items()}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    made |= {"headers": headers, "body": BODY, "isBase64Encoded": False, "queryParameters": {}}
    return made


def cases(world: World) -> Iterator[EventCase]:
    good = world.token()
    for name, other in _other_services(good).items():
        yield EventCase(f"fc-event/is {name}", "alibaba-fc section 6", "fc", other, NO_REQUEST)
    for name, change in _broken().items():
        yield EventCase(f"fc-event/{name}", "attacks section 7", "fc", changed(request(good), change), NO_REQUEST)
    for name, change in _unauthenticated(good).items():
        yield EventCase(
            f"fc-event/no token: {name}", "attacks section 7", "fc", changed(request(None), change), STRANGER
        )
    for name, (change, expect) in _lies(good).items():
        yield EventCase(f"fc-event/{name}", "6750-2 attacks section 7", "fc", changed(request(good), change), expect)


def _other_services(good: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {good}"}
    return {
        "no bytes": b"",
        "a NUL": b"\0",
        "not UTF-8": b"\xff\xfe",
        "not JSON": b"event",
        "cut": json.dumps(request(good)).encode()[:-1],
        "null": b"null",
        "true": b"true",
        "a number": b"1",
        "a text": b'"event"',
        "a list": b"[]",
        "a list of events": json.dumps([request(good)]).encode(),
        "the text of an event": json.dumps(json.dumps(request(good))).encode(),
        "200,000 open lists": b"[" * 200_000,
        "200,000 open objects": b'{"a":' * 200_000,
        "a number of 5000 digits": b"9" * 5000,
        "a JSON-RPC message": BODY.encode(),
        "an empty object": b"{}",
        "a timer's": {"triggerTime": "2026-11-22T07:49:00Z", "triggerName": "t", "payload": BODY},
        "an OSS trigger's": {"events": [{"eventName": "ObjectCreated:PutObject", "oss": {"object": {"key": "mcp"}}}]},
        "an SLS trigger's": {"parameter": {}, "source": {"endpoint": "http://evil.example"}, "jobName": "j"},
        "an MNS trigger's": {"Context": "c", "Message": BODY, "TopicName": "t"},
        "an API gateway's": {
            "path": "/mcp",
            "httpMethod": "POST",
            "headers": headers,
            "body": BODY,
            "isBase64Encoded": False,
        },
        "a Lambda's, payload 2.0": {
            "version": "2.0",
            "rawPath": "/mcp",
            "headers": headers,
            "body": BODY,
            "requestContext": {"http": {"method": "POST", "path": "/mcp"}},
        },
        "a Lambda's, payload 1.0": {
            "version": "1.0",
            "path": "/mcp",
            "httpMethod": "POST",
            "headers": headers,
            "body": BODY,
            "requestContext": {},
        },
        "EventBridge's": [{"data": {}, "source": "acs.oss", "type": "oss:ObjectCreated"}],
    }


def _broken() -> dict[str, Change]:
    versions = {
        "missing": ...,
        "null": None,
        "v2": "v2",
        "1": "1",
        "a number": 1,
        "2.0": "2.0",
        "a list": ["v1"],
        "V1": "V1",
    }
    return {
        **put_each(
            {
                ("version",): versions,
                ("rawPath",): {"missing": ..., "null": None, "a number": 1, "a list": ["/mcp"]},
                ("requestContext",): NOT_AN_OBJECT,
                ("requestContext", "http"): NOT_AN_OBJECT,
                ("requestContext", "http", "method"): {"missing": ..., "null": None, "a number": 1, "a list": ["POST"]},
                ("headers",): NOT_HEADERS,
                ("headers", "X-Other"): {**NOT_TEXT, "null": None},
                ("headers", "Authorization"): {**NOT_TEXT, "null": None},
                ("queryParameters",): {"a number": 1, "a text": "x", "a list of numbers": [1]},
                ("body",): NOT_TEXT,
            }
        ),
        **not_base64(BODY),
    }


def _unauthenticated(good: str) -> dict[str, Change]:
    bearer = f"Bearer {good}"
    changes: dict[str, Change] = {
        "at all": lambda _: None,
        "multiValueHeaders": put({"Authorization": [bearer]}, "multiValueHeaders"),
        "queryParameters": put({"access_token": good, "authorization": bearer}, "queryParameters"),
        "queryParameters as lists": put({"access_token": [good]}, "queryParameters"),
        "cookies": put([f"authorization={bearer}"], "cookies"),
        "requestContext.authorizer": put({"lambda": IDENTITY}, "requestContext", "authorizer"),
        "requestContext.identity": put(IDENTITY, "requestContext", "identity"),
        "requestContext.headers": put({"Authorization": bearer}, "requestContext", "headers"),
        "requestContext.http.headers": put({"Authorization": bearer}, "requestContext", "http", "headers"),
        "requestContext.http.userAgent": put(bearer, "requestContext", "http", "userAgent"),
        "requestContext.http.path elsewhere": put("/healthz", "requestContext", "http", "path"),
        "requestContext.triggerId": put("admin", "requestContext", "triggerId"),
        "domainName of a stranger": put("evil.example", "requestContext", "domainName"),
        "domainName missing": put(..., "requestContext", "domainName"),
        "claims": put({"sub": "admin"}, "claims"),
        "no body": put(None, "body"),
        "a body that is the token": put(bearer, "body"),
        "a path that is encoded": put("/%6dcp", "rawPath"),
    }
    for name in (
        "Authorization ",
        " Authorization",
        "Authorization\0",
        "Authorızation",
        "X-Fc-Authorization",
        "X-Jwt-Sub",
        "x-fc-access-key-id",
    ):
        changes[f"a header called {name!r}"] = put(bearer, "headers", name)
    for name, value in {
        ":path": "/healthz",
        "Transfer-Encoding": "chunked",
        "Content-Length": "99999999",
        "X-Fc-Control-Path": "/initialize",
        "X-Fc-Request-Id": "forged",
    }.items():
        changes[f"the header {name}"] = put(value, "headers", name)
    return changes


def _lies(good: str) -> dict[str, tuple[Change, Expect]]:
    bearer = f"Bearer {good}"
    return {
        "a second header called authorization": (put(bearer, "headers", "authorization"), MALFORMED),
        "a second header called AUTHORIZATION": (put(bearer, "headers", "AUTHORIZATION"), MALFORMED),
        "a second header, empty": (put("", "headers", "authorization"), MALFORMED),
        "two joined as the platform does it": (put(f"{bearer},{bearer}", "headers", "Authorization"), MALFORMED),
        "good and Basic joined": (put(f"{bearer}, Basic eDp5", "headers", "Authorization"), MALFORMED),
        "Basic and good joined": (put(f"Basic eDp5,{bearer}", "headers", "Authorization"), MALFORMED),
        "a body in base64 that says it is none": (put(base64.b64encode(BODY.encode()).decode(), "body"), UNREAD),
        "a body that is missing": (put(..., "body"), UNREAD),
        "a body that is empty": (put("", "body"), UNREAD),
        "Content-Length of 99 MB": (put("99999999", "headers", "Content-Length"), plain(413, "message_too_large")),
        "rawPath elsewhere": (put("/healthz", "rawPath"), NOT_FOUND),
        "rawPath empty": (put("", "rawPath"), NOT_FOUND),
        "rawPath with a slash": (put("/mcp/", "rawPath"), NOT_FOUND),
        "rawPath with a NUL": (put("/mcp%00", "rawPath"), NOT_FOUND),
        "rawPath with a query": (put("/mcp?x=y", "rawPath"), NOT_FOUND),
        "http.method empty": (put("", "requestContext", "http", "method"), plain(405, "ok")),
    }
