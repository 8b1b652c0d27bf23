"""oidc-provider as the authorization server: tokens for machines, logins of people, new keys. Judges nothing."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from clients.header_proxy import Exchange, HeaderProxy, running_proxy
from clients.issuers.browser import walk
from clients.issuers.process import NoIssuer, ready
from clients.processes import INTEROP

PACKAGE = "oidc-provider"
PATIENCE_SECONDS = 60.0
REDIRECT = "http://127.0.0.1/callback"  # nobody listens: the walk ends before it


@dataclass(frozen=True)
class OidcProvider:
    """A running provider; `url` is its issuer, and `wire` what all its callers did."""

    proxy: HeaderProxy
    machine: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return self.proxy.origin

    @property
    def wire(self) -> Sequence[Exchange]:
        return self.proxy.exchanges

    async def machine_token(self, **asked: str) -> str:
        """An access token by client credentials; `resource` and `scope` as they are given."""
        answer = await self._post("/token", {"grant_type": "client_credentials", **self.machine, **asked})
        return str(answer["access_token"])

    async def register(self, **metadata: Any) -> dict[str, Any]:
        """A client's registration (RFC 7591)."""
        return await self._post("/reg", json.dumps(metadata))

    async def login(self, *, resource: str, scope: str) -> dict[str, str]:
        """What a client of a person gets: registered, authorized with PKCE, consented to."""
        registration: dict[str, Any] = {
            "redirect_uris": [REDIRECT],
            "application_type": "native",
            "token_endpoint_auth_method": "none",
        }
        client_id = (await self.register(**registration))["client_id"]
        verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": scope,
            "resource": resource,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        back = parse_qs(urlsplit(await walk(f"{self.url}/auth?{urlencode(asked)}", until=REDIRECT)).query)
        if back.get("state") != [state] or "code" not in back:
            raise NoIssuer(f"{PACKAGE} sent no code back: {back.get('error_description')}")
        redeemed = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": back["code"][0],
            "code_verifier": verifier,
            "redirect_uri": REDIRECT,
            "resource": resource,
        }
        return await self._post("/token", redeemed)

    async def rotate(self) -> None:
        """A new key signs from now on; the old one stays in the set."""
        await self._post("/rotate", "")

    async def _post(self, path: str, body: str | Mapping[str, str]) -> dict[str, Any]:
        sent: dict[str, Any] = {"data": body}
        if isinstance(body, str):
            sent = {"content": body, "headers": {"Content-Type": "application/json"}}
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            answer = await client.post(self.url + path, **sent)
        if not answer.is_success:
            raise NoIssuer(f"{PACKAGE} answered {answer.status_code} to POST {path}: {answer.text[:200]}")
        return dict(answer.json()) if answer.content else {}


@contextlib.asynccontextmanager
async def running_oidc_provider(
    node: str, home: Path, resources: Sequence[str], scopes: Sequence[str]
) -> AsyncIterator[OidcProvider]:
    """A provider that knows these resources and scopes, and one machine."""
    machine = {"client_id": "machine", "client_secret": secrets.token_urlsafe(32)}
    async with running_proxy() as proxy:
        job = home / "oidc-provider.json"
        job.touch(0o600)
        told = {"issuer": proxy.origin, "resources": resources, "scopes": scopes, "machine": machine}
        job.write_text(json.dumps(told))
        async with ready(PACKAGE, [node, str(INTEROP / "oidc_provider.mjs"), str(job)], home) as port:
            proxy.target_port = int(port)
            yield OidcProvider(proxy, machine)
