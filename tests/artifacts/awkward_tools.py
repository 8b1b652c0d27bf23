"""A user's own file, made with no option of ours, whose tools do what tools should not: it replaces `tools.py`."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

server = MCPServer("x")
running: list[str] = []


@server.tool()
async def whoami() -> str:
    token = get_access_token()
    return str(token.client_id if token else None)


@server.tool()
def whoami_in_a_thread() -> str:
    token = get_access_token()
    return str(token.client_id if token else None)


@server.tool()
async def hang() -> str:
    """Wait longer than the function may run, as a good async tool does."""
    running.append("hang")
    try:
        await asyncio.sleep(600)
    finally:
        running.remove("hang")
    return "never"


@server.tool()
def block_a_thread() -> str:
    """Wait in the thread of a plain tool, which nothing can end."""
    time.sleep(600)
    return "never"


@server.tool()
async def block_the_loop() -> str:
    """What must never be done: nothing of ours runs until Lambda ends it all."""
    time.sleep(600)  # noqa: ASYNC251 - on purpose
    return "never"


@server.tool()
async def still_running() -> list[str]:
    return running


@server.tool()
async def large(size: int) -> str:
    return "x" * size


@server.tool()
async def fail() -> str:
    raise ValueError("inner detail")


@server.tool()
async def surroundings() -> dict[str, list[str]]:
    """What this process could reach or read that the artifact did not bring."""
    return {
        "path": sys.path,
        "environment": sorted(os.environ),
        "folder": [str(Path.cwd())],
        "modules": sorted(str(getattr(module, "__file__", "")) for module in sys.modules.values()),
    }
