"""The Inspector's web page in a real Chromium at door oauth: it knows the URL alone, and a person does the rest.

What is done on the page is in tests/interop/inspector_page.mjs; the Inspector's own server listens on loopback only.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from clients.login_pages import NoBrowser, chromium
from clients.node import MODULES
from clients.own_clients import LOGIN, REFRESH, REGISTERED, Given, Login, aged
from clients.processes import INTEROP, environment, running
from clients.visits import Job, Outcome, driven
from edges.processes import ChildFailed, free_port

PACKAGE = "@modelcontextprotocol/inspector"
LAUNCHER = MODULES / PACKAGE / "clients/launcher/build/index.js"
START_SECONDS = 60.0
STEP_SECONDS = 30.0


@dataclass(frozen=True)
class Inspector:
    """The Inspector's own server."""

    origin: str
    token: str = field(repr=False)

    @property
    def page(self) -> str:
        return f"{self.origin}/?MCP_INSPECTOR_API_TOKEN={self.token}"

    async def age(self, keys: Path) -> None:
        """An hour later, as far as the access tokens go that it keeps."""
        headers = {"x-mcp-remote-auth": f"Bearer {self.token}"}
        async with httpx2.AsyncClient(trust_env=False, timeout=STEP_SECONDS, headers=headers) as client:
            kept = (await client.get(f"{self.origin}/api/storage/oauth")).raise_for_status().json()
            for server in kept["servers"].values():
                for issuer in server["byIssuer"].values():
                    issuer["tokens"]["access_token"] = aged(issuer["tokens"]["access_token"], keys)
            (await client.post(f"{self.origin}/api/storage/oauth", json=kept)).raise_for_status()


async def drive(login: Login, job: Job, given: Given) -> Outcome:
    """It logs in, lists and calls; opened again an hour later it refreshes, calls again and forgets what it has."""
    command = [job.node, str(INTEROP / "inspector_page.mjs")]
    sees = "interop" if login.by_document else "MCP Inspector"
    person = {"name": "dev", "passphrase": str(given.passphrase), "sees": sees}
    try:
        async with running_inspector(job) as inspector:
            told = {"inspector": inspector.page, "chromium": chromium(), "step": STEP_SECONDS}
            first = await driven(job, command, {**told, "person": person})
            if first.error is not None:
                return first
            await inspector.age(given.keys)
            (job.home / "result.json").unlink()
            return await driven(job, command, told)
    except (ChildFailed, NoBrowser, httpx2.HTTPError, KeyError) as error:
        return Outcome(error=f"{type(error).__name__}: {error}")


@contextlib.asynccontextmanager
async def running_inspector(job: Job) -> AsyncIterator[Inspector]:
    """The Inspector as a person starts it who has read that it takes a URL; what it prints is not kept."""
    storage, port, token = job.home / "storage", free_port(), secrets.token_urlsafe()
    storage.mkdir()
    if job.document is not None:
        document = {"cimd": {"enabled": True, "clientMetadataUrl": job.document}}
        (storage / "client.json").write_text(json.dumps(document))
    settings = {
        "HOST": "127.0.0.1",
        "CLIENT_PORT": str(port),
        "MCP_SANDBOX_PORT": "0",
        "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_API_TOKEN": token,
        "MCP_INSPECTOR_SECRET_STORE": "memory",
        "MCP_STORAGE_DIR": str(storage),
    }
    era = "legacy" if job.document is None else "modern"
    command = [job.node, str(LAUNCHER), "--web", "--transport", "http", "--server-url", job.url, "--protocol-era", era]
    async with running(command, environment(job.home, settings), lambda _line: None, job.home) as child:
        await child.listens(port, seconds=START_SECONDS)
        yield Inspector(f"http://127.0.0.1:{port}", token)


LOGINS = (
    Login("Inspector page", PACKAGE, "registered", (*REGISTERED, REFRESH), drive, expires=True),
    Login("Inspector page", PACKAGE, "document", (*LOGIN, REFRESH), drive, by_document=True, expires=True),
)
