"""The official SDK as it comes, behind no door and behind its own: what a user's existing server is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.types import ASGIApp, Receive, Scope, Send

from diagnosis.endpoint import Endpoint
from diagnosis.examination import examine
from diagnosis.wire import Wire
from edges.processes import free_port
from edges.serving import Server, running
from flawed.correct import ORIGIN, TOKEN

SAFE = TransportSecuritySettings(enable_dns_rebinding_protection=True, allowed_hosts=["127.0.0.1:*"])


class OneToken:
    async def verify_token(self, token: str) -> AccessToken | None:
        return AccessToken(token=token, client_id="c", scopes=["mcp:tools"]) if token == TOKEN else None


class Peer:
    """An SDK's app with its lifespan, entered and left in one task as it wants it."""

    def __init__(self, *, locked: bool) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/mcp"
        settings = AuthSettings(
            issuer_url=AnyHttpUrl(f"http://127.0.0.1:{port}"),
            resource_server_url=AnyHttpUrl(self.url),
            required_scopes=["mcp:tools"],
            validate_token_resource=False,
        )
        server = MCPServer("peer", auth=settings, token_verifier=OneToken()) if locked else MCPServer("peer")
        app = server.streamable_http_app(stateless_http=True, json_response=True, transport_security=SAFE)
        self._app: ASGIApp = app
        self._lifespan = app.router.lifespan_context(app)
        self._server = Server(self._answer, port=port)
        self._life: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    @property
    def port(self) -> int:
        return self._server.port

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def start(self) -> None:
        begun = asyncio.Event()

        async def live() -> None:
            async with self._lifespan:
                begun.set()
                await self._over.wait()

        self._life = asyncio.create_task(live())
        await begun.wait()
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()
        self._over.set()
        if self._life is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._life


@pytest.fixture
def locked() -> Iterator[Peer]:
    with running(Peer(locked=True)) as peer:
        yield peer


def failed(url: str, token: str = "") -> set[str]:
    endpoint = Endpoint(url, Wire(urlsplit(url), timeout=3, whole=100), token, ORIGIN)
    return {check.id for check in examine(endpoint) if check.result == "fail"}


def test_the_sdk_behind_its_own_door(locked: Peer) -> None:
    assert failed(locked.url, TOKEN) == {
        "challenge.no-error",
        "metadata.root-form",
        "issuer.metadata",  # none is there in this test
        "http.redirect",
        "http.location",
        "cors.preflight",
        "cors.exposed",
        "holder.twice",
        "holder.get",
    }


def test_the_sdk_behind_no_door() -> None:
    with running(Peer(locked=False)) as peer:
        assert failed(peer.url) >= {"door.closed", "door.status", "door.ends", "http.redirect"}
