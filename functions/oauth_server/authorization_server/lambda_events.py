"""What serverless-wsgi leaves open between a Lambda event and the app: cookies, and events that are no request.

The only knower of event shapes here; serverless-wsgi turns payload 2.0 and 1.0 into a WSGI request.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from serverless_wsgi import handle_request

from mcp_faas import logs

logger = logging.getLogger(__name__)


def handler_for(app: Any) -> Callable[[Any, Any], dict[str, Any]]:
    """The handler of a function in front of a WSGI application."""

    def handler(event: Any, context: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = handle_request(app, _checked(event), context)
        # Whatever a foreign shape makes the library raise; the app itself answers its own failures.
        except Exception as error:  # noqa: BLE001
            logger.warning("an event that is no HTTP request: %s", logs.defect(error))
            message = "This function takes the events of an HTTP API, a REST API or a Function URL."
            return {
                "statusCode": 400,
                "headers": {"content-type": "application/json"},
                "body": json.dumps({"message": message}),
                "isBase64Encoded": False,
            }
        return _with_cookies(answer, event)

    return handler


def _checked(event: Any) -> Any:
    """An event with a path and a method, and a body that is text. Raises ValueError."""
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        raise ValueError("no request context")
    if not isinstance(event.get("headers") or {}, dict) or not isinstance(event.get("body") or "", str):
        raise ValueError("headers or body of another type")
    return {**event, "headers": event.get("headers") or {}, "body": event.get("body") or ""}


def _with_cookies(answer: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Several cookies each where the gateway looks for them; serverless-wsgi varies the case of the name instead."""
    headers: dict[str, str] = answer.get("headers", {})
    found = [value for name, value in headers.items() if name.lower() == "set-cookie"]
    if not found:
        return answer
    others = {name: value for name, value in headers.items() if name.lower() != "set-cookie"}
    if event.get("version") == "2.0":
        return {**answer, "headers": others, "cookies": found}
    return {**answer, "headers": others, "multiValueHeaders": {"Set-Cookie": found}}
