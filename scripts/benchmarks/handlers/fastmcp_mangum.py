"""fastmcp behind Mangum, as its users write it. It has no door."""

from __future__ import annotations

import asyncio
import os

from fastmcp import FastMCP
from mangum import Mangum

mcp = FastMCP("bench")


@mcp.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool
def add_plain(a: int, b: int) -> int:
    """Add two numbers in a plain function."""
    return a + b


@mcp.tool
async def repeat(size: int) -> str:
    """Answer with a text of that many characters."""
    return "x" * size


def _another(number: int) -> None:
    async def tool(a: int, b: int) -> int:
        return a + b

    mcp.tool(tool, name=f"tool_{number}", description="Add two numbers.")


for _number in range(int(os.environ.get("BENCH_TOOLS", "10")) - 3):
    _another(_number)

app = mcp.http_app(stateless_http=True, json_response=True)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
lifespan = app.router.lifespan_context(app)
loop.run_until_complete(lifespan.__aenter__())

handler = Mangum(app, lifespan="off")
