"""Which scopes guard the user's server, or why it must not start: a mistake in a declaration must not open a tool.

Knows the user's module and the SDK's listings; knows no request and no door.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mcp.server.mcpserver import MCPServer

from mcp_faas.auth.scopes import Scopes
from mcp_faas.settings.values import SettingsError

_DECORATORS = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}


def scopes_of(module: ModuleType) -> Scopes:
    """The module's `scopes`, or none declared. Raises `SettingsError` where somebody declared and nobody would look."""
    where = module.__name__
    scopes = getattr(module, "scopes", None)
    if scopes is None:
        scopes = Scopes()
    if not isinstance(scopes, Scopes):
        raise SettingsError(
            f"{where}.scopes is a {type(scopes).__name__}, but has to be a Scopes. Write `scopes = Scopes()` from "
            "`mcp_faas.auth.scopes`, or give the other thing another name."
        )
    # Every one of the process, not only the module's own names: a helper's, or one that a function made, is as lost.
    for lost in Scopes.made:
        if lost is not scopes and lost.declared:
            raise SettingsError(
                f"{_called(lost, module)} declares scopes for {_listed(lost)}, but only `{where}.scopes` is looked at. "
                f"Declare with one Scopes alone, called `scopes` in {where}; where several files need it, import it."
            )
    return scopes


def check_declarations(server: MCPServer[Any], scopes: Scopes) -> None:
    """Raise `SettingsError` for a scope that is declared for something that does not exist: it would guard nothing."""
    known = {
        "tools/call": {tool.name for tool in _now(server.list_tools())},
        "prompts/get": {prompt.name for prompt in _now(server.list_prompts())},
        "resources/read": {str(resource.uri) for resource in _now(server.list_resources())}
        | {template.uri_template for template in _now(server.list_resource_templates())},
    }
    for method, name in scopes.declared:
        if name not in known[method]:
            raise SettingsError(_missing(method, name, known[method]))


def _missing(method: str, name: str, known: set[str]) -> str:
    from difflib import get_close_matches  # no good start pays for it

    kind = _DECORATORS[method]
    there = ", ".join(sorted(known)) or "none"
    meant = next(iter(get_close_matches(name, sorted(known), n=1)), None)
    if kind == "resource":
        hint = f'@scopes.resource("{meant or "URI"}", "SCOPE")'
        return f'There is no resource "{name}" for the scopes declared for it; there are: {there}. Write {hint}.'
    hint = f'@scopes.{kind}("SCOPE", name="{meant or "NAME"}")'
    return (
        f'There is no {kind} "{name}" for the scopes declared for it; there are: {there}. '
        f"Where a {kind} is not called like its function, write {hint}."
    )


def _called(scopes: Scopes, module: ModuleType) -> str:
    """How the module calls it, so that its author finds it."""
    names = sorted(name for name, value in vars(module).items() if value is scopes)
    return f"{module.__name__}.{names[0]}" if names else f"A Scopes that {module.__name__} does not have"


def _listed(scopes: Scopes) -> str:
    return ", ".join(f'"{name}"' for _, name in sorted(scopes.declared))


def _now(coroutine: Any) -> Any:
    """The result of a coroutine that waits for nothing, as the SDK's listings do."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return result.value
    coroutine.close()
    raise RuntimeError("a listing of the SDK waits for something now; run it in a loop")
