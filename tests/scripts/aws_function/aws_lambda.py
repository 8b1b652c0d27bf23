"""A function that does what the request's body tells it, so that a test sees what its front door makes of that."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

print("loading")
if (broken := os.environ.get("BROKEN")) and Path(broken).exists():
    sys.exit("MCP_DOOR is not set; choose one of: platform, bearer, jwt.")


def handler(event: dict[str, Any], context: Any) -> Any:
    """Without an order: the event, the environment and the process, as JSON."""
    try:
        order = json.loads(event.get("body") or "{}")
    except ValueError:
        order = {}
    time.sleep(order.get("sleep", 0))
    if "raise" in order:
        raise ValueError(order["raise"])
    if "exit" in order:
        os._exit(order["exit"])
    if "large" in order:
        return {"statusCode": 200, "body": "x" * order["large"]}
    if "result" in order:
        return order["result"]
    seen = {
        "event": event,
        "environment": dict(os.environ),
        "pid": os.getpid(),
        "path": sys.path[:2],
        "request_id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn,
    }
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(seen)}
