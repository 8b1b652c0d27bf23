"""Logging of the function: one handler on stderr, and no token or signature in it at any level. No business logic.

Set up before anything else is imported: the SDK configures the root logger itself where nobody has.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

# Libraries that print headers, bodies or signatures when asked for details. The level asked for is never theirs.
_TALKATIVE = (
    "botocore",
    "boto3",
    "urllib3",
    "httpx2",
    "httpcore2",
    "h11",
    "uvicorn",
    "Tea",
    "alibabacloud",
    "asyncio",
    "mcp.server.sse",
    "sse_starlette",
    "authlib",
    "waitress",
    "werkzeug",
)

RECORD_MAX_CHARACTERS = 8000
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 0x7F, 0x85)}
_CONTROLS |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029)}
_SECRETS = re.compile(
    r"""
    (?P<scheme>\bbearer\s+)[^\s"',;\\]+                                   # a credential behind its scheme
    | \beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*                         # anything that begins like a JWT
    | \bmcpt-[0-9A-Za-z]{8,}(?:-[0-9A-Za-z]*)?                            # a token of ours
    | \bmcp[aclr]-[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*){0,2}             # a code or refresh token of ours
    | (?P<name>["']?(?:token_?data|signature|secret_?string|access_token|authorization)["']?
        \s*[:=,]\s*(?:b(?=["']))?["']?(?:bearer\s+)?)
      [^\s"',;\\})\]]+                                                    # a value behind a telling name
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redact(text: str) -> str:
    """The text without what looks like a credential."""
    return _SECRETS.sub(lambda found: f"{found['scheme'] or found['name'] or ''}[redacted]", text)


def defect(error: BaseException) -> str:
    """An exception that nobody expected, by its type and place: its text may quote a token of any shape."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "nowhere"
    return f"{type(error).__name__} at {where}"


def report(logger: logging.Logger, sentence: str, error: BaseException) -> None:
    """Write down a defect, and at DEBUG the way to it: the lines of code that were passed, and no value."""
    logger.error("%s: %s", sentence, defect(error))
    logger.debug("%s", "".join(traceback.format_tb(error.__traceback__)))


@contextlib.contextmanager
def telling_only(*known: type[Exception]) -> Iterator[None]:
    """For what a platform logs by itself: these exceptions pass, of any other one only type and place."""
    try:
        yield
    except known:
        raise
    except Exception as error:  # noqa: BLE001 - a defect; its text may quote a document
        raise RuntimeError(f"unexpected {defect(error)}") from None


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, so that no caller's text can look like a line of its own or fill the log.

    Every line after a record's first begins with a bar: audit lines share the log, and begin with a brace.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record)[:RECORD_MAX_CHARACTERS])
        return "\n| ".join(line.translate(_CONTROLS) for line in text.split("\n"))


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]  # generic only in the type stubs of Python 3.10
    """Reports its own failures without the record's arguments."""

    def handleError(self, record: logging.LogRecord) -> None:
        kind = sys.exc_info()[0]
        sys.stderr.write(f"log record of {record.name} could not be written: {kind.__name__ if kind else 'unknown'}\n")


def configure(level: str) -> None:
    """Send everything at `level` and above to stderr, redacted; talkative libraries no lower than INFO."""
    handler = _Stderr(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # At INFO the transports write a line or two for every call; the audit line says it better.
    if level != "DEBUG":
        logging.getLogger("mcp.server.streamable_http").setLevel(logging.WARNING)
    # The gate logs what goes wrong; what mangum sees after it is a call that was cut off.
    logging.getLogger("mangum.http").setLevel(logging.CRITICAL)
