"""Judge what our server made of an issuer's token, and of a login. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clients.header_proxy import Exchange
from clients.verdict import guarded
from clients.visits import ANSWERS, SCOPED_ANSWER_END, SCOPED_TOOL, TOOL, Outcome


@dataclass(frozen=True)
class Heard:
    """What a caller heard, and what the function's audit line says about it."""

    status: int
    reason: str
    errors: tuple[str | None, ...] = ()  # of the challenge in the header, and of the same in the body
    metadata: tuple[str | None, ...] = ()  # where these two say that the metadata is

    def __str__(self) -> str:
        return " ".join(filter(None, [str(self.status), *dict.fromkeys(self.errors), f"({self.reason})"]))


@dataclass(frozen=True)
class Expected:
    """The answer that docs/jwt.md promises for a token, written before it is asked for."""

    reason: str
    status: int = 401
    error: str | None = "invalid_token"


LET_IN = Expected("ok", 200, None)
TOO_LITTLE = Expected("scope_missing", 403, "insufficient_scope")


def complaints_of_a_token(expected: Expected, heard: Heard, metadata: str) -> Iterator[str]:
    """What is not as it was promised; `metadata` is the address that every challenge has to hold."""
    if (heard.status, heard.reason) != (expected.status, expected.reason):
        yield f"was answered {heard}, and not {expected.status} ({expected.reason})"
    elif expected.error is not None and set(heard.errors) != {expected.error}:
        yield f"was told {' and '.join(map(str, heard.errors))}, and not {expected.error} in header and body"
    elif expected.error is not None and set(heard.metadata) != {metadata}:
        yield f"was sent to {' and '.join(map(str, heard.metadata))} for the metadata"


def complaints_of_a_login(
    outcome: Outcome, wire: Sequence[Exchange], issuer_wire: Sequence[Exchange], *, step_up: bool
) -> Iterator[str]:
    """What is missing between a client's first call and its answer: discovery, registration, login, token, call.

    With `step_up` the first token lacks one tool's scope, and the 403 sends the client for a second one.
    """
    if outcome.error is not None:
        yield outcome.error
        return
    if TOOL["name"] not in outcome.tools or outcome.answer not in ANSWERS:
        yield f"listed {', '.join(outcome.tools) or 'nothing'}, and {TOOL['name']} answered {outcome.answer}"
    calls = [exchange for exchange in wire if guarded(exchange)]
    if not calls or calls[0].authorized or calls[0].status != 401:
        yield "its first call was not refused with 401"
    if not any(seen(wire, "GET", path, 200) for path in METADATA_PATHS):
        yield "never read the metadata of the resource"
    for method, path, status in LOGIN_STEPS:
        if not seen(issuer_wire, method, path, status):
            yield f"never came to {method} {path} at the issuer"
    if not (outcome.scoped or "").endswith(SCOPED_ANSWER_END):
        yield f"did not get the scope of {SCOPED_TOOL['name']}: {outcome.scoped}"
    wanted, granted = (2 if step_up else 1), seen(issuer_wire, *TOKEN_STEP)
    if granted != wanted:
        yield f"was given {granted} tokens, and not {wanted}"


TOKEN_STEP = ("POST", "/token", 200)
LOGIN_STEPS = (("GET", "/auth", 303), ("POST", "/reg", 201), TOKEN_STEP)
METADATA_PATHS = ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp")


def seen(wire: Sequence[Exchange], method: str, path: str, status: int) -> int:
    """How often this request got this answer."""
    return sum((each.method, each.path, each.status) == (method, path, status) for each in wire)
