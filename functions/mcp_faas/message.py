"""Read one JSON-RPC message far enough to know what it asks for: method, target, id. No I/O.

The body is the only source: the `Mcp-Method` and `Mcp-Name` headers are the caller's word and are compared by the SDK.
Text that two parsers could read differently is refused here, so that the SDK cannot see another message than we did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_faas import strict_json

PARSE_ERROR, INVALID_REQUEST = -32700, -32600  # JSON-RPC 2.0 §5.1

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Which parameter names what an operation works on.
_TARGETS = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri", "resources/subscribe": "uri"}
# Completing an argument asks the code behind a prompt or a resource template, so it is an operation on that.
_REFERENCES = {"ref/prompt": ("prompts/get", "name"), "ref/resource": ("resources/read", "uri")}


class MessageMalformed(Exception):
    """Not one JSON-RPC message; `code` is JSON-RPC's, the text may be shown to the caller."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Message:
    """What a body asks for. A notification has no `id`; a malformed one may lack everything: the SDK answers it.

    `guarded` is what the message works on, as scopes are declared: the method of the operation, and its name or URI.
    """

    id: str | int | None
    method: str | None
    target: str | None
    guarded: tuple[str, str] | None

    @property
    def tool(self) -> str | None:
        """The tool that is called, if one is."""
        return self.target if self.method == "tools/call" else None


def parse_message(body: bytes) -> Message:
    """Read a POST body. Raises `MessageMalformed` where the SDK must not see it."""
    try:
        value = strict_json.loads(body.decode())
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()  # a lone one is text that nobody can send on
    except strict_json.DuplicateMember:
        raise MessageMalformed(INVALID_REQUEST, "A member of the JSON object appears twice") from None
    except (ValueError, RecursionError):
        raise MessageMalformed(PARSE_ERROR, "Parse error") from None
    if not isinstance(value, dict):
        raise MessageMalformed(INVALID_REQUEST, "Send one JSON-RPC message per request; batches are not part of MCP")
    if value.get("jsonrpc") != "2.0":
        raise MessageMalformed(INVALID_REQUEST, 'A message of MCP has "jsonrpc": "2.0"')
    identity, method, parameters = value.get("id"), value.get("method"), value.get("params")
    if "id" in value and (isinstance(identity, bool) or not isinstance(identity, str | int)):
        # The SDK would take such a request for a notification, and its sender would wait for ever.
        raise MessageMalformed(INVALID_REQUEST, "The id of a request is text or an integer")
    if parameters is not None and not isinstance(parameters, dict):
        raise MessageMalformed(INVALID_REQUEST, "The params of a message are an object")
    method = method if isinstance(method, str) else None
    target = _text(parameters or {}, _TARGETS.get(method or "", ""))
    return Message(id=identity, method=method, target=target, guarded=_guarded(method, target, parameters or {}))


def _guarded(method: str | None, target: str | None, parameters: Mapping[str, Any]) -> tuple[str, str] | None:
    if method == "completion/complete":
        reference = parameters.get("ref")
        if isinstance(reference, dict):
            method, name = _REFERENCES.get(_text(reference, "type") or "", (None, ""))
            target = _text(reference, name)
    elif method == "resources/subscribe":
        method = "resources/read"
    return (method, target) if method is not None and target is not None else None


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None
