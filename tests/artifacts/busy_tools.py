"""Tools that keep an instance busy in the ways that real ones do: they wait, block their thread, or compute."""

from __future__ import annotations

import asyncio
import threading
import time

from mcp.server.mcpserver import MCPServer

server = MCPServer("busy")
blocked: dict[int, threading.Barrier] = {}


@server.tool()
async def wait(number: int, seconds: float) -> int:
    await asyncio.sleep(seconds)
    return number


@server.tool()
def meet(number: int, others: int) -> int:
    """Comes back only when so many are here at the same time, each in a thread of its own."""
    blocked.setdefault(others, threading.Barrier(others)).wait(timeout=120)
    return number


@server.tool()
async def compute(number: int, seconds: float) -> int:
    """Holds the loop, as a tool should not."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return number
