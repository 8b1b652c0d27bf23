"""A person's browser at the authorization server: its pages in a real Chromium, once with its own login and once with
oidc-provider behind it. The checks are in tests/interop/login_pages.mjs; servers listen on loopback only.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.issuers.oidc_provider import OidcProvider, running_oidc_provider
from clients.node import package_version
from clients.processes import INTEROP, ROOT, environment, finished, running
from clients.row import Row
from edges.processes import ChildFailed, free_port

sys.path.insert(0, str(ROOT / "functions/oauth_server"))

from authorization_server.key_rotation import open_place, rotate  # the folder has to be on the path first

SUITE = "login pages"
PICTURES = ROOT / "docs/oauth"
KEPT_PICTURES = ("consent", "consent-dark-phone", "consent-zh", "stale")
RESOURCE = "https://mcp.example.com/mcp"
SCOPES = "mcp:tools mcp:write"
KEY_AGE_SECONDS = 90 * 86400
START_SECONDS = 60.0
ALL_SECONDS = 400.0
CHECK_SECONDS = 20.0
# What the clean-up of old rows does in the end: a page that has waited for too long finds nothing.
EXPIRE = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
store.execute("DELETE FROM records WHERE kind = 'authorization'")
store.commit()
"""


class NoBrowser(RuntimeError):
    """There is no Chromium; the message says what to install."""


@dataclass(frozen=True)
class Server:
    """One authorization server, as FC starts it."""

    url: str
    store: Path


def chromium() -> str:
    """The browser to drive."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise NoBrowser("Chromium is missing: install it, on Debian the package `chromium`")


async def visit_of_chromium(node: str, home: Path, report: Callable[[Row], None], *, pictures: bool = False) -> None:
    """All checks, a row for each; `pictures` writes those of the documentation anew."""

    def tell(what: str, problem: str | None, seconds: float = 0.0) -> None:
        row = Row("fc", "oauth", SUITE, package_version("playwright-core"), what, "http", round(seconds, 1))
        row.problems += [problem] if problem else []
        report(row)

    try:
        async with contextlib.AsyncExitStack() as stack:
            passphrase = secrets.token_urlsafe(18)
            own = {"OAUTH_LOGIN": "local", "OAUTH_ALLOWED_USERS": "dev"}
            own["OAUTH_LOCAL_PASSPHRASE"] = f"file:{kept(home / 'passphrase', passphrase)}"
            port, other_port = free_port(), free_port()
            server = await stack.enter_async_context(running_server(home / "local", port, own))
            provider = await stack.enter_async_context(running_oidc_provider(node, home, (), ()))
            upstream = await login_at(provider, other_port, home)
            other = await stack.enter_async_context(running_server(home / "oidc", other_port, upstream))
            job = {
                "issuer": server.url,
                "provider": {"issuer": other.url, "origin": provider.url},
                "resource": RESOURCE,
                "chromium": chromium(),
                "passphrase": passphrase,
                "patience": int(CHECK_SECONDS * 1000),
                "expire": [sys.executable, "-c", EXPIRE, str(server.store)],
                "shots": tempfile.mkdtemp(dir=home) if pictures else None,
            }
            for row in await drive(node, home, job):
                tell(row["name"], row["problem"], row.get("seconds", 0.0))
            if pictures:
                keep_pictures(Path(str(job["shots"])))
            if passphrase in output_of(home):
                tell("output", "the servers' output shows the passphrase")
    except (NoBrowser, ChildFailed, OSError, ValueError) as error:
        tell("start", f"{type(error).__name__}: {error}")


async def login_at(provider: OidcProvider, port: int, home: Path) -> dict[str, str]:
    """Settings for people with a verified address at this provider, where our server is a client from now on."""
    client = await provider.register(
        redirect_uris=[f"http://127.0.0.1:{port}/authorize/callback"],
        application_type="native",
        token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the name of a method
    )
    return {
        "OAUTH_LOGIN": "oidc",
        "OAUTH_LOGIN_ISSUER": provider.url,
        "OAUTH_LOGIN_CLIENT_ID": client["client_id"],
        "OAUTH_LOGIN_CLIENT_SECRET": f"file:{kept(home / 'client-secret', client['client_secret'])}",
        "OAUTH_ALLOWED_DOMAINS": "example.com",
    }


@contextlib.asynccontextmanager
async def running_server(home: Path, port: int, login: Mapping[str, str]) -> AsyncIterator[Server]:
    """The deployed entry point, ready; its output is kept in `home`."""
    server, keys = Server(f"http://127.0.0.1:{port}", home / "store.sqlite"), prepared(home)
    function = ROOT / "functions/oauth_server"
    settings = {
        "OAUTH_ISSUER": server.url,
        "OAUTH_RESOURCES": RESOURCE,
        "OAUTH_STORE": f"sqlite:{server.store}",
        "OAUTH_SIGNING_KEYS": f"file:{keys}",
        "OAUTH_SCOPES": SCOPES,
        "FC_SERVER_PORT": str(port),
        "PYTHONPATH": str(function.parent),
        "MCP_LOG_LEVEL": "DEBUG",
        **login,
    }
    with (home / "server.log").open("w") as log:

        def heard(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()

        command = [sys.executable, "-m", "alibaba_fc"]
        async with running(command, environment(home, settings), heard, function) as child:
            await child.listens(port, seconds=START_SECONDS)
            yield server


async def drive(node: str, home: Path, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each check with what is wrong, None for nothing; and one that fails if the driver did not come to its end."""
    path = kept(home / "login-pages.json", json.dumps(job))
    done = await finished([node, str(INTEROP / "login_pages.mjs"), str(path)], environment(home), ALL_SECONDS)
    found = [json.loads(line) for line in done.lines if line.startswith('{"name"')]
    if done.code != 0 or not found:
        found.append({"name": "end", "problem": f"ended with {done.code}: {done.last_words}"})
    return found


def keep_pictures(folder: Path) -> None:
    """Those that the documentation shows."""
    PICTURES.mkdir(exist_ok=True)
    for name in KEPT_PICTURES:
        shutil.copy(folder / f"{name}.png", PICTURES)


def output_of(home: Path) -> str:
    """What the servers have printed."""
    return "".join(path.read_text() for path in home.glob("*/server.log"))


def prepared(home: Path) -> Path:
    """A folder for one server, with its signing keys: where these are."""
    home.mkdir()
    keys = home / "keys.json"
    rotate(open_place(f"file:{keys}", begin=True), KEY_AGE_SECONDS)
    return keys


def kept(path: Path, text: str) -> Path:
    """A file that only its owner can read."""
    path.touch(0o600)
    path.write_text(text)
    return path
