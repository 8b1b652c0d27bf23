"""Who may log in, and which scopes a person may get. No I/O. Empty lists admit nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from mcp_faas.auth.scopes import covers

Kind = Literal["user", "org", "domain"]
SUBJECT = "sub:"  # before an entry that is a subject and nothing else


@dataclass(frozen=True)
class Person:
    """Somebody whom a login has made sure of. `login` and the organisations as the provider writes them."""

    subject: str  # what stays the same for ever at this provider
    name: str
    login: str | None = None  # a name that nobody else has at this provider
    emails: tuple[str, ...] = ()  # only those that the provider has verified
    organisations: tuple[str, ...] = ()
    auth_time: int | None = None  # when the provider has asked who it is, if it tells


@dataclass(frozen=True)
class Rule:
    """A scope that is only for some: `users`, `organisations` or `domains` of mail addresses."""

    scope: str
    kind: Kind
    value: str


@dataclass(frozen=True)
class Ending:
    """An entry of OAUTH_ENDED: the logins of one person, or of everybody, that count no longer."""

    subject: str | None  # None for everybody
    before: int | None  # seconds; those that began earlier. None for all, those to come as well

    def covers(self, subject: str, given_at: int) -> bool:
        return self.subject in (None, subject) and (self.before is None or given_at < self.before)


@dataclass(frozen=True)
class Admission:
    """OAUTH_ALLOWED_* and OAUTH_SCOPE_RULES."""

    users: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()

    @property
    def nobody(self) -> bool:
        """Is there nobody who could log in?"""
        return not (self.users or self.organisations or self.domains)

    @property
    def by_address(self) -> bool:
        """Does anything here need to know a person's mail addresses?"""
        names = [*self.users, *(rule.value for rule in self.rules if rule.kind == "user")]
        return bool(self.domains) or any(_is_address(name) for name in names) or self._has_rule("domain")

    @property
    def by_organisation(self) -> bool:
        """Does anything here need to know where a person is a member?"""
        return bool(self.organisations) or self._has_rule("org")

    def _has_rule(self, kind: str) -> bool:
        return any(rule.kind == kind for rule in self.rules)

    def marks(self, person: Person) -> tuple[str, ...]:
        """The entries, of the lists and of the rules, that are true of this person, as `user:alice` or `org:acme`.

        They are all that decides, so a login that began long ago can be judged by other lists and rules than those of
        its time, and without the provider. What only a newer entry says is not known of it.
        """
        entries = {*self._lists(), *((rule.kind, rule.value) for rule in self.rules)}
        return tuple(sorted(_mark(kind, value) for kind, value in entries if _is(kind, value, person)))

    def admits(self, marks: Collection[str]) -> bool:
        """May a person of these marks log in at all?"""
        return any(_mark(kind, value) in marks for kind, value in self._lists())

    def scopes(self, marks: Collection[str], wanted: Iterable[str]) -> tuple[str, ...]:
        """Of the scopes that a request can lead to, those that a person of these marks may get.

        A scope that a rule names, and everything below it, is for those alone whom one of its rules names; a scope that
        would cover a named one is not given to others either.
        """
        return tuple(scope for scope in wanted if self._may(marks, scope))

    def _lists(self) -> Iterator[tuple[Kind, str]]:
        yield from (("user", user) for user in self.users)
        yield from (("org", organisation) for organisation in self.organisations)
        yield from (("domain", domain) for domain in self.domains)

    def _may(self, marks: Collection[str], scope: str) -> bool:
        reserved = {rule.scope for rule in self.rules if covers((rule.scope,), scope) or covers((scope,), rule.scope)}
        return all(
            any(_mark(rule.kind, rule.value) in marks for rule in self.rules if rule.scope == name) for name in reserved
        )


def _mark(kind: Kind, value: str) -> str:
    return f"{kind}:{value}"


def _is(kind: Kind, value: str, person: Person) -> bool:
    """Names and addresses are ASCII without regard to case; a subject is compared as it is."""
    if kind == "user" and value.startswith(SUBJECT):
        return value.removeprefix(SUBJECT) == person.subject
    if kind == "user" and _is_address(value):
        # Never a subject: some providers let people choose theirs.
        return _folded(value) is not None and _folded(value) in map(_folded, person.emails)
    if kind == "user":
        # Somebody's number is somebody else's possible login name: a number always means the subject.
        login = None if person.login is None or person.login.isdigit() else _folded(person.login)
        return value == person.subject or (login is not None and _folded(value) == login)
    if kind == "org":
        return _folded(value) is not None and _folded(value) in map(_folded, person.organisations)
    return _folded(value) is not None and _folded(value) in map(_domain, person.emails)


def _is_address(value: str) -> bool:
    return "@" in value and not value.startswith(SUBJECT)


def _domain(email: str) -> str | None:
    local, at, domain = email.rpartition("@")
    return _folded(domain) if at and local and domain else None


def _folded(text: str) -> str | None:
    """Lower case, or None for what is not ASCII: characters that look or fold alike name somebody else."""
    return text.lower() if text.isascii() and text else None
