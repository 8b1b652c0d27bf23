"""Family `aws-event`: what may reach a Lambda function that is no request of its two front doors, or lies about one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from aws.mcp_events import event, message
from hostile.case import MALFORMED, NO_REQUEST, NOT_FOUND, STRANGER, EventCase, Expect, World, plain
from hostile.families.aws_services import other_services
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

BODY = mcp.message("tools/call", mcp.call("touch")).decode()
UNREAD = plain(400, "message_malformed")
WRONG_METHOD = plain(405, "ok")
IDENTITY = {"tokenName": "admin", "principalId": "admin", "sub": "admin"}


def request(token: str | None) -> Event:
    """A good event of payload format 2.0, but for the token."""
    headers = message("tools/call", mcp.call("touch"), era=mcp.LEGACY[0])[1]
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    made = event("function-url", headers=headers, body=BODY)
    made["requestContext"]["authorizer"] = None
    return made


def cases(world: World) -> Iterator[EventCase]:
    good = world.token()
    for name, other in other_services(good, BODY).items():
        yield EventCase(f"aws-event/of {name}", "attacks section 7, style Mangum", "aws", other, NO_REQUEST)
    for name, other in {
        "null": None,
        "true": True,
        "a number": 0,
        "a text": "event",
        "a list": [],
        "a list of events": [request(good)],
        "an object": {},
        "the text of an event": json.dumps(request(good)),
        "a JSON-RPC message": json.loads(BODY),
    }.items():
        yield EventCase(f"aws-event/is {name}", "CVE-2025-53366", "aws", other, NO_REQUEST)
    for name, change in _broken().items():
        yield EventCase(f"aws-event/{name}", "attacks section 7", "aws", changed(request(good), change), NO_REQUEST)
    for name, change in _unauthenticated(good).items():
        yield EventCase(
            f"aws-event/no token: {name}", "attacks section 7", "aws", changed(request(None), change), STRANGER
        )
    for name, (change, expect) in _lies(good).items():
        yield EventCase(f"aws-event/{name}", "6750-2 attacks section 7", "aws", changed(request(good), change), expect)


def _broken() -> dict[str, Change]:
    """A good token, and a field that no front door would write so."""
    versions = {"missing": ..., "null": None, "1.0": "1.0", "a number": 2.0, "2": "2", "3.0": "3.0", "a list": ["2.0"]}
    domains = {
        "missing": ...,
        "null": None,
        "a number": 1,
        "a list": ["a"],
        "empty": "",
        "in Cyrillic": "аpi.example.com",
    }
    return {
        **put_each(
            {
                ("version",): {**versions, "v1": "v1", "with a blank": "2.0 "},
                ("requestContext",): NOT_AN_OBJECT,
                ("requestContext", "http"): NOT_AN_OBJECT,
                ("requestContext", "http", "path"): {"missing": ..., "a number": 1, "a list": ["/mcp"]},
                ("requestContext", "http", "method"): {"missing": ...},
                ("requestContext", "domainName"): {
                    **domains,
                    **{f"like {host!r}": host for host in ("a/b", "a b", "a:443", "x@a", "a\n", 'a"', "a#", "[::1]")},
                },
                ("headers",): NOT_HEADERS,
                ("headers", "x-other"): {**NOT_TEXT, "null": None},
                ("headers", "authorization"): {**NOT_TEXT, "null": None},
                ("headers", "x-\ud800"): {"whatever it is": "x"},
                ("cookies",): {"a list of numbers": [1], "a number": 1, "true": True, "a list of null": [None]},
                ("rawQueryString",): {"a number": 1, "null": None, "a list": ["a=b"]},
                ("body",): NOT_TEXT,
            }
        ),
        **not_base64(BODY),
    }


def _unauthenticated(good: str) -> dict[str, Change]:
    """Nothing but the one header is a credential, whatever the event says besides."""
    bearer = f"Bearer {good}"
    changes: dict[str, Change] = {
        "at all": lambda _: None,
        "multiValueHeaders": put({"authorization": [bearer]}, "multiValueHeaders"),
        "multiValueHeaders in its own case": put({"Authorization": [bearer]}, "multiValueHeaders"),
        "authorizationToken": put(bearer, "authorizationToken"),
        "identitySource": put([bearer], "identitySource"),
        "queryStringParameters": put({"access_token": good}, "queryStringParameters"),
        "rawQueryString": put(f"access_token={good}", "rawQueryString"),
        "pathParameters": put({"proxy": bearer, "authorization": bearer}, "pathParameters"),
        "stageVariables": put({"authorization": bearer, "MCP_DOOR": "platform"}, "stageVariables"),
        "cookies": put([f"authorization={bearer}", f"access_token={good}"], "cookies"),
        "cookies as text": put(f"authorization={bearer}", "cookies"),
        "cookies as an object": put({"authorization": bearer}, "cookies"),
        "requestContext.authorizer.lambda": put({"lambda": IDENTITY}, "requestContext", "authorizer"),
        "requestContext.authorizer.jwt": put(
            {"jwt": {"claims": {"sub": "admin"}, "scopes": ["mcp:tools"]}}, "requestContext", "authorizer"
        ),
        "requestContext.authorizer.iam": put(
            {"iam": {"userArn": "arn:aws:iam::1:root"}}, "requestContext", "authorizer"
        ),
        "requestContext.authorizer itself": put(IDENTITY, "requestContext", "authorizer"),
        "requestContext.authorizer a text": put("admin", "requestContext", "authorizer"),
        "requestContext.authorizer a list": put([IDENTITY], "requestContext", "authorizer"),
        "requestContext.authorizer.lambda a text": put({"lambda": "admin"}, "requestContext", "authorizer"),
        "requestContext.authentication": put(
            {"clientCert": {"subjectDN": "CN=admin"}}, "requestContext", "authentication"
        ),
        "requestContext.identity": put({"user": "admin", "apiKey": good}, "requestContext", "identity"),
        "requestContext.headers": put({"authorization": bearer}, "requestContext", "headers"),
        "requestContext.http.headers": put({"authorization": bearer}, "requestContext", "http", "headers"),
        "requestContext.http.userAgent": put(bearer, "requestContext", "http", "userAgent"),
        "claims": put({"sub": "admin"}, "claims"),
        "user": put({"sub": "admin"}, "user"),
        "a body that is the token": put(bearer, "body"),
        "no body": put(None, "body"),
        "stage of another name": put("prod", "requestContext", "stage"),
        "stage empty": put("", "requestContext", "stage"),
        "stage null": put(None, "requestContext", "stage"),
        "stage a number": put(1, "requestContext", "stage"),
        "stage with a path": put("../healthz", "requestContext", "stage"),
        "stage that is the endpoint": put("mcp", "requestContext", "stage"),
        "rawPath elsewhere": put("/healthz", "rawPath"),
        "routeKey elsewhere": put("GET /healthz", "routeKey"),
        "domainName of a stranger": put("evil.example", "requestContext", "domainName"),
        "sourceIp of this machine": put("127.0.0.1", "requestContext", "http", "sourceIp"),
    }
    for name in (
        "authorization ",
        " authorization",
        "authorization\0",
        "authorization\t",
        "authorızation",
        "authorization:",
        "_authorization",
        "authorization[]",
        "аuthorization",
    ):
        changes[f"a header called {name!r}"] = put(bearer, "headers", name)
    for name, value in {
        ":authority": "localhost",
        ":path": "/healthz",
        ":method": "OPTIONS",
        ":authorization": bearer,
        "transfer-encoding": "chunked",
        "content-length": "99999999",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABk",
    }.items():
        changes[f"the header {name}"] = put(value, "headers", name)
    return changes


def _lies(good: str) -> dict[str, tuple[Change, Expect]]:
    """A good token, and something beside it that contradicts it."""
    bearer = f"Bearer {good}"
    lies: dict[str, tuple[Change, Expect]] = {
        f"a second header called {name}": (put(value, "headers", name), MALFORMED)
        for name in ("Authorization", "AUTHORIZATION", "authoriZation")
        for value in (bearer,)
    }
    lies |= {
        f"a second header called {name}, empty": (put("", "headers", name), MALFORMED)
        for name in ("Authorization", "AUTHORIZATION")
    }
    lies |= {
        "two joined as the platform does it": (put(f"{bearer},{bearer}", "headers", "authorization"), MALFORMED),
        "two joined with a blank": (put(f"{bearer}, {bearer}", "headers", "authorization"), MALFORMED),
        "good and empty joined": (put(f"{bearer},", "headers", "authorization"), MALFORMED),
        "empty and good joined": (put(f",{bearer}", "headers", "authorization"), MALFORMED),
        "good and Basic joined": (put(f"{bearer},Basic eDp5", "headers", "authorization"), MALFORMED),
        "Basic and good joined": (put(f"Basic eDp5,{bearer}", "headers", "authorization"), MALFORMED),
        "a body in base64 that says it is none": (put(base64.b64encode(BODY.encode()).decode(), "body"), UNREAD),
        "a body that is base64 twice": (
            lambda made: made.update(
                body=base64.b64encode(base64.b64encode(BODY.encode())).decode(), isBase64Encoded=True
            ),
            UNREAD,
        ),
        "a body that is missing": (put(..., "body"), UNREAD),
        "a body that is null": (put(None, "body"), UNREAD),
        "a body that is empty": (put("", "body"), UNREAD),
        "Content-Length of 99 MB": (put("99999999", "headers", "content-length"), plain(413, "message_too_large")),
        "http.path elsewhere": (put("/healthz", "requestContext", "http", "path"), NOT_FOUND),
        "http.path with a slash": (put("/mcp/", "requestContext", "http", "path"), NOT_FOUND),
        "http.path of the stage alone": (
            lambda made: made.update(
                rawPath="/prod",
                requestContext={
                    **made["requestContext"],
                    "stage": "prod",
                    "http": {**made["requestContext"]["http"], "path": "/prod"},
                },
            ),
            NOT_FOUND,
        ),
        "http.path twice the stage": (
            lambda made: made.update(
                rawPath="/prod/prod/mcp",
                requestContext={
                    **made["requestContext"],
                    "stage": "prod",
                    "http": {**made["requestContext"]["http"], "path": "/prod/prod/mcp"},
                },
            ),
            NOT_FOUND,
        ),
        "http.path of a stage that is not there": (put("/prod/mcp", "requestContext", "http", "path"), NOT_FOUND),
        "http.method OPTIONS of a stranger": (
            lambda made: (
                made["headers"].update(origin="https://evil.example"),
                made["requestContext"]["http"].update(method="OPTIONS"),
            )[0],
            plain(403),
        ),
        "http.path null": (put(None, "requestContext", "http", "path"), NOT_FOUND),
        "http.method empty": (put("", "requestContext", "http", "method"), WRONG_METHOD),
        "http.method null": (put(None, "requestContext", "http", "method"), WRONG_METHOD),
        "http.method a number": (put(1, "requestContext", "http", "method"), WRONG_METHOD),
        "http.method a list": (put(["POST"], "requestContext", "http", "method"), WRONG_METHOD),
    }
    return lies
