"""Who a request was let in for: one frozen value that passes from a door to the server. No I/O, and never the token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Principal:
    """The identity behind one request.

    `client` is the OAuth client, or the name of the static token, or `platform` where the gateway tells no name.
    `subject` is unique per `issuer` only (RFC 9068 §2.2). `claims` are the verified claims of a JWT.
    """

    client: str
    subject: str | None = None
    issuer: str | None = None
    scopes: frozenset[str] = frozenset()
    expires_at: int | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
