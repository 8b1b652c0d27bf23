"""What a message asks for, held against its headers, and JSON-RPC's ways to refuse it. No door, no scope, no tool.

The body decides what is asked. Headers repeat it for gateways on the way, so they must not say anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

from mcp.shared.inbound import decode_header_value
from mcp_types import HEADER_MISMATCH, METHOD_NOT_FOUND

from mcp_faas.asgi import Header, media_type
from mcp_faas.auth.challenge import Refusal
from mcp_faas.message import INVALID_REQUEST, Message, MessageMalformed, parse_message

BODY_MAX_BYTES = 4 * 1024 * 1024  # the SDK's own limit; below Lambda's 6 MB and FC's 32 MB
LARGE_BODY_BYTES = 64 * 1024  # 4 MB cost a second of CPU to parse; below this it is a few milliseconds
FORBIDDEN = -32003  # of JSON-RPC 2.0's range for servers, §5.1; MCP names no code for a missing scope
_TOO_LARGE = f"The body is larger than {BODY_MAX_BYTES} bytes."


class MessageRefused(Exception):
    """A message that the SDK must not see; `body` may be shown to the caller, `reason` is for the audit line."""

    def __init__(self, status: int, body: bytes, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = body
        self.reason = reason


def check_media_type(headers: Iterable[Header]) -> None:
    """Raise `MessageRefused` where the body is not said to be JSON: a form could be sent by any page."""
    if media_type(headers) != b"application/json":
        told = rpc_error(None, INVALID_REQUEST, "Send Content-Type: application/json")
        raise MessageRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told, "message_malformed")


def read_message(body: bytes | None) -> Message:
    """The message in a body, which is None where it was too large. Raises `MessageRefused`."""
    if body is None:
        told = json.dumps({"message": _TOO_LARGE}).encode()
        raise MessageRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told, "message_too_large")
    try:
        return parse_message(body)
    except MessageMalformed as error:
        told = rpc_error(None, error.code, str(error))
        raise MessageRefused(HTTPStatus.BAD_REQUEST, told, "message_malformed") from None


def check_headers(message: Message, headers: Iterable[Header]) -> None:
    """Raise `MessageRefused` where `Mcp-Method` or `Mcp-Name` says something else than the body.

    The SDK demands and compares them in the era that knows them; to earlier versions of the protocol it does not
    look, and a gateway that trusts them would let another call pass than it saw.
    """
    repeated = {b"mcp-method": message.method, b"mcp-name": message.target}
    for name, said in [header for header in headers if header[0] in repeated]:
        meant = repeated[name]
        if meant is not None and decode_header_value(said.decode("latin-1")) != meant:
            told = rpc_error(message, HEADER_MISMATCH, f"{name.decode()} is not what the body says")
            raise MessageRefused(HTTPStatus.BAD_REQUEST, told, "message_malformed")


def check_subscription(message: Message) -> None:
    """Raise `MessageRefused` for a stream without end: on a function it would run to the timeout, at a price."""
    if message.method == "subscriptions/listen":
        told = rpc_error(message, METHOD_NOT_FOUND, "Method not found")
        raise MessageRefused(HTTPStatus.NOT_FOUND, told, "ok")


def rpc_error(message: Message | None, code: int, text: str, data: object = None) -> bytes:
    """A JSON-RPC error, with the id of the request where one could be read."""
    error: dict[str, object] = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return json.dumps({"jsonrpc": "2.0", "id": message.id if message else None, "error": error}).encode()


def denial(message: Message, refusal: Refusal) -> bytes:
    """A refusal for want of a scope as the result of its own request, for clients that a status 403 ends.

    A tool's error, with the challenge where some clients look for one in order to ask the user for more; anything
    else has no result that could say so, and is a JSON-RPC error.
    """
    said = json.loads(refusal.body)
    text = f"{said['error']}: this needs the scope {said['scope']}"
    if message.method != "tools/call":
        return rpc_error(message, FORBIDDEN, text, said)
    challenges = [value.decode() for name, value in refusal.headers if name == b"www-authenticate"]
    result = {
        "content": [{"type": "text", "text": text}],
        "isError": True,
        "resultType": "complete",  # demanded since 2026-07-28, ignored before
        "_meta": {"mcp/www_authenticate": challenges},
    }
    return json.dumps({"jsonrpc": "2.0", "id": message.id, "result": result}).encode()
