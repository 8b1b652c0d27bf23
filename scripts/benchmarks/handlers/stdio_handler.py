"""run-mcp-servers-with-aws-lambda, as its documentation shows it: each call starts the stdio server and asks it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcp.client.stdio import StdioServerParameters
from mcp_lambda import APIGatewayProxyEventV2Handler, StdioServerAdapterRequestHandler

here = Path(__file__).parent
server_params = StdioServerParameters(
    command=sys.executable, args=[str(here / "stdio_server.py")], env={"PYTHONPATH": str(here)}
)
event_handler = APIGatewayProxyEventV2Handler(StdioServerAdapterRequestHandler(server_params))


def handler(event: Any, context: Any) -> Any:
    return event_handler.handle(event, context)
