"""One JSON line per decision of the authorization server, in the shape of the doors' lines. Never a secret."""

from __future__ import annotations

from authorization_server.protocol import Story
from mcp_faas.audit import FIELD_MAX_CHARACTERS, Decision, write
from mcp_faas.logs import redact

DOOR = "oauth"
BAD_REQUEST = 400


def tell(
    story: Story, *, issuer: str, endpoint: str, request_id: str | None, status: int, time: float, ms: float
) -> None:
    """Write the line of one request that was answered."""
    denied = status >= BAD_REQUEST or story.reason is not None
    write(
        Decision(
            door=DOOR,
            request_id=request_id,
            decision="deny" if denied else "allow",
            reason=story.reason or ("ok" if not denied else f"status_{status}"),
            status=status,
            issuer=issuer,
            subject=story.subject,
            client=story.client,
            scopes=None if story.scopes is None else sorted(story.scopes),
            method=endpoint,
            ms=round(ms, 1),
            detail=redact(story.detail[:FIELD_MAX_CHARACTERS]) if story.detail else None,
        ),
        time,
    )
