"""The audit line: one JSON object on one line per decision of a door. Knows the fields, never a token or an argument.

`docs/audit.md` describes each field. What is unknown is null.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from mcp_faas.auth.errors import AuthError, ScopeMissing
from mcp_faas.auth.principal import Principal
from mcp_faas.logs import redact

SCHEMA = "mcp-faas/1"
FIELD_MAX_CHARACTERS = 256  # names of tools and methods come from callers
# Which fields hold text that a caller, or the issuer of his token, has chosen. All others are words of ours, settings,
# digests and what the platform says.
_CHOSEN_OUTSIDE = ("subject", "client", "method", "tool")

# ASCII, so that no caller's text can end the line or hide in it. Made once: `json.dumps` would make one for each line.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass
class Decision:
    """What is known of one request when it has been answered."""

    door: str
    request_id: str | None = None
    decision: Literal["allow", "deny"] = "deny"
    reason: str | None = None
    status: int | None = None
    issuer: str | None = None
    subject: str | None = None
    client: str | None = None
    scopes: list[str] | None = None
    method: str | None = None
    tool: str | None = None
    ms: float | None = None
    jti_sha256: str | None = None
    elevation: list[str] | None = None
    detail: str | None = None

    def identify(self, principal: Principal) -> None:
        """Note who it is."""
        self.issuer, self.subject, self.client = principal.issuer, principal.subject, principal.client
        self.scopes = sorted(principal.scopes)
        jti = principal.claims.get("jti")
        if isinstance(jti, str):
            # The issuer can tell which token it was; whoever reads the log cannot name it to anybody.
            self.jti_sha256 = hashlib.sha256(jti.encode()).hexdigest()

    def allow(self, reason: str = "ok") -> None:
        """Note that the request was let in; `reason` where it was then not carried out."""
        self.decision, self.reason = "allow", reason

    def deny(self, error: AuthError) -> None:
        """Note that it was not and what was wrong, or which scopes the answer asked the caller to get."""
        self.decision, self.reason = "deny", error.reason
        if isinstance(error, ScopeMissing):
            self.elevation = sorted(error.needed)
        else:
            self.detail = str(error) or None  # words of ours alone: auth/errors.py lets no value into them


def line(decision: Decision, time: float) -> str:
    """The audit line of a decision at `time` (seconds since the epoch), without the line's end."""
    stamp = datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: dict[str, object] = {"audit": SCHEMA, "time": stamp, **vars(decision)}
    for name in _CHOSEN_OUTSIDE:
        value = fields[name]
        if isinstance(value, str):
            fields[name] = redact(value[:FIELD_MAX_CHARACTERS])
    return _encode(fields)


def write(decision: Decision, time: float) -> None:
    """Put the audit line on standard output, which both platforms keep as the function's log."""
    sys.stdout.write(line(decision, time) + "\n")
    sys.stdout.flush()
