"""Log the Python SDK's client in: the argument names a job, a JSON file that says where the result goes.

It calls a tool, takes its access token for expired, and calls again: it has to refresh by itself. No token leaves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from python_client import first_text, said

PATIENCE_SECONDS = 60.0
LONG_AGO = 1.0  # as the client counts seconds


class Memory:
    """What the client keeps, for as long as it runs."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@contextlib.asynccontextmanager
async def callback() -> AsyncIterator[tuple[str, asyncio.Future[str]]]:
    """Where a browser is sent back to, and the target of its first visit."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(request: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        head = await request.readuntil(b"\r\n\r\n")
        answer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        answer.close()
        if not came.done():
            came.set_result(head.split(b" ", 2)[1].decode())

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/callback", came


async def outcome(job: dict[str, Any]) -> dict[str, Any]:
    async with callback() as (redirect, came):

        async def opened(url: str) -> None:
            browser = await asyncio.create_subprocess_exec(os.environ["BROWSER"], url)
            if await browser.wait() != 0:
                raise RuntimeError("the browser did not come back")

        async def answered() -> AuthorizationCodeResult:
            found = dict(parse_qsl(urlsplit(await came).query))
            return AuthorizationCodeResult(code=found.get("code", ""), state=found.get("state"), iss=found.get("iss"))

        metadata = OAuthClientMetadata.model_validate(
            {"client_name": "interop", "redirect_uris": [redirect], "token_endpoint_auth_method": "none"}
        )
        login = OAuthClientProvider(job["url"], metadata, Memory(), opened, answered, job["document"])
        async with (
            httpx2.AsyncClient(auth=login, timeout=PATIENCE_SECONDS) as http_client,
            Client(streamable_http_client(job["url"], http_client=http_client), mode=job["mode"]) as client,
        ):
            first = first_text(await client.call_tool(**job["tool"]))
            login.context.token_expiry_time = LONG_AGO
            answer = first_text(await client.call_tool(**job["tool"]))
            return {"answer": answer if answer == first else f"{first}, and after a refresh {answer}"}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        result = asyncio.run(outcome(job))
    except Exception as error:  # noqa: BLE001 # a client that was not let in is a result, not a failure of this script
        result = {"error": said(error)}
    Path(job["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
