"""Begin, show and rotate the keys that the authorization server signs with. No private part of a key is ever shown,
but by `mint` without an ADDRESS."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "functions"), str(ROOT / "functions/oauth_server")]

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEAST_MAX_AGE_SECONDS = 3600
EPILOG = """\
addresses   aws://REGION/SECRET  file:PATH
exit codes  0 done or nothing to do, 1 failed (says what to do next), 2 wrong usage, 3 refused before any write
"""


class Stopped(BaseException):
    """A signal asked this run to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every way out but 0 says why on stderr, without a traceback."""
    try:
        for number in SIGNALS:
            signal.signal(number, _stop)
        return _run(argv)
    except Stopped:
        return _end(FAILED, "stopped", "the keys are as they were, or rotated; run the same command again to go on")


def _run(argv: Sequence[str] | None) -> int:
    try:
        from authorization_server.key_rotation import NotBegun
        from authorization_server.signing_keys import KeyDocumentError
        from lifecycle.errors import UsageError
        from lifecycle.output import OutputLost
        from mcp_faas.logs import defect
        from mcp_faas.stores import AddressError, StoreError
        from mcp_faas.tokens import DocumentError
    except ModuleNotFoundError as error:
        print(
            f"failed: {error.name} is not installed; run `make setup`, then this with .venv/bin/python", file=sys.stderr
        )
        return FAILED
    try:
        arguments = _parser().parse_args(argv)
        if arguments.command == "mint":
            return _mint(arguments)
        return _list(arguments) if arguments.command == "list" else _rotate(arguments)
    except (UsageError, AddressError) as error:
        return _end(USAGE, "usage", error)
    except (KeyDocumentError, DocumentError) as error:
        return _end(REFUSED, "refused", f"{error}. Nothing was changed.")
    except NotBegun as error:
        return _end(FAILED, "failed", error)
    except (StoreError, OutputLost) as error:
        return _end(FAILED, "failed", f"{error}; run the same command again")
    except Exception as error:  # noqa: BLE001 - a defect; its text may quote a key, its type and place do not
        return _end(FAILED, "failed", f"unexpected {defect(error)}; run the same command again")


def _mint(arguments: argparse.Namespace) -> int:
    import time

    from authorization_server.key_rotation import open_place
    from authorization_server.signing_keys import KeyDocument, KeyDocumentError, mint
    from lifecycle.environment import access
    from lifecycle.output import say, show

    fresh = mint(int(time.time()))
    if not arguments.address:
        show(KeyDocument((fresh,)).dump(), end="")
        return DONE
    place = open_place(arguments.address, access(), begin=True)
    found = place.read()
    if found.document.keys:
        raise KeyDocumentError(f"{arguments.address} holds keys already; they are renewed with: rotate")
    place.write(found, KeyDocument((fresh,)).dump())
    say(f"done: {arguments.address} holds the key {fresh.kid}, which signs at once")
    return DONE


def _list(arguments: argparse.Namespace) -> int:
    import time

    from authorization_server.key_rotation import open_place
    from lifecycle.environment import access
    from lifecycle.output import show

    found = open_place(arguments.address, access()).read()
    now = found.time or int(time.time())
    rows = _rows(found.document, now)
    if arguments.json:
        show(json.dumps({"address": arguments.address, "time": _iso(now), "keys": rows}))
    else:
        lines = [f"{row['kid']:18} {row['state']:10} created {row['created']}" for row in rows]
        show("\n".join(lines) or "no keys")
    return DONE


def _rotate(arguments: argparse.Namespace) -> int:
    from authorization_server.key_rotation import open_place, rotate
    from authorization_server.signing_keys import PUBLISHED_SECONDS
    from lifecycle.environment import access
    from lifecycle.errors import UsageError
    from lifecycle.output import say, show

    max_age = int(arguments.max_age.total_seconds())
    if max_age < LEAST_MAX_AGE_SECONDS:
        raise UsageError("--max-age is at least 1h, because each key stays published for a day after its last use")
    place = open_place(arguments.address, access())
    step, now = rotate(place, max_age, compromised=arguments.compromised, only_look=arguments.dry_run)
    word = "would" if arguments.dry_run else "done"
    signs = "at once" if len(step.document.keys) == 1 else f"from {_iso(now + PUBLISHED_SECONDS)}"
    if step.added:  # the key of a dry run is never used, so neither is its name
        say(f"{word}: add a key, which signs {signs}" if arguments.dry_run else f"{word}: {step.added} signs {signs}")
    for kid in step.dropped:
        say(f"{word}: drop {kid}{'' if arguments.compromised else ', whose tokens are all dead'}")
    if not step:
        say("nothing to do")
    if arguments.json:
        added = None if arguments.dry_run else step.added
        told = {"address": arguments.address, "time": _iso(now), "dry_run": arguments.dry_run, "adds": bool(step.added)}
        show(json.dumps({**told, "added": added, "dropped": list(step.dropped), "keys": _rows(step.document, now)}))
    return DONE


def _rows(document: Any, now: int) -> list[dict[str, Any]]:
    signer, published = document.signer(now), document.published(now)
    rows = []
    for key in document.by_age:
        state = "signing" if key == signer else "dead" if key not in published else "published"
        dead = document.dead_at(key)
        until = _iso(dead) if dead is not None else None
        rows.append({"kid": key.kid, "state": state, "created": _iso(key.created), "published_until": until})
    return rows


def _iso(moment: int) -> str:
    try:
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "beyond all calendars"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        from lifecycle.errors import UsageError

        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    from lifecycle.arguments import duration

    shape = argparse.RawDescriptionHelpFormatter
    main = _Parser(prog="signing_keys.py", description=__doc__, epilog=EPILOG, formatter_class=shape)
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    mint = commands.add_parser("mint", help="begin a document with its first key; without ADDRESS, print one")
    mint.add_argument("address", nargs="?", metavar="ADDRESS")
    show = commands.add_parser("list", help="show which key signs and which are published")
    show.add_argument("address", metavar="ADDRESS")
    show.add_argument("--json", action="store_true", help="for machines, on stdout")
    rotate = commands.add_parser("rotate", help="bring the document one step further: run it from a schedule, daily")
    rotate.add_argument("address", metavar="ADDRESS")
    rotate.add_argument("--max-age", type=duration, default="90d", help="follow a key at this age (%(default)s)")
    rotate.add_argument(
        "--compromised",
        action="store_true",
        help="somebody else may have the keys: replace all at once, and with them every access token there is",
    )
    rotate.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    rotate.add_argument("--json", action="store_true", help="for machines, on stdout")
    return main


def _end(code: int, word: str, why: object) -> int:
    from lifecycle.output import say

    say(f"{word}: {why}")
    return code


def _stop(number: int, frame: FrameType | None) -> None:
    for one in SIGNALS:  # a second one would interrupt the tidying up
        signal.signal(one, signal.SIG_IGN)
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
