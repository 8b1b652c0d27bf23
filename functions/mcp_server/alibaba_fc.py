"""Entry point: the MCP server on Alibaba Function Compute.

As a web function (custom runtime): `python -m alibaba_fc`. On a built-in runtime: handler alibaba_fc.handler.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from mcp_faas import logs
from mcp_faas.settings import read_fc_port, read_settings, require_public_url
from mcp_faas.settings.values import SettingsError
from mcp_faas.starting import collector_off

EVENT_SECONDS = 55.0  # what one event may take on a built-in runtime; s.yaml gives the function 60 s


def serve() -> None:
    """Serve HTTP until the platform stops the instance."""
    settings, port = read_settings(os.environ), read_fc_port(os.environ)
    require_public_url(settings)
    logs.configure(settings.log_level)
    with collector_off():
        from mcp_faas.platforms.fc import run_web_function
        from mcp_faas.server import build_app

        gate, _ = build_app(settings, streaming=True)()
    run_web_function(gate, port, settings.public_url)


def _event_handler() -> Any:
    settings = read_settings(os.environ)
    require_public_url(settings)
    logs.configure(settings.log_level)
    with collector_off():
        from mcp_faas.platforms.fc import handler_for
        from mcp_faas.platforms.instance import Instance
        from mcp_faas.server import build_app

        instance = Instance(build_app(settings, streaming=False))
        instance.start()
    return handler_for(instance, settings.public_url, EVENT_SECONDS)


if __name__ == "__main__":
    try:
        serve()
    except SettingsError as error:
        sys.exit(str(error))
else:
    handler = _event_handler()
