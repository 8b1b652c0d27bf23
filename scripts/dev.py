"""`make run`: the deployed MCP server behind a real door on this machine, until Ctrl-C.

stdout has what a person or a program needs to connect; the story, and what the function says, is on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import shlex
import signal
import sys
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "functions"))
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to tidy up: no traceback out of an import

from edges.aws import AwsEdge  # noqa: E402  # the folder has to be on the path first, here and below
from edges.aws_instance import InitFailed  # noqa: E402
from edges.fc import FcEdge  # noqa: E402
from edges.issuer import Issuer  # noqa: E402
from edges.processes import ChildFailed, Log, free_ports  # noqa: E402
from edges.serving import PortTaken  # noqa: E402
from local.authorization import USER, Local  # noqa: E402
from local.changes import changes  # noqa: E402
from local.doors import (  # noqa: E402
    FUNCTIONS,
    Place,
    add_authorization_server,
    function_environment,
    has_local_login,
    left_out,
    make_edge,
)
from local.files import kept, read_kept, write_kept  # noqa: E402
from local.guide import guide, login_guide, rotation  # noqa: E402
from local.probe import NotProven, declared_scopes, prove  # noqa: E402
from mcp_faas.tokens import Marks, Token, TokenDocument, fingerprint, has_our_shape, mint, whole_second  # noqa: E402

RUN = ROOT / ".run"
CHOICES = {"CLOUD": ("fc", "aws"), "DOOR": ("bearer", "jwt", "oauth"), "FRONT": ("http-api", "function-url")}
LAST_PORT = 65535
FIRST_TOKEN_AGE = timedelta(days=31)
STATE_KEY_BYTES = 48
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Usage(Exception):
    """The command line asks for something that there is not; the message names what there is."""


def say(sentence: str) -> None:
    print(f"run: {sentence}", file=sys.stderr, flush=True)


def read_arguments(arguments: list[str]) -> Place:
    """The command line, checked. `Usage` says what is wrong with it."""

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise Usage(message)

    parser = Parser(prog="make run", description=__doc__)
    parser.add_argument("--cloud", default="fc", help="fc (Alibaba Function Compute) or aws (Lambda)")
    parser.add_argument(
        "--door", default="bearer", help="bearer (an opaque token), jwt (an OAuth access token) or oauth (a login)"
    )
    parser.add_argument(
        "--port", default="8787", help="of the endpoint; the two after it are for the cloud's API and the issuer"
    )
    parser.add_argument("--front", help="CLOUD=aws DOOR=jwt: function-url (default) or http-api")
    given = parser.parse_args(arguments)
    front: Any = given.front or ("function-url" if given.door == "jwt" else "http-api")
    for name, value in (("CLOUD", given.cloud), ("DOOR", given.door), ("FRONT", front)):
        if value not in CHOICES[name]:
            raise Usage(f'{name} is "{value}"; choose one of: {", ".join(CHOICES[name])}.')
    if given.front and given.cloud != "aws":
        raise Usage("FRONT is for CLOUD=aws; leave it out.")
    if given.door == "oauth" and front != "http-api":
        raise Usage("A Function URL leads to one function, and DOOR=oauth has two; with it FRONT is http-api.")
    if given.door == "bearer" and front != "http-api":
        raise Usage("A Function URL cannot check a token; with DOOR=bearer FRONT is http-api.")
    if not re.fullmatch("[0-9]{1,5}", given.port) or int(given.port) > LAST_PORT - 2:
        raise Usage(f'PORT is "{given.port}"; it must be a number from 1 to {LAST_PORT - 2}, or 0 for any free port.')
    first = int(given.port)
    port, api_port, issuer_port = (first, first + 1, first + 2) if first else free_ports(3)
    return Place(given.cloud, given.door, front, port, api_port, issuer_port, lasting=first > 0)


def first_token(path: Path) -> Token:
    """The token of an earlier run on this port, so that a configured client goes on working, or a new one.

    Its name makes it old enough to be rotated at once: here a rotation is for seeing it, not for waiting a month.
    """
    made = whole_second(datetime.now(timezone.utc) - FIRST_TOKEN_AGE)
    found = read_kept(path)
    if found is None or not has_our_shape(found):
        return mint(made)
    return Token(Marks(made, fingerprint(found)).name(), True, found)


async def serve(place: Place) -> None:
    """Start everything, prove it, print how to connect, and go on until cancelled."""
    state_key = RUN / "request-state-key"
    kept(state_key, lambda text: len(text) >= STATE_KEY_BYTES, lambda: secrets.token_urlsafe(STATE_KEY_BYTES))
    token_file = RUN / f"{place.door}-{place.port}.token"
    token = first_token(token_file) if place.door == "bearer" else None
    environment = function_environment(os.environ, place, state_key)
    if place.door == "oauth":
        await serve_with_login(place, environment)
        return
    edge = make_edge(place, TokenDocument((token,)) if token else None, environment, relay(place.cloud))
    issuer = Issuer(port=place.issuer_port)
    if names := left_out(os.environ, place.door):
        say(f"the function does not get {', '.join(names)} of your environment: this door has its own")
    async with AsyncExitStack() as stack:
        if token is None:
            await issuer.start()
            stack.push_async_callback(issuer.stop)
            say(f"a token issuer is at {issuer.url}")
        say(f"starting the MCP server behind a stand-in for {NAMES[place.cloud, place.front]}")
        stack.push_async_callback(edge.stop)
        await edge.start()
        if isinstance(edge, AwsEdge):
            await edge.warm()
        say("asking it with a token, and without")
        scopes = [] if token else await declared_scopes(place.url)
        secret = token.data if token else issuer.token(audience=place.url, scopes=scopes)
        await prove(place.url, secret)
        if token is None or not place.lasting:
            # Only now that the ports are ours: before, the file of this name may be that of a run which has them.
            stack.callback(token_file.unlink, missing_ok=True)
        write_kept(token_file, secret)
        print(f"ready {place.url}\ntoken {token_file}\n{guide(place, token_file)}", flush=True)
        if token:
            say(f"rotate its token with: {rotation(place, token_file)}")
        say("a change in functions/ restarts the server; Ctrl-C stops it")
        await follow_changes(edge)


async def serve_with_login(place: Place, environment: Mapping[str, str]) -> None:
    """Door oauth: the MCP server, and the authorization server behind the same host."""
    files = Local(RUN, place)
    edge = make_edge(place, None, environment, relay(place.cloud))
    if names := left_out(os.environ, place.door):
        say(f"the functions do not get {', '.join(names)} of your environment: this door has its own")
    async with AsyncExitStack() as stack:
        say(f"starting the MCP server behind a stand-in for {NAMES[place.cloud, place.front]}")
        stack.push_async_callback(edge.stop)
        await edge.start()
        if isinstance(edge, AwsEdge):
            await edge.warm()
        if not place.lasting:
            stack.callback(files.remove)
        files.prepare()
        scopes = await declared_scopes(place.url)
        say("starting the authorization server beside it")
        await add_authorization_server(edge, files.environment(os.environ, scopes))
        say("asking with a token, and without")
        await prove(place.url, files.token(scopes))
        login, who = "", f"at the provider of OAUTH_LOGIN={os.environ.get('OAUTH_LOGIN')}"
        if has_local_login(os.environ):
            login = f"login {USER} {files.passphrase}\n"
            who = f"as {USER} with the passphrase in {shlex.quote(str(files.passphrase))}"
        print(f"ready {place.url}\n{login}{login_guide(place, who)}", flush=True)
        say("a change in functions/ restarts both servers; Ctrl-C stops them")
        await follow_changes(edge)


def relay(cloud: str) -> Log:
    """Where a function's lines go: to stderr, recognisable."""

    def log(line: str) -> None:
        try:
            print(f"{cloud} | {line}", file=sys.stderr, flush=True)
        except BrokenPipeError:  # whoever watched has gone, as when a terminal hangs up
            signal.raise_signal(signal.SIGHUP)

    return log


async def follow_changes(edge: FcEdge | AwsEdge) -> None:
    """Restart the function whenever its source changes. One that no longer starts is said, and waits for the next."""
    async for path in changes(FUNCTIONS):
        say(f"{path.relative_to(ROOT)} changed; restarting")
        try:
            await edge.restart()
        except (ChildFailed, InitFailed) as failure:
            say(f"the server did not start: {failure}")
        else:
            say("restarted")


async def until_signal(work: Coroutine[Any, Any, None]) -> int:
    """Run until the work ends or somebody asks to stop; 0 for the latter, which is how it is meant to end."""
    task = asyncio.create_task(work)
    asked: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not asked:  # a second Ctrl-C must not interrupt the tidying up that the first began
            asked.append(number)
            task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        say("stopped")
    return 0


NAMES = {
    ("fc", "http-api"): "FC's gateway",
    ("fc", "function-url"): "FC's gateway",
    ("aws", "http-api"): "an HTTP API",
    ("aws", "function-url"): "a Lambda Function URL",
}


def main() -> int:
    try:
        place = read_arguments(sys.argv[1:])
    except Usage as usage:
        say(str(usage))
        return 2
    try:
        return asyncio.run(until_signal(serve(place)))
    except PortTaken as error:
        say(f"{error.strerror}. Stop what uses it, or choose another: make run PORT=…")
    except (ChildFailed, InitFailed) as failure:
        say(f"the server did not start: {failure}")
    except NotProven as failure:
        say(f"{failure}. The lines above say more.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
