"""Completions of what the server has, and of nothing else. Knows the SDK and its listings; decides no scope.

The gate asks for the scopes of what a reference names. One that names nothing has none, but would reach the author's
function all the same, which may read it less exactly than the gate does: `C://{id}`, or a name in another case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS


def completing_known(server: MCPServer[Any]) -> ServerMiddleware[Any]:
    """A middleware that completes for no prompt, resource or template but those registered, byte for byte."""

    async def check(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method == "completion/complete" and not await _is_known(server, (ctx.params or {}).get("ref")):
            raise MCPError(
                INVALID_PARAMS, "The reference names no prompt, resource or resource template of this server"
            )
        return await call_next(ctx)

    return check


async def _is_known(server: MCPServer[Any], reference: object) -> bool:
    if not isinstance(reference, Mapping):
        return False
    if reference.get("type") == "ref/prompt":
        return reference.get("name") in [prompt.name for prompt in await server.list_prompts()]
    if reference.get("type") == "ref/resource":
        templates = [template.uri_template for template in await server.list_resource_templates()]
        return reference.get("uri") in [*templates, *(str(resource.uri) for resource in await server.list_resources())]
    return False
