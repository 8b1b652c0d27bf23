"""The ten tools of every benchmark, as a user of the official SDK writes them. BENCH_TOOLS asks for more of them."""

from __future__ import annotations

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("bench")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def add_plain(a: int, b: int) -> int:
    """Add two numbers in a plain function."""
    return a + b


@server.tool()
async def repeat(size: int) -> str:
    """Answer with a text of that many characters."""
    return "x" * size


def _another(number: int) -> None:
    async def tool(a: int, b: int) -> int:
        return a + b

    server.tool(name=f"tool_{number}", description="Add two numbers.")(tool)


for _number in range(int(os.environ.get("BENCH_TOOLS", "10")) - 3):
    _another(_number)
