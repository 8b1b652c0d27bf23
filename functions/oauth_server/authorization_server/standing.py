"""What of a grant still counts by today's settings. PURE: no storage, no provider, no clock.

A grant outlives the settings that it was given by. So each use of it is judged by those that there are now; they are
read once, at the start of an instance, so they may change between two uses and not during one.
"""

from __future__ import annotations

from authorization_server.records import Refused
from authorization_server.records.grants import Grant
from authorization_server.settings import Settings
from mcp_faas.auth.scopes import covers


def standing(grant: Grant, settings: Settings) -> tuple[str, ...] | Refused:
    """The scopes of a grant that may still be had with it, or why it counts no longer."""
    if settings.has_ended(grant.subject, grant.given_at):
        return Refused("invalid_grant", "login_ended")
    if grant.resource not in settings.resources:
        return Refused("invalid_grant", "resource_withdrawn")
    if not settings.admission.admits(grant.marks):
        return Refused("invalid_grant", "person_not_admitted")
    offered = (scope for scope in grant.scopes if covers(settings.scopes, scope))
    return settings.admission.scopes(grant.marks, offered)
