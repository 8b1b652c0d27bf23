"""One record for a code and all that comes of it: its redemption, the refresh tokens, the end of all of them. PURE.

They are one record because one conditional write guards one record: a replayed code ends the tokens that it brought
in the same write that finds it replayed, however many try at once.

The refresh token before the current one stays good until the current one is first used, because the answer that
brought it may have been lost. Then it is dead. A dead one, or one that took the place of an answer that was not lost
after all, shows that two hold tokens of this grant, and ends it: nobody knows which of them is the thief.

Only who has had a refresh token can do that: its line says so. What the code is made of proves nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from authorization_server.records import Refused
from authorization_server.records.handles import s256, same


@dataclass(frozen=True)
class Grant:
    """What one person has given one client for one resource, by one consent."""

    KIND: ClassVar[str] = "grant"

    client_id: str
    subject: str
    resource: str
    scopes: tuple[str, ...]
    redirect_uri: str
    redirect_uri_asked: bool  # was it in the authorization request? Then it must be in the token request, too
    code_challenge: str
    code: str  # digest
    code_expires_at: int
    expires_at: int  # of everything; nothing moves it
    given_at: int
    marks: tuple[str, ...]  # the entries of the settings that were true of this person, `people.Admission.marks`
    auth_time: int | None = None  # when the person was asked who it is, if anybody knows
    redeemed_at: int | None = None
    line: str | None = None  # digest of what all its refresh tokens have in common
    current: str | None = None  # digest of the newest refresh token
    previous: str | None = None  # digest of the one before it that is still good
    ended: str | None = None  # why
    refreshes: bool = True  # is there a refresh token with it, as the person was told?

    @property
    def keep_until(self) -> int:
        return self.code_expires_at if self.redeemed_at is None else self.expires_at


@dataclass(frozen=True)
class Redemption:
    """A token request with a code, its secrets hashed but for the verifier."""

    client_id: str
    code: str
    redirect_uri: str | None
    verifier: str | None
    resource: str | None = None
    fresh: str | None = None  # digest of the refresh token that the answer will bring, if it brings one
    line: str | None = None  # digest of that one's line


@dataclass(frozen=True)
class Renewal:
    """A token request with a refresh token."""

    client_id: str
    line: str  # digests, all three
    token: str
    fresh: str
    scopes: tuple[str, ...] | None = None
    resource: str | None = None


@dataclass(frozen=True)
class Granted:
    """Tokens may be issued: an access token with these scopes, that ends no later than `until`."""

    grant: Grant
    scopes: tuple[str, ...]
    until: int


# Which scopes of a grant today's settings still allow, or why none of it counts.
Standing: TypeAlias = Callable[[Grant], tuple[str, ...] | Refused]


def redeem(
    grant: Grant | None, asked: Redemption, now: int, standing: Standing
) -> tuple[Grant | None, Granted | Refused]:
    """Give the tokens for a code, once. Every check comes first, so who could not have redeemed it can end nothing."""
    if grant is None or not same(grant.code, asked.code):
        return grant, Refused("invalid_grant", "code_unknown")
    if grant.client_id != asked.client_id:
        return grant, Refused("invalid_grant", "code_of_another_client")
    if grant.redirect_uri != asked.redirect_uri and (grant.redirect_uri_asked or asked.redirect_uri is not None):
        return grant, Refused("invalid_grant", "redirect_uri_differs")
    if not same(grant.code_challenge, s256(asked.verifier)):
        return grant, Refused("invalid_grant", "verifier_wrong")
    if asked.resource not in (None, grant.resource):
        return grant, Refused("invalid_target", "resource_differs")
    if grant.ended is not None:
        return grant, Refused("invalid_grant", "grant_ended")
    if grant.redeemed_at is not None:
        return end(grant, "code_replayed"), Refused("invalid_grant", "code_replayed")
    if now >= min(grant.code_expires_at, grant.expires_at):
        return grant, Refused("invalid_grant", "code_expired")
    scopes = remaining(grant, grant.scopes, standing)
    if isinstance(scopes, Refused):
        return grant, scopes
    fresh, line = (asked.fresh, asked.line) if grant.refreshes else (None, None)
    redeemed = replace(grant, redeemed_at=now, current=fresh, line=line)
    return redeemed, Granted(redeemed, scopes, grant.expires_at)


def renew(grant: Grant | None, asked: Renewal, now: int, standing: Standing) -> tuple[Grant | None, Granted | Refused]:
    """Give new tokens for a refresh token. What the settings do not allow any longer costs no token."""
    if grant is None or not same(grant.line, asked.line):
        return grant, Refused("invalid_grant", "refresh_token_unknown")
    if grant.client_id != asked.client_id:
        return grant, Refused("invalid_grant", "refresh_token_of_another_client")
    if grant.ended is not None:
        return grant, Refused("invalid_grant", "grant_ended")
    if now >= grant.expires_at:
        return grant, Refused("invalid_grant", "grant_expired")
    is_current, is_previous = same(grant.current, asked.token), same(grant.previous, asked.token)
    if not is_current and not is_previous:
        return end(grant, "refresh_token_replayed"), Refused("invalid_grant", "refresh_token_replayed")
    if asked.resource not in (None, grant.resource):
        return grant, Refused("invalid_target", "resource_differs")
    wanted = grant.scopes if asked.scopes is None else asked.scopes
    if not set(wanted) <= set(grant.scopes):
        return grant, Refused("invalid_scope", "scope_not_granted")
    scopes = remaining(grant, wanted, standing)
    if isinstance(scopes, Refused):
        return grant, scopes
    renewed = replace(grant, current=asked.fresh, previous=grant.current if is_current else grant.previous)
    return renewed, Granted(renewed, scopes, grant.expires_at)


def remaining(grant: Grant, wanted: Sequence[str], standing: Standing) -> tuple[str, ...] | Refused:
    """Of these scopes of the grant those that still count, or why nothing does: no scope left of some is nothing."""
    left = standing(grant)
    if isinstance(left, Refused):
        return left
    scopes = tuple(scope for scope in wanted if scope in left)
    return Refused("invalid_grant", "scopes_withdrawn") if wanted and not scopes else scopes


def revoke(grant: Grant | None, client_id: str, line: str | None) -> tuple[Grant | None, Refused | None]:
    """End the grant for the client that holds it (RFC 7009), all its tokens with it; None also if there is none.

    `line` is the digest of a refresh token's, None where an access token's signature has said what it is.
    """
    if grant is None or grant.redeemed_at is None or (line is not None and not same(grant.line, line)):
        return grant, None
    if grant.client_id != client_id:
        return grant, Refused("invalid_grant", "token_of_another_client")
    return end(grant, "revoked"), None


def end(grant: Grant, why: str) -> Grant:
    """The grant without any life; the first reason stays."""
    return grant if grant.ended is not None else replace(grant, ended=why, current=None, previous=None)


def alive(grant: Grant | None, now: int) -> bool:
    """Do access tokens of this grant count, for those who ask?"""
    return grant is not None and grant.redeemed_at is not None and grant.ended is None and now < grant.expires_at
