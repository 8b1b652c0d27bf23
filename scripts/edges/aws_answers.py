"""What the AWS front doors make of a function's result, and what they say when they refuse themselves. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from edges.aws_events import HOP_BY_HOP, Kind, decode_base64
from edges.listener import Answer

CHALLENGE = "www-authenticate"
# A vendor's list for REST APIs, reported live for Function URLs, assumed for HTTP APIs.
RENAMED = frozenset(["connection", "date", "server", CHALLENGE])
RENAMED_PREFIX = "x-amzn-remapped-"
# RFC 9110 §5.1 and §5.5
FIELD_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# What each door says when it is itself that refuses; none of it tells what the function did.
WORDS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Endpoint request timed out",
}


class BrokenResult(ValueError):
    """The function returned what no door can make an answer of. The text is for the log and quotes no value."""


@dataclass(frozen=True)
class Refusals:
    """A door's own answers, in its own form."""

    kind: Kind

    def __call__(self, status: int) -> Answer:
        words = WORDS.get(status, "Bad Request")
        if self.kind == "http-api":
            body = json.dumps({"message": words}, separators=(",", ":"))
        else:  # reported: a bare sentence for the function's failure, an object with a capital M for the rest
            body = "Internal Server Error" if status == 502 else json.dumps({"Message": words})
        return Answer(status, (("content-type", "application/json"),), body.encode())

    @property
    def function_failed(self) -> int:
        """The status of a crash, a timeout or a result without a shape."""
        return 502 if self.kind == "function-url" else 500


def answer_of(kind: Kind, payload: bytes, *, renames_challenge: bool) -> Answer:
    """The caller's answer. Without `statusCode` the whole result is a body with status 200."""
    try:
        result: object = json.loads(payload)
    except ValueError:
        raise BrokenResult("the result is not JSON") from None
    if not isinstance(result, dict) or "statusCode" not in result:
        # The two doors' pages differ here: one shows a text bare, the other in quotes.
        bare = kind == "http-api" and isinstance(result, str)
        body = result.encode() if bare and isinstance(result, str) else payload
        return Answer(200, (("content-type", "application/json"),), body)
    body = _body_of(result)
    headers = _headers_of(result, renames_challenge=renames_challenge)
    if body and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8" if kind == "http-api" else "application/json"))
    cookies = result.get("cookies") or []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise BrokenResult("cookies is not a list of texts")
    headers += [("set-cookie", _line("a cookie", cookie)) for cookie in cookies]
    return Answer(_status_of(result["statusCode"]), tuple(headers), body)


def _status_of(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 200 <= number <= 599:
        raise BrokenResult("statusCode is no status of an answer")
    return number


def _body_of(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BrokenResult(f"body is {type(body).__name__}, not a text")
    if result.get("isBase64Encoded"):
        try:
            return decode_base64(body)
        except ValueError:
            raise BrokenResult("isBase64Encoded is true and body is not base64") from None
    return body.encode("utf-8", "replace")


def _headers_of(result: dict[str, Any], *, renames_challenge: bool) -> list[tuple[str, str]]:
    given = result.get("headers") or {}
    if not isinstance(given, dict):
        raise BrokenResult("headers is not an object")
    headers: list[tuple[str, str]] = []
    for key, value in given.items():
        name = key.lower()
        if isinstance(value, bool):
            value = str(value).lower()
        elif not isinstance(value, str | int | float):
            raise BrokenResult(f"header {name} is {type(value).__name__}, not a text")
        if name in RENAMED and (name != CHALLENGE or renames_challenge):
            name = RENAMED_PREFIX + name
        elif name in HOP_BY_HOP or name == "content-length":  # the door measures for itself
            continue
        headers.append((_line("a header name", name, FIELD_NAME), _line(f"header {name}", str(value))))
    return headers


def _line(what: str, text: str, form: re.Pattern[str] = FIELD_VALUE) -> str:
    stripped = text.strip(" \t")
    if not form.fullmatch(stripped):
        raise BrokenResult(f"{what} holds what no header line can")
    return stripped
