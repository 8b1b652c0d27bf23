"""The seam where a test makes calls to the stand-in for the FC OpenAPI go wrong: what a call was, what a fault does.

    edge.faults = lambda call: FAULTS["reset after"] if call.action == "UpdateTrigger" and call.number == 1 else None

The callable sees every call before it has an effect; None lets it pass. It runs in the edge's event loop and must not
block. A fault that hits "once" or "twice" goes by `call.number`, which counts the calls of that action from 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

A_LONG_TIME_SECONDS = 3600.0  # over any client's patience; `FcEdge.stop` does not wait for it


@dataclass(frozen=True)
class Call:
    """One call of the API, as far as a test decides by it."""

    action: str  # as the SDK names it in x-acs-action: GetTrigger, UpdateTrigger, ListTriggers, GetCustomDomain, …
    name: str  # of the trigger or the domain; empty for a list
    number: int  # the how-many-eth call of this action
    body: Any = field(default=None, repr=False)  # holds tokens


@dataclass(frozen=True)
class Fault:
    """What happens to one call, in the order of the fields."""

    wait_before_seconds: float = 0.0
    applied: int = 1  # how often a write takes effect: 0 never, 2 delivered twice
    wait_after_seconds: float = 0.0
    stale: bool = False  # a read shows what was there before the last write
    status: int | None = None  # answer with this error, not with the result
    code: str = ""
    message: str = ""
    body: bytes | None = None  # answer with these bytes, not with the result
    ending: Literal["answer", "reset", "truncate"] = "answer"


Faults = Callable[[Call], "Fault | None"]


def _error(status: int, code: str, message: str) -> Fault:
    return Fault(applied=0, status=status, code=code, message=message)


FAULTS: dict[str, Fault] = {
    "throttled": _error(429, "Throttling", "request was denied due to request throttling"),
    "500": _error(500, "InternalServerError", "an internal error has occurred. Please retry."),
    "503": _error(503, "ServiceUnavailable", "the service is unavailable"),
    "500 after": Fault(status=500, code="InternalServerError", message="an internal error has occurred. Please retry."),
    "denied": _error(403, "AccessDenied", "the caller is not authorized to perform this action"),
    "expired": _error(403, "InvalidSecurityToken.Expired", "the specified security token has expired"),
    "conflict": _error(409, "ConcurrentUpdateError", "the resource is being updated"),
    "reset before": Fault(applied=0, ending="reset"),
    "reset after": Fault(ending="reset"),
    "timeout before": Fault(wait_before_seconds=A_LONG_TIME_SECONDS, applied=0),
    "timeout after": Fault(wait_after_seconds=A_LONG_TIME_SECONDS),
    "truncated": Fault(ending="truncate"),
    "malformed": Fault(body=b'{"triggerName": "htt'),
    "not json": Fault(body=b"<html>bad gateway</html>"),
    "empty": Fault(body=b"{}"),
    "twice": Fault(applied=2),
    "stale": Fault(stale=True),
}
"""The ones worth a row in a fault matrix, by name. Refused connections and DNS are the client's side of things."""
