"""The words of `tokens.py`'s command line: durations, commands, options. Nothing is done here, and no secret taken."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import NoReturn

from lifecycle.clients import CLIENTS, client_name
from lifecycle.output import say
from mcp_faas.lifecycle.settings import LONGEST
from mcp_faas.lifecycle.settings import duration as parse_duration

EPILOG = """\
addresses   fc://REGION/FUNCTION/TRIGGER  fc-domain://REGION/DOMAIN  aws://REGION/SECRET  file:PATH
sinks       file:PATH  env:PATH  aws://REGION/SECRET  oss://REGION/BUCKET/KEY  github-output  stdout
exit codes  0 done or nothing to do, 1 failed (says what to do next), 2 wrong usage, 3 refused before any write
"""


def duration(text: str) -> timedelta:
    """`90m` as a time span."""
    span = parse_duration(text)
    if span is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration: a whole number and s, m, h or d, like 90m; at most {LONGEST.days}d"
        )
    return span


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        say(f"{self.format_usage()}{self.prog}: error: {message}")
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    main = _Parser(
        prog="tokens.py",
        description="Mint, rotate and revoke the tokens of an MCP server's door, without ever locking anybody out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_text,
            description=help_text[0].upper() + help_text[1:] + ".",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    mint = command("mint", "make a new token; without ADDRESS it is printed and nothing else happens")
    mint.add_argument("address", nargs="?", metavar="ADDRESS")
    mint.add_argument("--document", action="store_true", help="print a whole first token document, as one line of JSON")
    _running(mint)

    show = command("list", "show names, ages, fingerprints and states; never a token")
    _address(show)
    show.add_argument("--max-age", type=duration, default="30d", help="as for rotate, to say what is due (%(default)s)")
    show.add_argument("--overlap", type=duration, default="24h", help="as for rotate, to say what is due (%(default)s)")
    _json(show)

    rotate = command("rotate", "bring a document one step further: run it from a schedule, every hour")
    _address(rotate)
    rotate.add_argument("--max-age", type=duration, default="30d", help="replace the token at this age (%(default)s)")
    rotate.add_argument("--overlap", type=duration, default="24h", help="let the old one live on so long (%(default)s)")
    _delivering(rotate)
    _running(rotate)

    revoke = command("revoke", "take one token out of service")
    _address(revoke)
    revoke.add_argument("name", metavar="NAME", help="as `list` shows it")
    revoke.add_argument("--now", action="store_true", help="at once, without an overlap; a replacement is added first")
    _delivering(revoke)
    _running(revoke)

    rollback = command("rollback", "make the token before the current one the current one again, within the overlap")
    _address(rollback)
    _delivering(rollback)
    _running(rollback)

    verify = command("verify", "see that an endpoint refuses strangers and accepts the token on stdin's first line")
    verify.add_argument("url", metavar="URL")
    _json(verify)

    config = command("config", "print a ready-to-paste configuration for a client")
    config.add_argument("url", metavar="URL")
    config.add_argument("--client", required=True, type=client_name, metavar="NAME", help=", ".join(CLIENTS))
    config.add_argument(
        "--no-token",
        action="store_true",
        help="for a client that logs in, where the door is jwt: no header, no variable",
    )
    config.add_argument("--name", default="my-mcp-server", help="what the client calls the server (%(default)s)")
    _json(config)

    jwt = command("jwt", "print a signed access token for local tests of door jwt")
    jwt.add_argument("--issuer", required=True, metavar="URL")
    jwt.add_argument("--audience", required=True, metavar="URL", help="the MCP endpoint's public URL")
    jwt.add_argument(
        "--keys", required=True, metavar="PATH", help="private key as a JWK; made, for its owner only, if missing"
    )
    jwt.add_argument("--subject", default="dev", help="(%(default)s)")
    jwt.add_argument("--client-id", default="dev", help="(%(default)s)")
    jwt.add_argument("--scope", default="", help="scopes, separated by spaces")
    jwt.add_argument("--ttl", type=duration, default="15m", help="(%(default)s)")
    jwt.add_argument("--jwks", action="store_true", help="print the public key set instead, for MCP_JWT_JWKS")
    return main


def _address(command: argparse.ArgumentParser) -> None:
    command.add_argument("address", metavar="ADDRESS", help="of the token document")


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for machines, on stdout")


def _delivering(command: argparse.ArgumentParser) -> None:
    command.add_argument("--probe", metavar="URL", help="prove at this MCP endpoint what the door accepts and refuses")
    command.add_argument("--deliver", metavar="SINK", action="append", default=[], help="give the token to this place")


def _running(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="print the plan that would run, and change nothing")
    _json(command)
