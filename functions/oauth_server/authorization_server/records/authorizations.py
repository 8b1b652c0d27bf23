"""An authorization request on its way through one browser: shown, approved or denied, then finished by a login. PURE.

Each step may be taken once, by the browser that the request was shown in. The single-use state of the login comes into
being with the approval, so nothing can be brought back from upstream before somebody has agreed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from authorization_server.records import Refused
from authorization_server.records.handles import same

LIFETIME_SECONDS = 600


@dataclass(frozen=True)
class Authorization:
    """A request that was found valid, and how far it has come."""

    KIND: ClassVar[str] = "authorization"

    client_id: str
    redirect_uri: str
    redirect_uri_asked: bool
    code_challenge: str
    resource: str
    scopes: tuple[str, ...]
    browser: str  # digest of the secret in that browser's cookie
    expires_at: int
    state: str | None = None  # the client's own, given back to it as it is
    stage: Literal["shown", "approved", "denied", "finished"] = "shown"
    login: str | None = None  # digest of the login's state
    refreshes: bool = True  # may the client go on without asking again? The page has said so
    # of a client that waits for its first login, as it is stored: from here on nobody can take its place
    registration: Mapping[str, Any] | None = None

    @property
    def keep_until(self) -> int:
        return self.expires_at


def decide(
    authorization: Authorization | None, browser: str | None, login: str | None, now: int
) -> tuple[Authorization | None, Authorization | Refused]:
    """Approve, with the digest of a login's new state, or deny, without one."""
    if (refused := _check(authorization, browser, now)) is not None or authorization is None:
        return authorization, refused or _UNKNOWN
    if authorization.stage != "shown":
        return authorization, Refused("invalid_request", "authorization_decided_before")
    decided = replace(authorization, stage="denied" if login is None else "approved", login=login)
    return decided, decided


def awaits(authorization: Authorization | None, browser: str | None, login: str, now: int) -> Authorization | Refused:
    """Is this login's state the one that the authorization waits for? Looks only: a wrong password is no end."""
    if (refused := _check(authorization, browser, now)) is not None or authorization is None:
        return refused or _UNKNOWN
    if not same(authorization.login, login):
        return Refused("invalid_request", "login_state_wrong")
    if authorization.stage != "approved":
        return Refused("invalid_request", "login_state_used_before")
    return authorization


def finish(
    authorization: Authorization | None, browser: str | None, login: str, now: int
) -> tuple[Authorization | None, Authorization | Refused]:
    """Use up the login's state, whatever the login has brought. Whoever succeeds here goes on, and nobody else."""
    found = awaits(authorization, browser, login, now)
    if isinstance(found, Refused):
        return authorization, found
    finished = replace(found, stage="finished")
    return finished, finished


_UNKNOWN = Refused("invalid_request", "authorization_unknown")


def _check(authorization: Authorization | None, browser: str | None, now: int) -> Refused | None:
    if authorization is None:
        return _UNKNOWN
    if now >= authorization.expires_at:
        return Refused("invalid_request", "authorization_expired")
    if not same(authorization.browser, browser):
        return Refused("invalid_request", "authorization_of_another_browser")
    return None
