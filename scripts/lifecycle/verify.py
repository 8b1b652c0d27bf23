"""See from outside whether an endpoint refuses strangers and accepts a token, and name what is misconfigured.

Runs on Python alone. The token is read from stdin, is sent to this endpoint only, in the one header that it belongs in,
and is shown nowhere.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from lifecycle.environment import access
from lifecycle.errors import UsageError
from lifecycle.output import say, show
from lifecycle.replies import Reply, Send, sender
from lifecycle.urls import token_endpoint
from mcp_faas.tokens import has_our_shape, mint

TELLING_LENGTH = 12  # characters; anything shorter is found in many a text
WELL_KNOWN = "/.well-known/oauth-protected-resource"
CHALLENGE = "www-authenticate"
RENAMED_CHALLENGE = "x-amzn-remapped-www-authenticate"  # what AWS's front doors make of a function's own
CHATTER = re.compile(
    rb"Traceback \(most recent call last\)|File \"/|/var/task/|/code/[a-z]|botocore\.|uvicorn\.|0x[0-9a-f]{8,}"
)

LEAK = "repeats no token and shows no insides in a refusal"

# What a status that is neither a refusal nor an answer usually means at this kind of endpoint.
CAUSES = {
    None: "nothing answers: is the host right, is the function deployed, does a proxy stand between?",
    400: "the request itself is refused: headers over 8 KB on FC, or a body that a proxy changed",
    404: "the path is wrong: the endpoint is /mcp, on a stage or custom domain with its prefix before it",
    405: "the trigger or route does not allow POST: on FC its methods must hold GET, POST and DELETE",
    406: "the answer's type is not acceptable: a proxy may have changed the Accept header",
    421: "the server refuses its own host name: it was not told the public one, see MCP_PUBLIC_URL",
    429: "calls are throttled: reserved concurrency or a rate limit is used up",
    500: "the function or the authorizer fails: look at its log; a missing permission to call it does this, too",
    502: "the function's answer is not understood by the gateway: its headers may be over 8 KB, or it does not start",
    503: "the function does not start, or its door has no key set yet",
    504: "the function takes longer than the gateway waits",
}


@dataclass(frozen=True)
class Check:
    """One thing that should be true, and what was found."""

    id: str
    what: str
    result: Literal["pass", "fail", "skip"]
    got: str = ""
    advice: str = ""


def run_verify(arguments: argparse.Namespace) -> int:
    token_endpoint(arguments.url)
    token = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.readline(4096).strip()
    if token and not re.fullmatch(r"[A-Za-z0-9\-._~+/=]+", token):
        raise UsageError("the first line of stdin is no bearer token")
    checks = list(examine(sender(arguments.url, access().timeout), token))
    failed = [check for check in checks if check.result == "fail"]
    if arguments.json:
        show(json.dumps({"url": arguments.url, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        for check in checks:
            show(f"{check.result:4}  {check.what}{f' ({check.got})' if check.got else ''}")
            if check.advice:
                show(f"      {check.advice}")
    if failed:
        say(f"failed: {len(failed)} of {len(checks)} checks; the lines above say what to do")
    return 1 if failed else 0


def examine(send: Send, token: str) -> Iterator[Check]:
    """Every check, in an order in which the first failure explains the later ones."""
    stranger = send()
    if stranger.status is None:
        yield Check("reach", "answers", "fail", str(stranger), stranger.advice)
        yield from _not_made("there was no answer to look at")
        return
    if stranger.ok and not stranger.speaks_mcp:
        kind = stranger.headers.get("content-type", "").partition(";")[0] or "no type"
        advice = "no MCP server answers here: see the path (/mcp), the port, and whether a login page stands before it"
        yield Check("mcp", "answers in MCP", "fail", f"{stranger}, {kind}", advice)
        yield from _not_made("this is no MCP server, so it was sent no token")
        return
    yield _refusal("stranger", "refuses a caller without a token", stranger)
    made_up = _made_up()
    guess = send(authorization=f"Bearer {made_up}")
    yield _refusal("guess", "refuses a made-up token", guess, any_value=stranger.refused)
    # Made up, because a URL stands in logs. The doctor asks with a real one, which is for tokens made for that.
    in_query = send(query=f"access_token={made_up}")
    yield _refusal("query", "lets in no made-up token from the query", in_query, any_value=stranger.refused)
    replies = [stranger, guess, in_query]
    if token:
        known = send(authorization=f"Bearer {token}")
        yield _acceptance(known)
        if known.status == 200:
            yield _speaks_mcp(known)
        else:
            replies.append(known)
    else:
        yield Check("token", "accepts the token", "skip", advice="give it on the first line of stdin")
    yield _leaks(replies, made_up, token)
    yield from _discovery(send, stranger, token)


def _not_made(why: str) -> Iterator[Check]:
    yield Check("stranger", "refuses a caller without a token", "skip", why)
    yield Check("guess", "refuses a made-up token", "skip", why)
    yield Check("query", "lets in no made-up token from the query", "skip", why)
    yield Check("token", "accepts the token", "skip", why)
    yield Check("leak", LEAK, "skip", why)
    yield Check("discovery", "is consistent about OAuth metadata", "skip", why)


def _refusal(id_: str, what: str, reply: Reply, *, any_value: bool = False) -> Check:
    if reply.refused:
        return Check(id_, what, "pass", str(reply))
    if reply.ok and any_value:
        return Check(
            id_, what, "fail", str(reply), "ANY VALUE OPENS THE DOOR: whoever checks sees only that there is a "
            "credential and compares it with nothing, like an authorizer that always answers isAuthorized"
        )  # fmt: skip
    if reply.ok:
        return Check(
            id_, what, "fail", str(reply), "THE DOOR IS OPEN: on FC the trigger's authType is not bearer; on AWS the "
            "route has no authorizer; MCP_DOOR=platform trusts a gateway that does not check"
        )  # fmt: skip
    return Check(id_, what, "fail", str(reply), _cause(reply) or "it got past the door, or never reached it")


def _acceptance(reply: Reply) -> Check:
    what = "accepts the token"
    if reply.status == 200:
        return Check("token", what, "pass", str(reply))
    advice = _cause(reply)
    if reply.refused:
        advice = (
            "the token is not in the document of this door, is disabled, or is too new: gateways keep a refusal for a "
            "minute or more. `tokens.py list` shows names and fingerprints; a JWT may be for another audience"
        )
    return Check("token", what, "fail", str(reply), advice)


def _speaks_mcp(reply: Reply) -> Check:
    what = "answers in MCP"
    if reply.speaks_mcp:
        return Check("mcp", what, "pass")
    return Check("mcp", what, "fail", advice="something else than an MCP server answers: see the path and the port")


def _leaks(replies: list[Reply], made_up: str, token: str) -> Check:
    secrets = [each for each in (made_up, token) if len(each) >= TELLING_LENGTH]
    for reply in replies:
        seen = reply.body + "\n".join(f"{name}: {value}" for name, value in reply.headers.items()).encode()
        if any(secret.encode() in seen for secret in secrets):
            return Check("leak", LEAK, "fail", str(reply), "the answer repeats the token that was sent")
        if CHATTER.search(seen):
            return Check(
                "leak", LEAK, "fail", str(reply), "the answer shows a traceback or paths: log them, do not send them"
            )
    if any(reply.status is None for reply in replies):
        return Check("leak", LEAK, "skip", "not every answer came")
    if token and token not in secrets:
        return Check(
            "leak", LEAK, "skip", f"the token has fewer than {TELLING_LENGTH} characters, so any text may hold it"
        )
    return Check("leak", LEAK, "pass")


def _discovery(send: Send, stranger: Reply, token: str) -> Iterator[Check]:
    """A client that finds OAuth metadata drops its static header; one that needs it must find it."""
    metadata = send(method="GET", path=WELL_KNOWN)
    if metadata.status is None:
        yield Check("discovery", "is consistent about OAuth metadata", "skip", str(metadata), metadata.advice)
        return
    published = metadata.status == 200
    named = [name for name in (CHALLENGE, RENAMED_CHALLENGE) if "resource_metadata" in stranger.headers.get(name, "")]
    challenged = bool(named)
    if has_our_shape(token) and (published or challenged):
        yield Check(
            "discovery", "publishes no OAuth metadata beside static tokens", "fail", str(metadata),
            "clients that find it ignore the token they were given: set MCP_DOOR=platform or bearer, not jwt",
        )  # fmt: skip
    elif published != challenged and stranger.status == 401:
        yield Check(
            "discovery", "publishes OAuth metadata and names it in its challenge, or neither", "fail", str(metadata),
            "a gateway may strip or rename WWW-Authenticate, or answer before the function does",
        )  # fmt: skip
    else:
        # Renamed it is no failure: clients that miss the name look at the well-known path after any 401.
        seen = f"published, named in {named[0]}" if published and named else "published" if published else "none"
        yield Check("discovery", "is consistent about OAuth metadata", "pass", seen)
    if "attachment" in metadata.headers.get("content-disposition", "") + stranger.headers.get(
        "content-disposition", ""
    ):
        yield Check(
            "domain", "has a domain of its own", "skip", "content-disposition: attachment",
            "this is FC's default domain, which is for testing only: add a custom domain",
        )  # fmt: skip


def _cause(reply: Reply) -> str:
    if reply.status is None:
        return reply.advice
    if 300 <= reply.status < 400:
        return (
            "it redirects: write the URL as the server wants it (https, no slash at the end), or there is a login page"
        )
    return CAUSES.get(reply.status, "")


def _made_up() -> str:
    """A token of the right shape that cannot be anybody's."""
    from datetime import datetime, timezone

    return mint(datetime.now(timezone.utc)).data
