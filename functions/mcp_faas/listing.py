"""Lists that name only what their caller may use, for those who ask for it. Knows the SDK; decides nothing.

A list that hides is no lock: the gate refuses a hidden operation as it does a shown one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext

from mcp_faas.auth.scopes import Scopes, suffices

# Which member of a list's result holds the entries, which operation each of them is for, and what names it there.
_LISTS = {
    "tools/list": ("tools", "tools/call", "name"),
    "prompts/list": ("prompts", "prompts/get", "name"),
    "resources/list": ("resources", "resources/read", "uri"),
    "resources/templates/list": ("resourceTemplates", "resources/read", "uriTemplate"),
}


def hiding(scopes: Scopes, same_uri: Callable[[str, str], bool]) -> ServerMiddleware[Any]:
    """A middleware that leaves out of each list what the caller's scopes do not cover."""

    async def hide(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method not in _LISTS or result is None:
            return result
        member, method, name = _LISTS[ctx.method]
        caller = get_access_token()
        granted = frozenset(caller.scopes) if caller else frozenset()
        if not isinstance(result, dict):
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)

        def may_use(entry: dict[str, Any]) -> bool:
            return suffices(granted, scopes.needed_for(method, entry[name], same_uri))

        answer = {**result, member: [entry for entry in result[member] if may_use(entry)]}
        if "cacheScope" in answer:
            # Whatever the server's author chose: this list is for one caller, and a shared cache must not keep it.
            answer["cacheScope"] = "private"
        return answer

    return hide
