"""A client of an MCP function and its authorization server, both in this process, with the environments of a deploy.

It asks for what the Python SDK's client would ask for: what the function's challenge or its metadata names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask.testing import FlaskClient
from mcp.client.auth.utils import extract_scope_from_www_auth, get_client_metadata_scopes
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from werkzeug.test import TestResponse

from authorization_server.logins import Attempt
from authorization_server.people import Person
from authorization_server.signing_keys import KeyDocument, mint
from authorizing.world import World
from support.gate import WELL_KNOWN, client, post

TOOLS = {"add": {"a": 1, "b": 2}, "countdown": {"seconds": 0}}  # the second one needs a scope


class Provider:
    """One that lets everybody in as `dev`."""

    asks_here = False

    def begin(self, attempt: Attempt) -> str:
        return f"{attempt.callback}?{urlencode({'state': attempt.state})}"

    def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Person:
        return Person(subject="dev", name="dev", login="dev")


class Deployed(World):
    """A server whose provider asks nobody for a password."""

    def log_in(self, browser: FlaskClient, location: str, *_: Any, **__: Any) -> TestResponse:
        return browser.get(location)


@dataclass(frozen=True)
class Went:
    """What the client has asked for and got, and the status of a call of each tool."""

    asked: str | None
    granted: str
    statuses: Mapping[str, int]


async def log_in_and_call(function: Mapping[str, str], server: Mapping[str, str], folder: Path) -> Went:
    """`function` and `server` are the environments. Who logs in is on a list."""
    unset = {"OAUTH_SCOPES": "", "MCP_SCOPES": ""}
    world = Deployed(folder, login=Provider(), changes={**unset, **server, "OAUTH_ALLOWED_USERS": "dev"})
    world.now = time.time()
    world.key_document = KeyDocument((mint(int(world.now) - 86400),))
    browser = world.browser()
    keys = {"MCP_JWT_JWKS": browser.get("/jwks.json").text}
    async with client({**function, **keys}) as http:
        told = ProtectedResourceMetadata.model_validate_json((await http.get(WELL_KNOWN + "/mcp")).content)
        challenge = await post(http, "tools/list")
        metadata = OAuthMetadata.model_validate_json(browser.get("/.well-known/oauth-authorization-server").text)
        asked = get_client_metadata_scopes(extract_scope_from_www_auth(challenge), told, metadata, ["refresh_token"])
        tokens = world.tokens(scope=asked)
        opened = {"authorization": f"Bearer {tokens['access_token']}"}
        statuses = {}
        for name, arguments in TOOLS.items():
            answer = await post(http, "tools/call", {"name": name, "arguments": arguments}, **opened)
            statuses[name] = answer.status_code
            assert answer.status_code != 200 or not json.loads(answer.text)["result"].get("isError"), answer.text
    world.storage.close()
    return Went(asked, tokens["scope"], statuses)
