"""A server of version 1 of the official SDK that speaks on its standard input and output."""

from __future__ import annotations

from mcp.server.fastmcp import FastMCP  # type: ignore[attr-defined]  # version 1 of the SDK has it

mcp = FastMCP("bench")


@mcp.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool()
def add_plain(a: int, b: int) -> int:
    """Add two numbers in a plain function."""
    return a + b


@mcp.tool()
async def repeat(size: int) -> str:
    """Answer with a text of that many characters."""
    return "x" * size


def _another(number: int) -> None:
    async def tool(a: int, b: int) -> int:
        return a + b

    mcp.tool(name=f"tool_{number}", description="Add two numbers.")(tool)


for _number in range(7):
    _another(_number)

if __name__ == "__main__":
    mcp.run()
