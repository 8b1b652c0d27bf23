"""Scopes: what an operation needs, declared beside it in `tools.py`, and what a grant covers. No I/O.

A scope is words joined by colons. A granted scope covers itself, everything below it, and with a trailing `*`
everything below that point: `mcp:tools` and `mcp:tools:*` both cover `mcp:tools:forecast`; `mcp:tool` covers neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from mcp_faas.auth.errors import ScopeMissing

# Asks an issuer for refresh tokens. MCP 2026-07-28: not in a challenge, and not in a resource's metadata.
OFFLINE_ACCESS = "offline_access"

_Function = TypeVar("_Function", bound=Callable[..., Any])

# RFC 6749 §3.3: a scope-token is printable ASCII without blank, quote and backslash.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope(text: str) -> bool:
    """Is this one scope-token of RFC 6749 §3.3?"""
    return _SCOPE.fullmatch(text) is not None


def covers(granted: Iterable[str], needed: str) -> bool:
    """Does one of the granted scopes cover the needed one?"""
    return any(needed == scope or needed.startswith(scope.removesuffix(":*") + ":") for scope in granted)


def suffices(granted: Iterable[str], needed: frozenset[str]) -> bool:
    """Do the granted scopes cover every needed one?"""
    granted = tuple(granted)
    return all(covers(granted, scope) for scope in needed)


def least(needed: Iterable[str]) -> frozenset[str]:
    """Of scopes that are needed together, those that no other one covers: who has these, has them all."""
    needed = frozenset(needed)
    return frozenset(scope for scope in needed if not covers(needed - {scope}, scope))


def advertised(everybody: Iterable[str], declared: Iterable[str]) -> frozenset[str]:
    """The scopes to name to a client that asks for all of them: `everybody` needs the first, some the declared ones.

    Only what everybody needs makes a narrower scope superfluous. A broad scope that one tool declares does not: who
    wants another tool's narrow one alone would be told to ask for the broad one.
    """
    demanded = least(everybody)
    return demanded | frozenset(scope for scope in declared if not covers(demanded, scope))


def require(granted: Iterable[str], needed: frozenset[str]) -> None:
    """Raise `ScopeMissing`, naming the least that opens it, unless the granted scopes cover every needed one."""
    if not suffices(granted, needed):
        raise ScopeMissing(least(needed))


_SEPARATELY = 'pass the scopes as separate texts, like ("a", "b")'


def _named(function: object) -> str:
    return str(getattr(function, "__name__", function))


def _check(operation: str, needed: tuple[object, ...]) -> None:
    """Raise `ValueError`, the one kind for every wrong declaration, unless these can be the scopes of `operation`."""
    if not needed:
        raise ValueError(f"{operation}: no scope is declared; {_SEPARATELY}")
    for scope in needed:
        if not isinstance(scope, str):
            raise ValueError(f"{operation}: {_SEPARATELY}; got a {type(scope).__name__}")
        if not is_scope(scope):
            raise ValueError(
                f"{operation}: a scope is one word of printable ASCII without quotes; got {scope!r}; {_SEPARATELY}"
            )
    if OFFLINE_ACCESS in needed:
        raise ValueError(
            f"{operation}: {OFFLINE_ACCESS} is between a client and its issuer; a resource never asks for it"
        )


class Scopes:
    """What the operations of a server need. Put one into `tools.py` as `scopes` and declare beside each operation.

    Declarations add up: several for one operation demand all that they name.
    """

    # Every one of this process: declarations that no door looks at must be found, wherever they were made.
    made: ClassVar[list[Scopes]] = []

    def __init__(self) -> None:
        self._needed: dict[tuple[str, str], frozenset[str]] = {}
        self.made.append(self)

    def tool(self, *needed: str, name: str | None = None) -> Callable[[_Function], _Function]:
        """Declare what a tool needs; `name` where the tool is not called like its function."""
        return self._declare("tools/call", needed, name)

    def prompt(self, *needed: str, name: str | None = None) -> Callable[[_Function], _Function]:
        """Declare what a prompt needs; `name` where the prompt is not called like its function."""
        return self._declare("prompts/get", needed, name)

    def resource(self, uri: str, *needed: str) -> Callable[[_Function], _Function]:
        """Declare what a resource, or every resource of a URI template, needs; `uri` as given to the server."""
        if not isinstance(uri, str):  # without brackets the decorator gets the function itself
            raise ValueError(f"{_named(uri)}: give the resource's URI, and {_SEPARATELY}")
        return self._declare("resources/read", needed, uri)

    def _declare(self, method: str, needed: tuple[str, ...], name: str | None) -> Callable[[_Function], _Function]:
        if len(needed) == 1 and callable(needed[0]):  # without brackets the decorator gets the function itself
            _check(_named(needed[0]), ())

        def decorator(function: _Function) -> _Function:
            operation = name or function.__name__
            _check(operation, needed)
            self._needed[method, operation] = self._needed.get((method, operation), frozenset()) | frozenset(needed)
            return function

        return decorator

    @property
    def declared(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """(method, name or URI) -> the scopes that it needs."""
        return dict(self._needed)

    @property
    def supported(self) -> frozenset[str]:
        """Every scope that is declared anywhere: what the metadata advertises."""
        return frozenset().union(*self._needed.values())

    def needed_for(self, method: str, target: str, matches: Callable[[str, str], bool]) -> frozenset[str]:
        """All scopes of one operation. `matches(declared, target)` compares resource URIs as the server does."""
        if method == "resources/read":
            found = [need for (kind, uri), need in self._needed.items() if kind == method and matches(uri, target)]
            return frozenset().union(*found)
        return self._needed.get((method, target), frozenset())
