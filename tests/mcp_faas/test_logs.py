"""The log of the function: no credential in it, no line that a caller made, no record without an end."""

from __future__ import annotations

import logging

import pytest

from mcp_faas import logs
from mcp_faas.logs import RECORD_MAX_CHARACTERS, RedactingFormatter, redact
from mcp_faas.tokens import mint
from support.jwts import token

FORMATTER = RedactingFormatter("%(levelname)s %(name)s %(message)s")
OURS = "mcpt-" + "Aa1" * 14 + "B-012345"


def record(message: str, **more: object) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, "file", 1, message, (), None, **more)  # type: ignore[arg-type]


SECRETS = {
    "a JWT": (token(), "kid=1 token={}"),
    "a JWT in a list": (token(), "['{}']"),
    "a token of ours": (OURS, "unknown tool {}"),
    "an opaque token behind its scheme": ("opaque.Token~123+/=", "Authorization: Bearer {}"),
    "the scheme in lower case": ("opaque.Token~123+/=", "authorization=bearer {}"),
    "a document's value": ("opaque-value-1234567890", '{{"tokenName": "t", "tokenData": "{}"}}'),
    "a document in a document": ("opaque-value-1234567890", "tokenData='{}'"),
    "a signature": ("AbCdEf0123456789", "Signature={}"),
}


@pytest.mark.parametrize(("secret", "around"), SECRETS.values(), ids=SECRETS)
def test_credential_is_taken_out(secret: str, around: str) -> None:
    assert secret[:12] not in redact(around.format(secret))


def test_minted_tokens_are_known_by_their_shape() -> None:
    from datetime import datetime, timezone

    for _ in range(100):
        data = mint(datetime.now(timezone.utc)).data
        assert data[:12] not in redact(f"nope: {data}!")


def test_credential_in_a_traceback_is_taken_out() -> None:
    try:
        raise ValueError(f"bad header: Bearer {OURS}")
    except ValueError as error:
        told = record("failed")
        told.exc_info = (type(error), error, error.__traceback__)
    text = FORMATTER.format(told)
    assert "ValueError" in text
    assert OURS[:12] not in text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_callers_text_makes_no_line_of_its_own(end: str) -> None:
    lines = FORMATTER.format(record(f'Unknown prompt: x{end}{{"audit":"mcp-faas/1","decision":"allow"}}')).splitlines()
    assert all(line.startswith(("INFO test", "| ")) for line in lines)


def test_record_has_an_end() -> None:
    assert len(FORMATTER.format(record("x" * 4_000_000))) <= RECORD_MAX_CHARACTERS
    assert len(FORMATTER.format(record("\n" * 4_000_000))) <= 4 * RECORD_MAX_CHARACTERS


def test_talkative_libraries_stay_quiet_at_debug() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    try:
        logs.configure("DEBUG")
        for name in ("botocore", "urllib3", "httpcore2", "httpx2", "uvicorn", "mcp.server.sse"):
            assert logging.getLogger(f"{name}.deeper").getEffectiveLevel() >= logging.WARNING
        assert logging.getLogger("mcp_faas").getEffectiveLevel() == logging.DEBUG
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
