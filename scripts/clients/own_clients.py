"""The clients that log in at our own authorization server, and how each is driven. Judges nothing."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from clients.processes import INTEROP, ROOT
from clients.visits import Job, Outcome, Visit, driven, mcp_remote

sys.path.insert(0, str(ROOT / "functions/oauth_server"))

from authorization_server import access_tokens  # the folder has to be on the path first
from authorization_server.key_rotation import open_place

SDK_2, SDK_1 = "@modelcontextprotocol/client", "@modelcontextprotocol/sdk"
SDK_OF_2025_03_26 = "sdk-of-2025-03-26"  # it knows nothing of protected resource metadata, which came in 2025-06-18
AN_HOUR = 3600
# The clients that the operator has entered, beside their ids and secrets.
ENTERED: Mapping[str, Mapping[str, Any]] = {
    "machine": {"grant_types": ["client_credentials"]},
    "asker": {"grant_types": []},  # a resource server, which asks what a token is worth
}

# What the authorization server has to decide, in this order, and nothing else.
LOGIN = ("GET /authorize", "POST /authorize", "GET /authorize/login", "POST /authorize/login", "POST /token")
REGISTERED = ("POST /register", *LOGIN)
REFRESH = "POST /token"
EVERY_ENDPOINT = (
    *(*REGISTERED, REFRESH, "POST /introspect", "POST /revoke"),
    *("POST /token refused", "POST /introspect", "POST /introspect"),  # neither token is worth anything now
    "POST /token",  # of a machine
)
OWN_METADATA = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True)
class Given:
    """What the server was started with, as far as a client has to know it."""

    keys: Path  # that the server signs with
    passphrase: Path  # of the person who logs in
    secrets: Mapping[str, str] = field(repr=False)  # of the clients that its operator has entered


@dataclass(frozen=True)
class Login:
    """One client on one way in."""

    client: str
    package: str
    era: str
    steps: tuple[str, ...]
    drive: Callable[[Login, Job, Given], Awaitable[Outcome]]
    by_document: bool = False
    expires: bool = False  # the MCP server refuses its first token in the end
    discovered: tuple[str, ...] = ()  # what it has to look for, and nothing else; empty for whatever it likes


async def python(_login: Login, job: Job, _given: Given) -> Outcome:
    """It calls twice, and takes its token for expired in between."""
    return await driven(job, [sys.executable, str(INTEROP / "python_login.py")], {"mode": "auto"})


async def typescript(login: Login, job: Job, given: Given) -> Outcome:
    store = Path(job.write("store.json", "{}"))
    told = {"package": login.package, "store": str(store)}

    async def run(job: Job) -> Outcome:
        may = {"login": job.browser is not None}
        return await driven(job, [job.node, str(INTEROP / "typescript_login.mjs")], told | may)

    return await started_again(run, job, store.name, given)


async def remote(login: Login, job: Job, given: Given) -> Outcome:
    visit = Visit(login.client, login.package, login.era, login.era != "legacy", mcp_remote)
    return await started_again(partial(mcp_remote, visit), job, "*_tokens.json", given)


async def started_again(run: Callable[[Job], Awaitable[Outcome]], job: Job, store: str, given: Given) -> Outcome:
    """A client logs in and calls. Then it is started once more, an hour later as far as its access token goes.

    `store` is the name of the file in which it keeps its tokens.
    """
    first = await run(job)
    if first.answer is None:
        return first
    (kept,) = job.home.rglob(store)
    make_old(kept, given.keys)
    (job.home / "result.json").unlink()
    return await run(replace(job, browser=None))


def make_old(store: Path, keys: Path) -> None:
    """Age the access token in a client's own file."""
    kept = json.loads(store.read_text())
    tokens = kept.get("tokens", kept)
    tokens["access_token"] = aged(tokens["access_token"], keys)
    store.write_text(json.dumps(kept))


def aged(token: str, keys: Path) -> str:
    """The same access token as if it had been issued an hour ago, and so expired: by the server's own key."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    signer = open_place(f"file:{keys}").read().document.signer(int(time.time()))
    if signer is None:
        raise ValueError("the server has no key to sign with")
    return access_tokens.mint(
        signer,
        issuer=claims["iss"],
        audience=claims["aud"],
        subject=claims["sub"],
        client_id=claims["client_id"],
        scopes=claims.get("scope", "").split(),
        now=claims["iat"] - AN_HOUR,
        expires_at=claims["exp"] - AN_HOUR,
        auth_time=claims["auth_time"] - AN_HOUR,
        grant=claims[access_tokens.GRANT_CLAIM],
    )


async def library(_login: Login, job: Job, given: Given) -> Outcome:
    """An OAuth client without MCP: every endpoint, each answer judged by the library."""
    return await driven(job, [job.node, str(INTEROP / "oauth_client.mjs")], {"secrets": given.secrets})


LOGINS = (
    Login("mcp-remote", "mcp-remote", "legacy", (*REGISTERED, REFRESH), remote, expires=True),
    Login("mcp-remote", "mcp-remote", "auto", (*LOGIN, REFRESH), remote, by_document=True, expires=True),
    Login("Python", "mcp", "document", (*LOGIN, REFRESH), python, by_document=True),
    Login("TypeScript 1", SDK_1, "document", (*LOGIN, REFRESH), typescript, by_document=True, expires=True),
    Login("TypeScript 2", SDK_2, "registered", (*REGISTERED, REFRESH), typescript, expires=True),
    Login(
        *("TypeScript 1", SDK_OF_2025_03_26, "2025-03-26", (*REGISTERED, REFRESH), typescript),
        expires=True,
        discovered=(f"{OWN_METADATA} 200",),
    ),
    Login("oauth4webapi", "oauth4webapi", "all endpoints", EVERY_ENDPOINT, library),
)
