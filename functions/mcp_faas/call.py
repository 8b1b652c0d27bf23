"""What a platform tells about one call beyond its HTTP request: one frozen value from `platforms` to the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcp_faas.auth.principal import Principal

SCOPE_KEY = "mcp_faas.call"  # where it lies in the ASGI scope
DEADLINE_KEY = "mcp_faas.deadline"  # where an event function's lies: when the call is cut off, by the loop's clock


@dataclass(frozen=True)
class Call:
    """One call as its platform describes it; nothing in it is taken from what a caller can set.

    `public_url` is the endpoint's URL where the platform knows it, or None. `mount` is what the platform demands at the
    beginning of each path and has taken off, like `/prod` of a stage. `gateway` is the identity that a gateway
    in front established, and None where it tells none.
    """

    request_id: str | None = None
    public_url: str | None = None
    mount: str = ""
    gateway: Principal | None = field(default=None)
