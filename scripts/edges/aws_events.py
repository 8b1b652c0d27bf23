"""What the AWS front doors make of a request: an event of payload format 2.0. No I/O, no clock.

Rules without a mark are in the vendor's pages on both payloads; others have seen the "reported" ones live.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from edges.listener import Request

Kind = Literal["http-api", "function-url"]
Event = dict[str, Any]

# Reported from live captures: only these arrive as text, at both doors. A form, a vendor's "+json" and a body without
# a content type arrive as base64.
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
# RFC 9110 §7.6.1: between two hops, so never in an event. `expect` was answered by the gateway itself.
HOP_BY_HOP = frozenset(
    [
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection"),
        *("expect", "te", "trailer", "transfer-encoding", "upgrade"),
    ]
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Platform:
    """What a front door says of itself, whatever name the caller used for it."""

    kind: Kind
    stage: str = "$default"
    api_id: str = "a1b2c3d4e5"
    account_id: str = "123456789012"
    region: str = "us-east-1"
    trusts_forwarded: bool = False  # lets a caller's X-Forwarded-Proto and -Port through; which is real is unproven

    @property
    def domain_name(self) -> str:
        if self.kind == "function-url":
            return f"{self.api_id}.lambda-url.{self.region}.on.aws"
        return f"{self.api_id}.execute-api.{self.region}.amazonaws.com"

    def path_of(self, request: Request) -> str:
        """HTTP API hands on the decoded path, cut at a decoded question mark (reported); a Function URL as sent."""
        return unquote(request.path).partition("?")[0] if self.kind == "http-api" else request.path

    def route_path_of(self, path: str) -> str | None:
        """The path without its stage; None when a named stage is not in it."""
        if self.stage == "$default":
            return path
        prefix = f"/{self.stage}"
        return path[len(prefix) :] or "/" if path == prefix or path.startswith(f"{prefix}/") else None


def is_text(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return any(media_type == text or (text.endswith("/") and media_type.startswith(text)) for text in TEXT_TYPES)


def headers_of(platform: Platform, request: Request, trace_id: str) -> dict[str, str]:
    """Lower-case names, repeated ones joined by commas, cookies apart, and the platform's word on where and whence."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        if name not in HOP_BY_HOP and name != "cookie":
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    forwarded_for = headers.get("x-forwarded-for")
    told = {"x-forwarded-port": "443", "x-forwarded-proto": "https"}
    headers.update({} if platform.trusts_forwarded else told)
    return {
        **told,
        **headers,
        "content-length": str(len(request.body)),
        "host": platform.domain_name,
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": f"{forwarded_for}, {request.client}" if forwarded_for else request.client,
    }


def event_of(
    platform: Platform,
    request: Request,
    *,
    route_key: str,
    path_parameters: dict[str, str],
    request_id: str,
    trace_id: str,
    now: float,
) -> Event:
    """The event that the function behind this door gets; what a request lacks is left out."""
    path = platform.path_of(request)
    headers = headers_of(platform, request, trace_id)
    cookies = [
        cookie.strip()
        for name, line in request.headers
        if name == "cookie"
        for cookie in line.split(";")
        if cookie.strip()
    ]
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    event: Event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": platform.account_id if platform.kind == "http-api" else "anonymous",  # reported
            "apiId": platform.api_id,
            "domainName": platform.domain_name,
            "domainPrefix": platform.api_id,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": platform.stage,
            "time": clf_time(now),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if parameters:
        event["queryStringParameters"] = parameters
    if path_parameters:
        event["pathParameters"] = path_parameters
    if request.body:
        event["body"], event["isBase64Encoded"] = _body_of(request)
    return event


def _body_of(request: Request) -> tuple[str, bool]:
    if is_text(request.header("content-type")):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # an event is JSON, so bytes that are no text cannot travel as they are
    return base64.b64encode(request.body).decode(), True


def authorizer_event_of(platform: Platform, event: Event, identity: str) -> Event:
    """The request format 2.0 of a Lambda authorizer whose one identity source is the Authorization header: no body."""
    http = event["requestContext"]["http"]
    arn = f"arn:aws:execute-api:{platform.region}:{platform.account_id}:{platform.api_id}"
    kept = {key: value for key, value in event.items() if key not in ("body", "isBase64Encoded", "version")}
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"{arn}/{platform.stage}/{http['method']}{http['path']}",
        "identitySource": [identity],
        **kept,
    }


def clf_time(now: float) -> str:
    """`12/Mar/2020:19:03:58 +0000`, whatever the locale."""
    at = time.gmtime(now)
    return f"{at.tm_mday:02}/{MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"


def decode_base64(text: str) -> bytes:
    """Strict, so that a function's broken answer is found here and not by its user's client; ValueError if broken."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
