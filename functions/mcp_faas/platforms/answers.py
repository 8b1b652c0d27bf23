"""What an event function answers where the app could not: JSON-RPC errors that reach the person at the client.

They go out with status 200: clients show a JSON-RPC error to their user, and a 5xx as a broken connection.
"""

from __future__ import annotations

import json

from mangum.types import Response

from mcp_faas.message import MessageMalformed, parse_message

INTERNAL_ERROR = -32603  # JSON-RPC 2.0 §5.1

CUT_OFF = (INTERNAL_ERROR, "The call took longer than this function may run, and was cut off. Nothing is known of it.")
TOO_LARGE = (INTERNAL_ERROR, "The result is larger than this function can return (6 MB). Ask for less at a time.")


def rpc_error(body: bytes, code: int, text: str) -> Response:
    """A JSON-RPC error with the id of the request in `body`."""
    try:
        identity = parse_message(body).id
    except MessageMalformed:
        identity = None
    answer = {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": text}}
    return {"status": 200, "headers": [[b"content-type", b"application/json"]], "body": json.dumps(answer).encode()}
