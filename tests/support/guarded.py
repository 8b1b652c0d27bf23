"""A server with one operation of each kind that needs a scope, and one of each that needs none."""

from __future__ import annotations

from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.mcpserver import MCPServer
from mcp_types import Completion, CompletionArgument, PromptReference, ResourceTemplateReference

from mcp_faas.auth.scopes import Scopes

LISTS = {
    "tools/list": ("tools", "name", "free", "guarded"),
    "prompts/list": ("prompts", "name", "free", "guarded"),
    "resources/list": ("resources", "uri", "free://one", "guarded://one"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate", "free://{name}", "guarded://{name}"),
}
# Each operation that needs a scope, as a client asks for it, with the one that it needs.
OPERATIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "tool": ("tools/call", {"name": "guarded", "arguments": {}}, "s:tool"),
    "prompt": ("prompts/get", {"name": "guarded"}, "s:prompt"),
    "resource": ("resources/read", {"uri": "guarded://one"}, "s:one s:template"),
    "resource of a template": ("resources/read", {"uri": "guarded://two"}, "s:template"),
    "completion of a prompt": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "guarded"}, "argument": {"name": "word", "value": "s"}},
        "s:prompt",
    ),
    "completion of a template": (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "guarded://{name}"}, "argument": {"name": "name", "value": "s"}},
        "s:template",
    ),
}


def guarded_server() -> tuple[MCPServer[Any], Scopes]:
    """The server, whose lists may be cached publicly, and its scopes. Whatever is guarded answers `secret`."""
    hints: Any = {method: CacheHint(ttl_ms=60_000, scope="public") for method in LISTS}
    server, scopes = MCPServer("guarded", cache_hints=hints), Scopes()

    @server.tool(name="free")
    async def free_tool() -> str:
        return "open"

    @scopes.tool("s:tool", name="guarded")
    @server.tool(name="guarded")
    async def guarded_tool() -> str:
        return "secret"

    @server.prompt(name="free")
    async def free_prompt() -> str:
        return "open"

    @scopes.prompt("s:prompt", name="guarded")
    @server.prompt(name="guarded")
    async def guarded_prompt(word: str = "") -> str:
        return "secret"

    @server.resource("free://one")
    async def free_resource() -> str:
        return "open"

    @scopes.resource("guarded://one", "s:one")
    @server.resource("guarded://one")
    async def guarded_resource() -> str:
        return "secret"

    @server.resource("free://{name}")
    async def free_template(name: str) -> str:
        return "open"

    @scopes.resource("guarded://{name}", "s:template")
    @server.resource("guarded://{name}")
    async def guarded_template(name: str) -> str:
        return "secret"

    @server.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: Any
    ) -> Completion:
        return Completion(values=["secret"])

    return server, scopes
