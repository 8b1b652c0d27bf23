"""Who may log in, and who may get which scope: lists that name nobody by accident."""

from __future__ import annotations

import pytest

from authorization_server.people import Admission, Person, Rule

ALICE = Person("583231", "Alice", "Alice-A", ("alice@Example.com",), ("Acme",))

ADMITTED = {
    "login": Admission(users=frozenset({"alice-a"})),
    "login in another case": Admission(users=frozenset({"ALICE-A"})),
    "subject": Admission(users=frozenset({"583231"})),
    "verified address": Admission(users=frozenset({"Alice@example.com"})),
    "organisation": Admission(organisations=frozenset({"acme"})),
    "domain": Admission(domains=frozenset({"example.com"})),
}
REFUSED = {
    "nobody": Admission(),
    "rules alone": Admission(rules=(Rule("x", "user", "alice-a"),)),
    "another login": Admission(users=frozenset({"alice"})),
    "display name": Admission(users=frozenset({"Alice"})),
    "another organisation": Admission(organisations=frozenset({"acm", "acme2", "583231", "alice-a"})),
    "domain above": Admission(domains=frozenset({"com"})),
    "domain below": Admission(domains=frozenset({"mail.example.com"})),
    "domain's end": Admission(domains=frozenset({"ample.com"})),
    "folds alike": Admission(users=frozenset({"alice-ａ", "aliCE-A\u0130"}), domains=frozenset({"ＥＸＡＭＰＬＥ.com"})),
}


@pytest.mark.parametrize("admission", ADMITTED.values(), ids=ADMITTED)
def test_admitted(admission: Admission) -> None:
    assert admission.admits(ALICE)


@pytest.mark.parametrize("admission", REFUSED.values(), ids=REFUSED)
def test_refused(admission: Admission) -> None:
    assert not admission.admits(ALICE)


@pytest.mark.parametrize(
    "person",
    [
        Person("1", "x", "583231"),  # a login name that is somebody else's number
        Person("1", "583231", "x", ("583231",)),
        Person("", "", None),
    ],
)
def test_number_means_the_subject_alone(person: Person) -> None:
    assert not Admission(users=frozenset({"583231"})).admits(person)


@pytest.mark.parametrize(
    "email", ["", "@", "@example.com", "a@", "a@b@example.com.evil", "a@example.com.", "a@еxample.com"]
)
def test_address_that_is_none_is_in_no_domain(email: str) -> None:
    assert not Admission(domains=frozenset({"example.com"})).admits(Person("1", "x", None, (email,)))


def test_letter_that_folds_to_another_is_not_that_one() -> None:
    kelvin = Admission(users=frozenset({"\u212aim"}), organisations=frozenset({"\u212aim"}))
    assert not kelvin.admits(Person("1", "x", "kim", (), ("kim",)))
    assert not Admission(users=frozenset({"kim"})).admits(Person("1", "x", "\u212aim"))


RULES = Admission(rules=(Rule("mcp:admin", "user", "alice-a"), Rule("mcp:write", "org", "other")))


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        ("mcp:tools", True),
        ("mcp:admin", True),
        ("mcp:admin:users", True),
        ("mcp:write", False),
        ("mcp:write:files", False),
        ("mcp:write:*", False),
        ("mcp", False),  # would cover what is not for her
        ("mcp:*", False),
    ],
)
def test_scope_by_rule(scope: str, given: bool) -> None:
    assert (RULES.scopes(ALICE, [scope]) == (scope,)) is given
    stranger = Person("9", "x", "x")
    assert (RULES.scopes(stranger, [scope]) == (scope,)) is (scope == "mcp:tools")
