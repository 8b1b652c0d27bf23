"""Our server in door jwt, trusting an issuer of somebody else's, and a token shown to it. Knows no issuer by name."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from clients.header_proxy import HeaderProxy
from clients.issuers.cases import Heard
from clients.processes import environment
from edges.aws import AwsEdge
from local.doors import Cloud, Place, function_environment, make_edge

PATIENCE_SECONDS = 60.0
ACCEPT = "application/json, text/event-stream"
CHALLENGE_HEADERS = ("www-authenticate", "x-amzn-remapped-www-authenticate")  # both AWS fronts rename it
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}


@dataclass(frozen=True)
class TrustingServer:
    """A running server as a caller sees it, and what it says about its callers."""

    proxy: HeaderProxy
    audited: asyncio.Queue[dict[str, Any]] = field(repr=False)

    @property
    def url(self) -> str:
        return public_url(self.proxy)

    @property
    def metadata(self) -> str:
        """Where RFC 9728 §3.1 puts the metadata of this resource."""
        return f"{self.proxy.origin}/.well-known/oauth-protected-resource/mcp"

    async def shown(self, token: str) -> Heard:
        """Call a tool with this token; what came back, and the line that the function wrote about it."""
        while not self.audited.empty():
            self.audited.get_nowait()
        headers = {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            answer = await client.post(self.url, json=CALL, headers=headers)
        line = await asyncio.wait_for(self.audited.get(), PATIENCE_SECONDS)
        if answer.status_code == 200:
            return Heard(200, line["reason"])
        challenge = next((answer.headers[name] for name in CHALLENGE_HEADERS if name in answer.headers), "")
        body = answer.json()
        return Heard(
            answer.status_code,
            line["reason"],
            (parameter("error", challenge), body.get("error")),
            (parameter("resource_metadata", challenge), body.get("resource_metadata")),
        )


def parameter(name: str, challenge: str) -> str | None:
    found = re.search(rf'\b{name}="([^"]*)"', challenge)
    return found.group(1) if found else None


def public_url(proxy: HeaderProxy) -> str:
    return f"{proxy.origin}/mcp"


@contextlib.asynccontextmanager
async def trusting_server(
    cloud: Cloud, proxy: HeaderProxy, home: Path, settings: Mapping[str, str]
) -> AsyncIterator[TrustingServer]:
    """The deployed entry point behind the cloud's stand-in, with these settings, called through the proxy."""
    state_key = home / "state-key"
    state_key.touch(0o600)
    state_key.write_text(secrets.token_urlsafe(48))
    audited: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    place = Place(cloud, "jwt", "function-url", 0, 0, 0, lasting=False)
    told = {
        **function_environment(environment(home), place, state_key),
        "MCP_PUBLIC_URL": public_url(proxy),
        **settings,
    }
    with (home / "function.log").open("a") as log:

        def heard(line: str) -> None:
            log.write(f"{line}\n")
            log.flush()
            if '"audit"' in line:
                audited.put_nowait(json.loads(line[line.index("{") :]))

        edge = make_edge(place, None, told, heard)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(edge.stop)
            await edge.start()
            if isinstance(edge, AwsEdge):
                await edge.warm()
            proxy.target_port = edge.port
            yield TrustingServer(proxy, audited)
