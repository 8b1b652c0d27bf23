"""The words of `doctor.py`'s command line; the URL and the token as far as they can be checked without a request."""

from __future__ import annotations

import argparse
import re
import selectors
import sys
from typing import TextIO
from urllib.parse import urlsplit, urlunsplit

from lifecycle.errors import UsageError
from mcp_faas.stores import LOOPBACK

EPILOG = """\
exit codes  0 every MUST holds (with --strict: every SHOULD, too), 1 one does not, 2 wrong usage,
            3 no answer, or no end in time
A token on the first line of stdin widens the checks; it is sent to this endpoint only and shown nowhere.
"""
LONGEST_TOKEN = 16 * 1024
WAIT_SECONDS = 10.0  # for a token that nobody announced: a cloud's own command may be making it
TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
LONGEST_TIMEOUT = 100.0


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_TIMEOUT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to {LONGEST_TIMEOUT:.0f}, like 10")
    return value


def origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}":
        raise argparse.ArgumentTypeError(f"{text!r} is no origin, like https://app.example.com")
    return text


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="doctor.py",
        description="Check any MCP endpoint as an OAuth resource server, from outside: what was sent, what came back, "
        "what to do.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("url", metavar="URL", help="the endpoint as users paste it, like https://HOST/mcp")
    main.add_argument("--json", action="store_true", help="for machines, on stdout")
    main.add_argument("--token-stdin", action="store_true", help="insist on a token on stdin, and wait for it")
    main.add_argument("--origin", type=origin, help="a browser origin that the endpoint should let in")
    main.add_argument(
        "--forbidden-tool", default="", metavar="NAME", help="call this tool, for which the token lacks a scope"
    )
    main.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="for one request (%(default)s)")
    main.add_argument("--ca-file", metavar="PATH", help="trust these certificates instead of the system's")
    main.add_argument("--strict", action="store_true", help="exit 1 for a SHOULD that does not hold, too")
    return main


def checked_url(url: str) -> str:
    """The URL, if it can be an endpoint's. Never quoted in the error where it may hold a password."""
    if "://" not in url:
        raise UsageError("https:// is missing before the URL of the endpoint (http:// if it is on this machine)")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        usable, parts = None, urlsplit("")
    if not usable or parts.fragment or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise UsageError("this is no URL of an MCP endpoint, like https://HOST/mcp: no user name, fragment or blank")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageError(f"http://{parts.hostname} would carry the token in the clear; use https")
    # As every client's URL parser writes it, for it is compared byte by byte.
    host = parts.netloc.lower().removesuffix({"https": ":443", "http": ":80"}[parts.scheme])
    return urlunsplit(parts._replace(netloc=host))


def read_token(stream: TextIO | None, *, insist: bool) -> str:
    """The first line of stdin, if there is one. A pipe that nobody writes to does not hold the run up."""
    line = ""
    if stream is not None and (insist or not stream.isatty()):
        if insist or _has_news(stream):
            line = stream.readline(LONGEST_TOKEN).strip()
        else:
            print(f"no token came on stdin in {WAIT_SECONDS:.0f} s; going on without", file=sys.stderr)
    if line and not TOKEN.fullmatch(line):
        raise UsageError("the first line of stdin is no bearer token")
    if insist and not line:
        raise UsageError("--token-stdin, but the first line of stdin is empty")
    return line


def _has_news(stream: TextIO) -> bool:
    try:
        # Not `select.select`, which knows no descriptor above 1023.
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            return bool(selector.select(WAIT_SECONDS))
    except (OSError, ValueError):  # a stream without a file behind it, which never blocks
        return True


def stdin() -> TextIO | None:
    found: TextIO | None = sys.stdin
    return found
