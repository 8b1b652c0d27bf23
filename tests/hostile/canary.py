"""The server behind the doors of the corpus: it notes whenever anything of it is reached."""

from __future__ import annotations

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

from hostile.case import GUARDED_SCOPE
from mcp_faas.auth.scopes import Scopes

REACHED: list[str] = []  # what was, each time

server = MCPServer("canary", version="1")
scopes = Scopes()


@server.tool()
async def touch() -> str:
    """Say who calls."""
    REACHED.append("touch")
    token = get_access_token()
    return f"{token.client_id} {token.subject}" if token else "nobody"


@scopes.tool(GUARDED_SCOPE)
@server.tool()
async def guarded() -> str:
    """What no token of the corpus may do."""
    REACHED.append("guarded")
    return "open"


@scopes.prompt(GUARDED_SCOPE, name="guarded")
@server.prompt(name="guarded")
async def guarded_prompt() -> str:
    """What no token of the corpus may read."""
    REACHED.append("guarded_prompt")
    return "open"


@scopes.resource("guarded://thing", GUARDED_SCOPE)
@server.resource("guarded://thing")
async def guarded_resource() -> str:
    """What no token of the corpus may read."""
    REACHED.append("guarded_resource")
    return "open"


@server.resource("vault://item/{name}")
async def item(name: str) -> str:
    """A template, for what hostile URIs do to its expression."""
    return f"{len(name)} characters"
