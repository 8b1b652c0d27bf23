"""Prove that an endpoint answers, lets its token in and keeps strangers out. Prints nothing and keeps nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2

REFUSED = (401, 403)
PATIENCE_SECONDS = 60.0  # an answer may have to wait for a cold start
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "make-run", "version": "1"},
    },
}
ACCEPT = "application/json, text/event-stream"


class NotProven(RuntimeError):
    """The endpoint does not do what its door promises; the message says what it did."""


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS)


async def declared_scopes(url: str) -> list[str]:
    """What the endpoint's own metadata (RFC 9728) says that tokens can be for; only door jwt has any."""
    parts = urlsplit(url)
    async with _client() as client:
        answer = await client.get(f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}")
    if answer.status_code != 200:
        raise NotProven(f"the metadata of {url} answered {answer.status_code} instead of 200")
    metadata: dict[str, Any] = answer.json()
    scopes: list[str] = metadata.get("scopes_supported", [])
    return scopes


async def prove(url: str, token: str) -> None:
    """Return when the endpoint serves the holder of the token and refuses everybody else."""
    async with _client() as client:

        async def status(**headers: str) -> int:
            answer = await client.post(url, json=INITIALIZE, headers={"Accept": ACCEPT, **headers})
            return int(answer.status_code)

        stranger = await status()
        if stranger not in REFUSED:
            raise NotProven(f"{url} answered {stranger} to a caller without a token, who had to be refused")
        holder = await status(Authorization=f"Bearer {token}")
    if holder != 200:
        raise NotProven(f"{url} answered {holder} to the holder of its token, who had to be served")
