"""Who may log in, and who may get which scope: lists that name nobody by accident."""

from __future__ import annotations

import pytest

from authorization_server.people import Admission, Ending, Person, Rule

ALICE = Person("583231", "Alice", "Alice-A", ("alice@Example.com",), ("Acme",))


def admits(admission: Admission, person: Person) -> bool:
    return admission.admits(admission.marks(person))


ADMITTED = {
    "login": Admission(users=frozenset({"alice-a"})),
    "login in another case": Admission(users=frozenset({"ALICE-A"})),
    "subject": Admission(users=frozenset({"583231"})),
    "subject, and nothing else": Admission(users=frozenset({"sub:583231"})),
    "verified address": Admission(users=frozenset({"Alice@example.com"})),
    "organisation": Admission(organisations=frozenset({"acme"})),
    "domain": Admission(domains=frozenset({"example.com"})),
}
REFUSED = {
    "nobody": Admission(),
    "rules alone": Admission(rules=(Rule("x", "user", "alice-a"),)),
    "another login": Admission(users=frozenset({"alice"})),
    "login as a subject": Admission(users=frozenset({"sub:alice-a", "sub:Alice-A"})),
    "address as a subject": Admission(users=frozenset({"sub:alice@Example.com"})),
    "display name": Admission(users=frozenset({"Alice"})),
    "another organisation": Admission(organisations=frozenset({"acm", "acme2", "583231", "alice-a"})),
    "domain above": Admission(domains=frozenset({"com"})),
    "domain below": Admission(domains=frozenset({"mail.example.com"})),
    "domain's end": Admission(domains=frozenset({"ample.com"})),
    "folds alike": Admission(users=frozenset({"alice-ａ", "aliCE-A\u0130"}), domains=frozenset({"ＥＸＡＭＰＬＥ.com"})),
}


@pytest.mark.parametrize("admission", ADMITTED.values(), ids=ADMITTED)
def test_admitted(admission: Admission) -> None:
    assert admits(admission, ALICE)


@pytest.mark.parametrize("admission", REFUSED.values(), ids=REFUSED)
def test_refused(admission: Admission) -> None:
    assert not admits(admission, ALICE)


@pytest.mark.parametrize(
    "person",
    [
        Person("1", "x", "583231"),  # a login name that is somebody else's number
        Person("1", "583231", "x", ("583231",)),
        Person("", "", None),
    ],
)
def test_number_means_the_subject_alone(person: Person) -> None:
    assert not admits(Admission(users=frozenset({"583231"})), person)


def test_address_means_a_verified_one_and_no_subject_that_somebody_chose() -> None:
    boss = Admission(users=frozenset({"boss@example.com"}))
    chosen = Person("boss@example.com", "x", "boss@example.com")
    assert not admits(boss, chosen)
    assert admits(Admission(users=frozenset({"sub:boss@example.com"})), chosen)
    assert boss.by_address
    assert not Admission(users=frozenset({"sub:boss@example.com"})).by_address


@pytest.mark.parametrize(
    "email", ["", "@", "@example.com", "a@", "a@b@example.com.evil", "a@example.com.", "a@еxample.com"]
)
def test_address_that_is_none_is_in_no_domain(email: str) -> None:
    assert not admits(Admission(domains=frozenset({"example.com"})), Person("1", "x", None, (email,)))


def test_letter_that_folds_to_another_is_not_that_one() -> None:
    kelvin = Admission(users=frozenset({"\u212aim"}), organisations=frozenset({"\u212aim"}))
    assert not admits(kelvin, Person("1", "x", "kim", (), ("kim",)))
    assert not admits(Admission(users=frozenset({"kim"})), Person("1", "x", "\u212aim"))


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
    assert (RULES.scopes(RULES.marks(ALICE), [scope]) == (scope,)) is given
    stranger = RULES.marks(Person("9", "x", "x"))
    assert (RULES.scopes(stranger, [scope]) == (scope,)) is (scope == "mcp:tools")


EVERYTHING = Admission(
    users=frozenset({"ALICE-A", "583231", "bob", "Alice@example.com"}),
    organisations=frozenset({"acme", "other"}),
    domains=frozenset({"Example.com", "example.org"}),
    rules=(Rule("mcp:admin", "org", "Acme"), Rule("mcp:admin", "user", "carol"), Rule("mcp:write", "org", "acme")),
)


def test_marks_are_the_entries_that_are_true_of_a_person() -> None:
    assert EVERYTHING.marks(ALICE) == (
        "domain:Example.com",
        "org:Acme",
        "org:acme",
        "user:583231",
        "user:ALICE-A",
        "user:Alice@example.com",
    )
    assert EVERYTHING.marks(Person("1", "x")) == ()


def test_a_login_of_long_ago_is_judged_by_the_entries_of_today() -> None:
    marks = EVERYTHING.marks(ALICE)
    assert Admission(organisations=frozenset({"acme"})).admits(marks)
    assert Admission(users=frozenset({"583231", "new"})).admits(marks)
    for gone in (
        Admission(),
        Admission(organisations=frozenset({"other", "583231"})),
        Admission(rules=EVERYTHING.rules),
    ):
        assert not gone.admits(marks)
    # a name that is of one kind there is not of another
    assert not Admission(users=frozenset({"acme"})).admits(("org:acme",))
    # what only a newer entry says of her is not known of that login
    assert not Admission(users=frozenset({"alice@example.com"})).admits(marks)
    reserved = Admission(rules=(Rule("mcp:write", "user", "alice-a"),))
    assert reserved.scopes(marks, ["mcp:tools", "mcp:write"]) == ("mcp:tools",)


@pytest.mark.parametrize(
    ("ending", "ended"),
    [
        (Ending("583231", None), True),
        (Ending("583231", 101), True),
        (Ending("583231", 100), False),  # begun at that moment: it is the new one
        (Ending("583232", None), False),
        (Ending(None, 101), True),
        (Ending(None, 100), False),
    ],
)
def test_logins_that_have_been_ended(ending: Ending, ended: bool) -> None:
    assert ending.covers("583231", 100) is ended
