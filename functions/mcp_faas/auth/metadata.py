"""RFC 9728 protected-resource metadata: where it lives and what it says, from settings alone. No I/O.

Nothing of a request enters: the document is the same bytes for every caller of one resource.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit, urlunsplit

from mcp_faas.auth.scopes import OFFLINE_ACCESS

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(resource: str, mount: str = "") -> str:
    """Where a resource's metadata is found: the well-known part goes between host and path (RFC 9728 §3.1).

    `mount` is the beginning of the path, like `/prod`, without which no request reaches us: then the part goes behind
    it. A challenge may name any URL (§5.1), and the one at the host's root would be somebody else's 404.
    """
    parts = urlsplit(resource)
    mount = mount if parts.path.startswith(f"{mount}/") else ""
    path = mount + WELL_KNOWN + parts.path.removeprefix(mount).removesuffix("/")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def metadata(resource: str, issuers: Sequence[str], scopes_supported: Iterable[str]) -> bytes:
    """The metadata document as JSON bytes; `resource` and `issuers` byte for byte as configured (RFC 9728 §2)."""
    document: dict[str, object] = {
        "resource": resource,
        "authorization_servers": list(issuers),
        "bearer_methods_supported": ["header"],
    }
    if scopes := sorted(set(scopes_supported) - {OFFLINE_ACCESS}):
        document["scopes_supported"] = scopes
    return json.dumps(document, separators=(",", ":")).encode()
