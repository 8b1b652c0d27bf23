"""Entry point: the MCP server on AWS Lambda, behind a Function URL or an HTTP API. Handler: aws_lambda.handler."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from mcp_faas.starting import after_restore, collector_off


@cache
def ready() -> Callable[[Any, Any], dict[str, Any]]:
    """The handler proper, with all that an instance has for itself alone: its door, keys, connections and loop."""
    instance = Instance(build_app(settings, streaming=False))
    instance.start()
    return handler_for(instance, settings.public_url)


with collector_off():
    from mcp_faas import logs
    from mcp_faas.settings import read_settings, require_shared_key, starts_from_snapshot

    settings = read_settings(os.environ)
    logs.configure(settings.log_level)  # before the SDK is imported: it sets logging up itself where nobody has

    from mcp_faas.platforms.aws import handler_for
    from mcp_faas.platforms.instance import Instance
    from mcp_faas.server import build_app, load_server

    if starts_from_snapshot(os.environ):
        require_shared_key(settings)
        load_server(settings.server)  # nine tenths of a start, and the same in every copy
        if settings.jwt is not None:
            import mcp_faas.jwt_door  # noqa: F401 - most of the rest; the door itself is of one instance
        after_restore(ready)
    else:
        ready()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer an event of payload format 2.0."""
    return ready()(event, context)
