"""Check any deployed MCP endpoint as an OAuth resource server, from outside, on Python alone.

Only reads the command line, prints the report and ends with its exit code.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "functions")]

from diagnosis import arguments, report  # noqa: E402 - found through the line above
from diagnosis.checks import Check  # noqa: E402
from diagnosis.endpoint import Endpoint  # noqa: E402
from diagnosis.examination import NoAnswer, examine, in_order  # noqa: E402
from diagnosis.rules import RULES  # noqa: E402
from diagnosis.wire import TimeIsUp, Wire  # noqa: E402
from lifecycle.errors import UsageError  # noqa: E402

HOLDS, BROKEN, USAGE, NO_ANSWER = 0, 1, 2, 3
WHOLE_SECONDS = 300.0


class Stopped(BaseException):
    """A signal asked this run to end."""


def main(argv: Sequence[str] | None = None) -> int:
    chosen = arguments.parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        url = arguments.checked_url(chosen.url)
        token = arguments.read_token(arguments.stdin(), insist=chosen.token_stdin)
        wire = Wire(urlsplit(url), timeout=chosen.timeout, whole=WHOLE_SECONDS, ca_file=chosen.ca_file)
    except UsageError as error:
        return _end(USAGE, f"usage: {error}")
    except OSError:
        return _end(USAGE, f"usage: --ca-file {chosen.ca_file} holds no certificates that can be read")
    except Stopped:
        return _end(NO_ANSWER, "stopped")
    endpoint = Endpoint(url, wire, token, chosen.origin or "")
    checks: list[Check] = []
    late = ""
    try:
        for check in examine(endpoint, forbidden_tool=chosen.forbidden_tool, progress=_progress):
            checks.append(check)
    except NoAnswer as error:
        _progress("")
        if chosen.json:
            print(report.as_json(url, []), flush=True)
        return _end(
            NO_ANSWER, f"no answer: {error}: is the host right, is the function deployed, does a proxy stand between?"
        )
    except TimeIsUp as error:
        late = str(error)
    except Stopped:
        _progress("")
        return _end(NO_ANSWER, "stopped; nothing was changed anywhere")
    _progress("")
    checks = in_order(checks, late=late)
    print(report.as_json(url, checks) if chosen.json else report.as_text(url, checks), flush=True)
    if late:
        return _end(
            NO_ANSWER, f"no end: {late} ({WHOLE_SECONDS:.0f} s); give it a --timeout that fits, or ask again later"
        )
    counted = ("MUST", "SHOULD") if chosen.strict else ("MUST",)
    failed = [check for check in checks if check.result == "fail" and check.level in counted]
    if failed:
        return _end(BROKEN, f"failed: {len(failed)} of {len(checks)} checks; the report says what to do")
    return HOLDS


def _progress(id_: str) -> None:
    """What is under way, on a terminal alone; an empty id wipes the line."""
    if sys.stderr.isatty():
        shown = f"{[*RULES].index(id_) + 1}/{len(RULES)} {id_}" if id_ else ""
        print(f"\r\x1b[K{shown}", end="", file=sys.stderr, flush=True)


def _end(code: int, why: str) -> int:
    print(why, file=sys.stderr, flush=True)
    return code


def _stop(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped


if __name__ == "__main__":
    try:
        code = main()
    except BrokenPipeError:  # whoever read the report has gone; nothing is left to say, and nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = NO_ANSWER
    sys.exit(code)
