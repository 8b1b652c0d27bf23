"""The artifact for FC's web function: built, unpacked from its zip, and started by its own bootstrap."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client

from support import mcp
from support.jwts import ISSUER, RESOURCE, jwk, key_set, rsa_key, token
from support.web_function import running

pytestmark = [pytest.mark.artifact, pytest.mark.timeout(600)]

JWT = {
    "MCP_DOOR": "jwt",
    "MCP_JWT_ISSUER": ISSUER,
    "MCP_JWT_JWKS": key_set(jwk(rsa_key())).decode(),
    "MCP_PUBLIC_URL": RESOURCE,
    "MCP_TOKEN_SCOPES": "mcp:tools",
}


def good_token(subject: str = "alice", **claims: Any) -> str:
    now = int(time.time())
    return token(claims={"iat": now, "exp": now + 600, "sub": subject, **claims})


async def ask(http: httpx2.AsyncClient, tool: str, arguments: dict[str, Any], *, bearer: str, era: str) -> Any:
    parameters = mcp.call(tool, arguments)
    sent = {**mcp.headers("tools/call", parameters, era=era), "authorization": f"Bearer {bearer}"}
    answer = await http.post("/mcp", content=mcp.message("tools/call", parameters, era=era), headers=sent)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.anyio
async def test_two_hundred_calls_at_once_and_no_crossover(web_artifact: tuple[Path, Path], tmp_path: Path) -> None:
    """20 principals, one JSON-RPC id for all, plain and async tools, both eras; each must hear of himself alone."""
    with running(web_artifact, tmp_path, **JWT) as function:
        bearers = {f"user-{n}": good_token(f"user-{n}") for n in range(20)}
        limits = httpx2.Limits(max_connections=200)
        async with httpx2.AsyncClient(base_url=function.url, limits=limits, timeout=60, trust_env=False) as http:

            async def one(number: int) -> None:
                subject, era = f"user-{number % 20}", mcp.ERAS[number % 5]
                told = await ask(http, "whoami", {}, bearer=bearers[subject], era=era)
                assert told["id"] == 1
                assert told["result"]["structuredContent"]["subject"] == subject
                counted = await ask(http, "word_count", {"text": "w " * number}, bearer=bearers[subject], era=era)
                assert counted["result"]["structuredContent"]["result"] == number

            for _ in range(3):
                await asyncio.gather(*(one(number) for number in range(200)))
        lines = [json.loads(line) for line in function.stop().splitlines() if line.startswith("{")]
        assert len(lines) == 3 * 200 * 2
        assert {line["subject"] for line in lines} == set(bearers)


@pytest.mark.anyio
@pytest.mark.parametrize("door", ["platform", "bearer", "jwt"])
async def test_old_sse_clients_can_call_in_every_door(
    web_artifact: tuple[Path, Path], tmp_path: Path, door: str
) -> None:
    static = "Static-" + "s" * 40
    document = tmp_path / "tokens.json"
    document.write_text(json.dumps({"tokens": [{"tokenName": "t", "enable": True, "tokenData": static}]}))
    settings = {**JWT, "MCP_DOOR": door, "MCP_TOKENS": f"file:{document}", "MCP_SSE": "on"}
    bearer = good_token() if door == "jwt" else static
    with running(web_artifact, tmp_path, **settings) as function:
        url, headers = f"{function.url}/sse", {"authorization": f"Bearer {bearer}"}
        async with sse_client(url, headers=headers) as streams, ClientSession(*streams) as session:
            await session.initialize()
            answer = await session.call_tool("add", {"a": 1, "b": 2})
            assert answer.structured_content == {"result": 3.0}
        assert bearer[:16] not in function.stop()


def test_replaced_tools_file_is_what_runs(web_artifact: tuple[Path, Path], tmp_path: Path) -> None:
    """The bytecode beside it must not win over a file that somebody has put in its place."""
    tools = web_artifact[0] / "tools.py"
    original = tools.read_bytes()
    tools.write_text(
        'from mcp.server.mcpserver import MCPServer\nserver = MCPServer("x")\n\n'
        '@server.tool()\ndef mine() -> str:\n    return "mine"\n'
    )
    try:
        with running(web_artifact, tmp_path, MCP_DOOR="platform") as function:
            sent = mcp.headers("tools/list")
            answer = httpx2.post(
                f"{function.url}/mcp", content=mcp.message("tools/list"), headers=sent, trust_env=False
            )
            assert [tool["name"] for tool in answer.json()["result"]["tools"]] == ["mine"]
    finally:
        tools.write_bytes(original)


def test_graceful_stop_lets_a_call_finish(web_artifact: tuple[Path, Path], tmp_path: Path) -> None:
    with running(web_artifact, tmp_path, MCP_DOOR="platform", MCP_TOKEN_SCOPES="mcp:tools") as function:
        parameters = mcp.call("countdown", {"seconds": 1.5})
        asking = subprocess.Popen(
            [sys.executable, "-c", _ASK, f"{function.url}/mcp", json.dumps(parameters)],
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(0.8)
        function.process.send_signal(signal.SIGTERM)
        answer, _ = asking.communicate(timeout=20)
        assert "after 1.5 s" in answer
        assert function.process.wait(timeout=20) is not None


_ASK = """
import json, sys, urllib.request
body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": json.loads(sys.argv[2])}
headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], json.dumps(body).encode(), headers)).read().decode())
"""
