"""The whole app behind a door as the entry points make it, and a client of it that needs no socket."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2

import tools
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.jwts import ISSUER, RESOURCE, jwk, key_set, rsa_key, token

TOKEN = "mcpt-" + "a" * 43 + "-000000"
ORIGIN = "https://app.example.com"
METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
JWT = {
    "MCP_DOOR": "jwt",
    "MCP_JWT_ISSUER": ISSUER,
    "MCP_JWT_JWKS": key_set(jwk(rsa_key())).decode(),
    "MCP_PUBLIC_URL": RESOURCE,
}
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def good_token(**claims: Any) -> str:
    now = int(time.time())
    return token(claims={"iat": now, "exp": now + 600, **claims})


@contextlib.asynccontextmanager
async def client(environ: dict[str, str], call: Call | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the app that these settings make; `call` is what the platform would tell."""
    before = list(tools.server.middleware)  # the demo server is one object per process; leave it as it was
    gate, app = build_app(read_settings({"MCP_ALLOWED_ORIGINS": ORIGIN, **environ}), streaming=True)()
    call = call or Call(request_id="r-1", public_url=environ.get("MCP_PUBLIC_URL"))

    async def with_call(scope: Any, receive: Any, send: Any) -> None:
        await gate({**scope, SCOPE_KEY: call}, receive, send)

    transport = httpx2.ASGITransport(app=with_call)
    http = httpx2.AsyncClient(transport=transport, base_url="http://any.host.example")
    try:
        async with app.router.lifespan_context(app), http:
            yield http
    finally:
        tools.server.middleware[:] = before


async def post(
    http: httpx2.AsyncClient,
    method: str,
    params: dict[str, Any] | None = None,
    *,
    era: str = mcp.LEGACY[0],
    **extra: str,
) -> httpx2.Response:
    sent = {**mcp.headers(method, params, era=era), **{name.replace("_", "-"): value for name, value in extra.items()}}
    return await http.post("/mcp", content=mcp.message(method, params, era=era), headers=sent)


def doors(tmp_path: Any) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Each door's settings, and the headers that open it."""
    document = tmp_path / "tokens.json"
    entries = [{"tokenName": "t1", "enable": True, "tokenData": TOKEN}]
    document.write_text(json.dumps({"tokens": entries}))
    return {
        "platform": ({"MCP_DOOR": "platform"}, {}),
        "bearer": ({"MCP_DOOR": "bearer", "MCP_TOKENS": f"file:{document}"}, {"authorization": f"Bearer {TOKEN}"}),
        "jwt": (JWT, {"authorization": f"Bearer {good_token()}"}),
    }


DOORS = ("platform", "bearer", "jwt")
