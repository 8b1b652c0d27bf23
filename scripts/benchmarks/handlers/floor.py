"""The floor: JSON in, JSON out, with the standard library alone. It checks nothing and is no MCP server."""

from __future__ import annotations

import json
from typing import Any


def handler(event: Any, context: Any) -> Any:
    call = json.loads(event["body"])
    arguments = call["params"].get("arguments", {})
    text = "x" * arguments["size"] if "size" in arguments else str(arguments.get("a", 0) + arguments.get("b", 0))
    answer = {"jsonrpc": "2.0", "id": call["id"], "result": {"content": [{"type": "text", "text": text}]}}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}
