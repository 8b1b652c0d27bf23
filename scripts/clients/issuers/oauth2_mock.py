"""oauth2-mock-server as the issuer: it signs whatever claims it is asked for. Judges nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from clients.issuers.process import NoIssuer, ready
from clients.processes import INTEROP

PACKAGE = "oauth2-mock-server"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
PATIENCE_SECONDS = 60.0

Edit = Mapping[str, Mapping[str, Any]]  # header and payload: what to set in them, None takes it away


@dataclass(frozen=True)
class OAuth2Mock:
    """A running mock; its keys sign in turn."""

    url: str

    async def token(self, edit: Edit) -> str:
        asked = {"grant_type": "client_credentials", "edit": edit}
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            answer = await client.post(f"{self.url}/token", json=asked)
        if answer.status_code != 200:
            raise NoIssuer(f"{PACKAGE} answered {answer.status_code}: {answer.text[:200]}")
        return str(answer.json()["access_token"])


@contextlib.asynccontextmanager
async def running_oauth2_mock(node: str, home: Path) -> AsyncIterator[OAuth2Mock]:
    async with ready(PACKAGE, [node, str(INTEROP / "oauth2_mock.mjs"), *ALGORITHMS], home) as url:
        yield OAuth2Mock(url)
