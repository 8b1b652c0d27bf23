"""Runs inside a stack's own process, under valgrind: one call as often as asked, through one layer of what answers it.

Takes the folder, the layer, the number of calls and a file with the event. Layers are `sdk`, the official SDK's
session manager; `sdk here`, the same as this project sets it up; `gate`, the door and what is behind it; `handler`, the
whole; and `mangum`, the whole of a server that has no door. Whatever goes wrong ends the process with an error.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import sys
from typing import Any

from warm_child import Context  # type: ignore[import-not-found]  # it lies beside this file, which is all that is there

UNMEASURED_CALLS = 3


def found(layer: str) -> tuple[Any, Any]:
    """The layer as an ASGI app, and the lifespan that it needs."""
    if layer == "sdk":
        server = importlib.import_module("sdk_tools").server
        security = importlib.import_module("mcp.server.transport_security").TransportSecuritySettings
        unguarded = security(enable_dns_rebinding_protection=False)  # as sdk_mangum.py has it
        app = server.streamable_http_app(stateless_http=True, json_response=True, transport_security=unguarded)
        return server.session_manager.handle_request, app.router.lifespan_context(app)
    settings = importlib.import_module("mcp_faas.settings").read_settings(os.environ)
    gate, app = importlib.import_module("mcp_faas.server").build_app(settings, streaming=False)()
    return gate if layer == "gate" else gate.straight, app.router.lifespan_context(app)


async def through_app(app: Any, lifespan: Any, event: dict[str, Any], calls: int) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in event["headers"].items()],
        "client": ("192.0.2.1", 0),
        "server": (event["headers"]["host"], 443),
    }
    body, statuses = event["body"].encode(), set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    async with lifespan:
        for number in range(UNMEASURED_CALLS + calls):
            if number == UNMEASURED_CALLS:
                gc.collect()
                gc.freeze()
            await app(dict(scope), receive, send)
    if statuses != {200}:
        raise SystemExit(f"the answer was {statuses}")


def through_handler(handler: Any, event: str, calls: int) -> None:
    for number in range(UNMEASURED_CALLS + calls):
        if number == UNMEASURED_CALLS:
            gc.collect()
            gc.freeze()
        answer = handler(json.loads(event), Context())
    if answer["statusCode"] != 200:
        raise SystemExit(f"the answer was {answer}")


def main() -> None:
    folder, layer, calls, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    with open(path) as file:  # noqa: PTH123 - nothing is imported that the stack might not import
        event = file.read()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the audit line is part of the call; a terminal is not
    sys.path[0] = folder
    if layer in ("handler", "mangum"):
        module = {"handler": "aws_lambda", "mangum": "sdk_mangum"}[layer]
        through_handler(importlib.import_module(module).handler, event, calls)
    else:
        asyncio.run(through_app(*found(layer), json.loads(event), calls))
    os._exit(0)


if __name__ == "__main__":
    main()
