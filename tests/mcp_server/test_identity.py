"""Who calls, as the user's functions see it through the SDK's `get_access_token()`: every front, door and era.

Async and plain functions, tools, resources and prompts; through FC's web function, FC's event and AWS's event.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

from aws.mcp_events import event as aws_event
from mcp_faas import server as server_module
from mcp_faas.auth.scopes import Scopes
from mcp_faas.call import Call
from mcp_faas.platforms import aws, fc
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.gate import JWT, TOKEN, client, good_token
from support.jwts import ISSUER, RESOURCE
from support.vendor_tokens import LEGITIMATE, Legitimate, environment, signed

FC_EVENT = json.loads((Path(__file__).resolve().parents[1] / "events/fc/http_trigger.json").read_text(encoding="utf-8"))
Ask = Callable[[str, dict[str, Any], str, dict[str, str]], "tuple[int, str]"]
SCOPES = "mcp:tools mcp:notes:read"


def probe() -> MCPServer[Any]:
    """A user's server whose every function answers with what it knows about its caller."""
    server = MCPServer("probe")

    def seen() -> dict[str, Any]:
        access = get_access_token()
        return {} if access is None else access.model_dump()

    @server.tool()
    async def async_tool() -> dict[str, Any]:
        await asyncio.sleep(0)
        return seen()

    @server.tool()
    def plain_tool() -> dict[str, Any]:
        return seen()

    @server.tool()
    async def tool_with_a_task() -> dict[str, Any]:
        return await asyncio.create_task(asyncio.to_thread(seen))

    @server.resource("who://async")
    async def async_resource() -> str:
        return json.dumps(seen())

    @server.resource("who://plain")
    def plain_resource() -> str:
        return json.dumps(seen())

    @server.resource("who://template/{name}")
    def template(name: str) -> str:
        return json.dumps(seen())

    @server.prompt()
    async def async_prompt() -> str:
        return json.dumps(seen())

    @server.prompt()
    def plain_prompt() -> str:
        return json.dumps(seen())

    return server


FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: ("tools/call", mcp.call(name)) for name in ("async_tool", "plain_tool", "tool_with_a_task")},
    **{uri: ("resources/read", {"uri": uri}) for uri in ("who://async", "who://plain", "who://template/x")},
    **{name: ("prompts/get", {"name": name}) for name in ("async_prompt", "plain_prompt")},
}


def told(body: str) -> dict[str, Any]:
    """What the function said, out of the answer of its kind."""
    result = json.loads(body)["result"]
    if "structuredContent" in result:
        found: dict[str, Any] = result["structuredContent"]
    elif "contents" in result:
        found = json.loads(result["contents"][0]["text"])
    else:
        found = json.loads(result["messages"][0]["content"]["text"])
    return found


def over_the_web(environ: dict[str, str]) -> Ask:
    """FC's web function: the app itself."""

    async def ask(method: str, params: dict[str, Any], era: str, headers: dict[str, str]) -> tuple[int, str]:
        async with client(environ, Call(request_id="r", public_url=RESOURCE)) as http:
            sent = {**mcp.headers(method, params, era=era), **headers}
            answer = await http.post("/mcp", content=mcp.message(method, params, era=era), headers=sent)
            return answer.status_code, answer.text

    return lambda *question: asyncio.run(ask(*question))


def by_aws_event(instance: Instance) -> Ask:
    handler = aws.handler_for(instance, RESOURCE)
    context = types.SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 9000)

    def ask(method: str, params: dict[str, Any], era: str, headers: dict[str, str]) -> tuple[int, str]:
        sent = {**mcp.headers(method, params, era=era), **headers}
        caller = sent.pop("gateway-says", None)
        made = aws_event("http-api", headers=sent, body=mcp.message(method, params, era=era).decode(), caller=caller)
        answer = handler(made, context)
        return int(answer["statusCode"]), str(answer["body"])

    return ask


def by_fc_event(instance: Instance) -> Ask:
    handler = fc.handler_for(instance, RESOURCE, 9.0)

    def ask(method: str, params: dict[str, Any], era: str, headers: dict[str, str]) -> tuple[int, str]:
        made = json.loads(json.dumps(FC_EVENT))
        made["rawPath"] = made["requestContext"]["http"]["path"] = "/mcp"
        made["requestContext"]["http"]["method"] = "POST"
        sent = {**mcp.headers(method, params, era=era), **headers}
        made["headers"] = {name.title(): value for name, value in sent.items()}
        made["body"] = base64.b64encode(mcp.message(method, params, era=era)).decode()
        made["isBase64Encoded"] = True
        answer = handler(json.dumps(made).encode(), types.SimpleNamespace(request_id="fc-1"))
        return int(answer["statusCode"]), str(answer["body"])

    return ask


FRONTS = ("web", "aws", "fc")
DOORS = ("jwt", "bearer", "platform")


@pytest.fixture(scope="module")
def environs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    document = tmp_path_factory.mktemp("identity") / "tokens.json"
    entries = [{"tokenName": "printer", "enable": True, "tokenData": TOKEN}]
    document.write_text(json.dumps({"tokens": entries}))
    return {
        "jwt": JWT,
        "bearer": {"MCP_DOOR": "bearer", "MCP_TOKENS": f"file:{document}", "MCP_TOKEN_SCOPES": SCOPES},
        "platform": {"MCP_DOOR": "platform", "MCP_TOKEN_SCOPES": SCOPES},
    }


@pytest.fixture(scope="module")
def asks(environs: dict[str, dict[str, str]]) -> Iterator[dict[tuple[str, str], Ask]]:
    """Each front with each door, warm from the first question to the last."""
    server = probe()
    made: list[Instance] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
        found: dict[tuple[str, str], Ask] = {}
        for door, environ in environs.items():
            found["web", door] = over_the_web(environ)
            for front, maker in (("aws", by_aws_event), ("fc", by_fc_event)):
                made.append(Instance(build_app(read_settings(environ), streaming=False)))
                found[front, door] = maker(made[-1])
        yield found
    for instance in made:
        instance.stop()


def opened(front: str, door: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers that open a door, and what the SDK must then say of the caller."""
    known: dict[str, Any] = {
        "token": "",
        "scopes": sorted(SCOPES.split()),
        "resource": RESOURCE,
        "expires_at": None,
        "claims": {},
    }
    if door == "jwt":
        now = int(time.time())
        claims = {"iat": now, "exp": now + 600, "department": "R&D", "groups": ["a", "b"]}
        full = {"iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "client-1", "jti": "id-1", "scope": SCOPES}
        who = {"subject": "alice", "client_id": "client-1", "expires_at": now + 600, "claims": {**full, **claims}}
        return {"authorization": f"Bearer {good_token(**claims)}"}, {**known, **who}
    if door == "bearer":
        return {"authorization": f"Bearer {TOKEN}"}, {**known, "subject": "printer", "client_id": "printer"}
    if front == "aws":
        return {"gateway-says": "printer"}, {**known, "subject": "printer", "client_id": "printer"}
    # FC's gateway checks and tells no name.
    return {}, {**known, "subject": None, "client_id": "platform"}


@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("front", FRONTS)
def test_every_function_learns_who_calls(front: str, door: str, era: str, asks: dict[tuple[str, str], Ask]) -> None:
    headers, expected = opened(front, door)
    for name, (method, params) in FUNCTIONS.items():
        status, body = asks[front, door](method, params, era, headers)
        assert (status, told(body)) == (200, expected), name


@pytest.mark.parametrize("era", [mcp.MODERN, mcp.LEGACY[0]])
@pytest.mark.parametrize("front", FRONTS)
def test_next_caller_is_himself_and_a_stranger_nobody(front: str, era: str, asks: dict[tuple[str, str], Ask]) -> None:
    ask = asks[front, "jwt"]
    for subject in ("alice", "bob", "alice"):
        for name in ("async_tool", "plain_tool"):
            opens = {"authorization": f"Bearer {good_token(sub=subject)}"}
            status, body = ask("tools/call", mcp.call(name), era, opens)
            assert (status, told(body)["subject"]) == (200, subject)
            assert ask("tools/call", mcp.call(name), era, {})[0] == 401
    assert get_access_token() is None


def first_of_each_profile() -> list[Legitimate]:
    return list({case.profile: case for case in reversed(LEGITIMATE)}.values())


@pytest.mark.parametrize("case", first_of_each_profile(), ids=lambda case: case.profile)
def test_tool_learns_the_principal_of_every_issuer_profile(case: Legitimate, monkeypatch: pytest.MonkeyPatch) -> None:
    server = probe()
    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    environ = {name: value for name, value in environment(case).items() if name != "MCP_SCOPES"}
    opens = {"authorization": f"Bearer {signed(case, time.time())}"}
    status, body = over_the_web(environ)("tools/call", mcp.call("plain_tool"), mcp.MODERN, opens)
    who = told(body)
    assert status == 200
    assert (who["subject"], who["client_id"]) == (case.principal.subject, case.principal.client)
    assert who["scopes"] == sorted(case.principal.scopes)
    assert set(who["claims"]) == set(case.claims)
