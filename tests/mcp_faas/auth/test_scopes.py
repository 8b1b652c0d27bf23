"""What a grant covers, and what is declared."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from mcp_faas.auth.errors import ScopeMissing
from mcp_faas.auth.scopes import Scopes, advertised, covers, least, require, suffices


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


def test_no_scope_is_named_that_another_needed_one_covers() -> None:
    with pytest.raises(ScopeMissing) as refused:
        require({"x"}, frozenset({"mcp:tools", "mcp:tools:countdown", "mcp:other"}))
    assert refused.value.needed == {"mcp:tools", "mcp:other"}


@pytest.mark.parametrize(
    ("needed", "left"),
    [
        ({"mcp:tools", "mcp:tools:countdown"}, {"mcp:tools"}),
        ({"mcp:tools:*", "mcp:tools:countdown"}, {"mcp:tools:*"}),
        ({"mcp:tools:*", "mcp:tools"}, {"mcp:tools"}),
        ({"mcp", "mcp:tools", "mcp:tools:countdown"}, {"mcp"}),
        ({"mcp:tool", "mcp:tools"}, {"mcp:tool", "mcp:tools"}),
        (set(), set()),
    ],
)
def test_least_of_scopes_that_are_needed_together(needed: set[str], left: set[str]) -> None:
    assert least(needed) == left


WORDS = ["a", "a:", "a:*", "a:b", "a:b:*", "a:b:c", "a:*:*", "*", "ab"]


def test_who_has_the_least_has_them_all_and_nobody_else() -> None:
    """Over every set of up to four such scopes, and every grant of up to two: asking for less opens nothing more."""
    grants = [set(some) for size in (1, 2) for some in itertools.combinations(WORDS, size)]
    for size in (1, 2, 3, 4):
        for needed in map(frozenset, itertools.combinations(WORDS, size)):
            assert suffices(least(needed), needed)
            assert all(suffices(granted, needed) is suffices(granted, least(needed)) for granted in grants)


@pytest.mark.parametrize(
    ("everybody", "declared", "told"),
    [
        ({"mcp:tools"}, {"mcp:tools:countdown"}, {"mcp:tools"}),
        ({"mcp:use"}, {"mcp:tools:countdown"}, {"mcp:use", "mcp:tools:countdown"}),
        ({"mcp:tools", "mcp:tools:x"}, {"mcp:tools:x:y", "mcp:else"}, {"mcp:tools", "mcp:else"}),
        # Declared by one tool alone: whoever wants the narrow one must not be sent for the broad one.
        (set(), {"mcp:tools", "mcp:tools:countdown"}, {"mcp:tools", "mcp:tools:countdown"}),
        ({"mcp:tools:x"}, {"mcp:tools"}, {"mcp:tools:x", "mcp:tools"}),
    ],
)
def test_client_is_told_of_no_scope_that_everybody_has_anyhow(
    everybody: set[str], declared: set[str], told: set[str]
) -> None:
    assert advertised(everybody, declared) == told


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


def test_stacked_declarations_demand_all_that_they_name() -> None:
    scopes = Scopes()

    @scopes.tool("a", "b")
    @scopes.tool("c")
    @scopes.resource("notes://x", "a")
    @scopes.resource("notes://x", "d")
    def thing() -> None: ...

    @scopes.tool("e", name="thing")
    def another() -> None: ...

    assert scopes.needed_for("tools/call", "thing", str.__eq__) == {"a", "b", "c", "e"}
    assert scopes.needed_for("resources/read", "notes://x", str.__eq__) == {"a", "d"}


def deploy() -> None:
    """Something to declare scopes for."""


@pytest.mark.parametrize("scope", ["", "a b", 'a"', "a\\", "ä", "a\n"])
def test_what_is_no_scope_cannot_be_declared(scope: str) -> None:
    with pytest.raises(ValueError, match=r"^deploy: .*printable ASCII.*pass the scopes as separate texts"):
        Scopes().tool(scope)(deploy)


def test_offline_access_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match=r"^other: offline_access is between a client and its issuer"):
        Scopes().prompt("a", "offline_access", name="other")(deploy)


WRONG_USES: dict[str, Callable[[Any], object]] = {
    "a list": lambda scopes: scopes.tool(["a", "b"])(deploy),
    "a list beside a text": lambda scopes: scopes.tool("a", ["b"])(deploy),
    "no brackets": lambda scopes: scopes.tool(deploy),
    "empty brackets": lambda scopes: scopes.tool()(deploy),
    "a prompt without brackets": lambda scopes: scopes.prompt(deploy),
    "a resource without brackets": lambda scopes: scopes.resource(deploy),
}


@pytest.mark.parametrize("use", WRONG_USES.values(), ids=WRONG_USES)
def test_wrong_use_is_told_with_the_name_and_what_to_write(use: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match=r"^deploy: .*pass the scopes as separate texts"):
        use(Scopes())


def test_resource_without_scopes_is_told_with_its_uri() -> None:
    with pytest.raises(ValueError, match=r"^notes://x: no scope is declared"):
        Scopes().resource("notes://x")(deploy)
