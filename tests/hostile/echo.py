"""A server that says who calls and what was asked, after giving others the time to get in between."""

from __future__ import annotations

import asyncio
import time

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

server = MCPServer("echo", version="1")


def _who(nonce: str) -> str:
    token = get_access_token()
    if token is None:
        return f"nobody {nonce}"
    return " ".join(
        (
            token.subject or "",
            token.client_id,
            ",".join(token.scopes),
            str(token.claims and token.claims.get("jti")),
            nonce,
        )
    )


@server.tool()
async def who(nonce: str, pauses: int) -> str:
    """Who calls, after so many turns of the loop."""
    before = _who(nonce)
    for _ in range(pauses):
        await asyncio.sleep(0)
    after = _who(nonce)
    return after if before == after else f"first {before}, then {after}"


@server.tool()
def who_in_a_thread(nonce: str, pauses: int) -> str:
    """The same for a plain function."""
    before = _who(nonce)
    time.sleep(pauses / 10_000)
    after = _who(nonce)
    return after if before == after else f"first {before}, then {after}"


@server.resource("who://{nonce}")
async def who_reads(nonce: str) -> str:
    """The same for a resource."""
    before = _who(nonce)
    await asyncio.sleep(0)
    after = _who(nonce)
    return after if before == after else f"first {before}, then {after}"


@server.prompt()
async def who_asks(nonce: str) -> str:
    """The same for a prompt."""
    await asyncio.sleep(0)
    return _who(nonce)
