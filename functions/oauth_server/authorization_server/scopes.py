"""Which scopes a request can lead to: of those asked for, those that exist here. No I/O.

A scope covers those below it, by the same rule as in the functions that check tokens (`mcp_faas.auth.scopes`).
"""

from __future__ import annotations

from collections.abc import Iterable

from mcp_faas.auth.scopes import covers, is_scope, least

SCOPE_MAX_CHARACTERS = 2048


class ScopeRefused(ValueError):
    """RFC 6749 `invalid_scope`; the message is for the client's author and quotes nothing."""


def read(text: str | None) -> tuple[str, ...]:
    """The scopes of a request, each once, in their order (RFC 6749 §3.3). Raises `ScopeRefused`."""
    if not text:
        return ()
    if len(text) > SCOPE_MAX_CHARACTERS:
        raise ScopeRefused("that is too long to be a list of scopes")
    words = [word for word in text.split(" ") if word]
    if not all(is_scope(word) for word in words):
        raise ScopeRefused("a scope is printable ASCII, and single blanks separate several")
    return tuple(dict.fromkeys(words))


def grantable(asked: tuple[str, ...], offered: Iterable[str], needed: Iterable[str]) -> tuple[str, ...]:
    """What a request can lead to: `offered` is what may be granted at all, `needed` MCP_SCOPES.

    What does not exist here is left out, and the answer says so (RFC 6749 §3.3). Who asks for nothing, or has nothing
    left, gets the least that every request needs: most clients ask for all that the endpoint's metadata names, and an
    error for one tool's scope would keep people from all other tools.
    """
    offered = tuple(offered)
    return tuple(scope for scope in asked if covers(offered, scope)) or tuple(sorted(least(needed)))
