"""What a grant covers, and what is declared."""

from __future__ import annotations

import pytest

from mcp_faas.auth.errors import ScopeMissing
from mcp_faas.auth.scopes import Scopes, covers, require


@pytest.mark.parametrize(
    ("granted", "needed", "covered"),
    [
        ("mcp:tools:weather", "mcp:tools:weather", True),
        ("mcp:tools", "mcp:tools:weather", True),
        ("mcp:tools:*", "mcp:tools:weather", True),
        ("mcp:*", "mcp:tools:weather", True),
        ("mcp:tools:*", "mcp:tools", False),
        ("mcp:tool", "mcp:tools:weather", False),
        ("mcp:tools:weath", "mcp:tools:weather", False),
        ("mcp:tools:weather:read", "mcp:tools:weather", False),
        ("*", "mcp:tools:weather", False),
        ("", "mcp:tools:weather", False),
        ("MCP:tools", "mcp:tools:weather", False),
        ("mcp:tools*", "mcp:tools:weather", False),
        ("mcp:*:weather", "mcp:tools:weather", False),
        ("mcp:resources:customer-data:read", "mcp:resources:customer-data:read", True),
        ("mcp:resources:customer-data", "mcp:resources:customer-data:read", True),
        ("mcp:resources:*", "mcp:resources:customer-data:read", True),
        ("mcp:resources:customer", "mcp:resources:customer-data:read", False),
        ("mcp:resources:customer-data:read", "mcp:resources:customer-data:write", False),
        ("mcp:exec:workflows:*", "mcp:exec:workflows:nightly", True),
        ("mcp:exec:workflows:*", "mcp:exec:workflows:nightly:start", True),
        ("mcp:exec:workflows:*", "mcp:exec:workflows", False),
        # Declared with a star: all that lies below is needed, and no single one of it is enough.
        ("mcp:exec:workflows:*", "mcp:exec:workflows:*", True),
        ("mcp:exec:workflows", "mcp:exec:workflows:*", True),
        ("mcp:exec:workflows:nightly", "mcp:exec:workflows:*", False),
    ],
)
def test_grant_covers_what_lies_below_it(granted: str, needed: str, covered: bool) -> None:
    assert covers([granted], needed) is covered


def test_all_needed_scopes_are_named_when_one_is_missing() -> None:
    with pytest.raises(ScopeMissing) as refused:
        require({"a"}, frozenset({"a", "b"}))
    assert refused.value.needed == {"a", "b"}


def test_declarations_are_found_by_method_and_name() -> None:
    scopes = Scopes()

    @scopes.tool("s:tool")
    @scopes.prompt("s:prompt", name="other")
    @scopes.resource("notes://{id}", "s:notes")
    def thing() -> None: ...

    def same(declared: str, asked: str) -> bool:
        return declared.replace("{id}", "7") == asked

    assert scopes.needed_for("tools/call", "thing", same) == {"s:tool"}
    assert scopes.needed_for("prompts/get", "thing", same) == frozenset()
    assert scopes.needed_for("prompts/get", "other", same) == {"s:prompt"}
    assert scopes.needed_for("resources/read", "notes://7", same) == {"s:notes"}
    assert scopes.needed_for("resources/read", "notes://8", same) == frozenset()
    assert scopes.supported == {"s:tool", "s:prompt", "s:notes"}


@pytest.mark.parametrize("scope", ["", "a b", 'a"', "a\\", "ä", "a\n"])
def test_what_is_no_scope_cannot_be_declared(scope: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Scopes().tool(scope)


def test_offline_access_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="offline_access is between a client and its issuer"):
        Scopes().prompt("a", "offline_access")
