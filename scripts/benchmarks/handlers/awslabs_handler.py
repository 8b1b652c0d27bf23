"""awslabs.mcp-lambda-handler, as its documentation shows it. It speaks the protocol of 2024 and knows no async tool."""

from __future__ import annotations

import os
from typing import Any

from awslabs.mcp_lambda_handler import MCPLambdaHandler

mcp = MCPLambdaHandler(name="bench", version="1.0.0")


@mcp.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
def add_plain(a: int, b: int) -> int:
    """Add two numbers in a plain function."""
    return a + b


@mcp.tool()
def repeat(size: int) -> str:
    """Answer with a text of that many characters."""
    return "x" * size


def _another(number: int) -> None:
    def tool(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    tool.__name__ = f"tool_{number}"
    mcp.tool()(tool)


for _number in range(int(os.environ.get("BENCH_TOOLS", "10")) - 3):
    _another(_number)


def handler(event: Any, context: Any) -> Any:
    return mcp.handle_request(event, context)
