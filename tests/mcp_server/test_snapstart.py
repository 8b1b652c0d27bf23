"""SnapStart: the real runtime client up to the snapshot, what its memory holds then, and instances that are copies."""

from __future__ import annotations

import json
import os
import platform
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aws.mcp_events import tool
from support.lambda_runtime import SnapStarted

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="Lambda's runtime client is a Linux program")

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
SERVER = FUNCTIONS / "mcp_server"

TOOLS = """
import random, uuid
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult

server = MCPServer("copied")
IMPORTED = uuid.uuid4().hex  # the same in every copy, as a snapshot is

@server.tool()
async def numbers() -> list[str]:
    return [IMPORTED, str(random.random()), uuid.uuid4().hex]

@server.tool()
async def ask(ctx: Context) -> str | InputRequiredResult:
    if ctx.request_state is None:
        return InputRequiredResult(request_state="the plan")
    return f"resumed: {ctx.request_state}"
"""


@pytest.fixture(name="tools")
def _tools(tmp_path: Path) -> Path:
    place = tmp_path / "tools"
    place.mkdir()
    (place / "copied_tools.py").write_text(TOOLS)
    return place


def surroundings(tools: Path, **settings: str) -> dict[str, str]:
    path = os.pathsep.join(map(str, (FUNCTIONS, SERVER, tools)))
    return {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "MCP_SERVER": "copied_tools:server", **settings}


def document(path: Path, token: str) -> None:
    path.write_text(json.dumps({"tokens": [{"tokenName": "t", "enable": True, "tokenData": token}]}))
    path.chmod(0o600)


def text_of(answer: Any) -> str:
    assert answer["statusCode"] == 200, answer
    return str(json.loads(answer["body"])["result"]["content"][0]["text"])


def test_door_bearer_has_read_no_token_before_the_snapshot_and_reads_the_current_one_after_it(
    tools: Path, tmp_path: Path
) -> None:
    old, new, key = (f"mcp-{secrets.token_hex(20)}" for _ in range(3))
    tokens, keys = tmp_path / "tokens.json", tmp_path / "key"
    document(tokens, old)
    keys.write_text(key)
    keys.chmod(0o600)
    told = surroundings(
        tools,
        MCP_DOOR="bearer",
        MCP_TOKENS=f"file:{tokens}",
        MCP_REQUEST_STATE_KEY=f"file:{keys}",
        MCP_LOG_LEVEL="DEBUG",
    )
    with SnapStarted("aws_lambda.handler", SERVER, told) as function:
        assert function.waits
        assert function.remembers("copied_tools"), "the look into the memory finds what is there"
        assert not function.remembers(old[4:])
        assert not function.remembers(key[4:])
        document(tokens, new)  # rotated while the snapshot lay in its store
        function.restore()
        assert function.invoke(tool("numbers", token=old))["statusCode"] == 401
        assert "random" not in text_of(function.invoke(tool("numbers", token=new)))
        assert function.remembers(new[4:]), "and it would have found a token"


def test_what_the_sdk_would_make_for_one_process_is_refused(tools: Path) -> None:
    """The key of a process is one of all its copies; nobody would notice."""
    with SnapStarted("aws_lambda.handler", SERVER, surroundings(tools, MCP_DOOR="platform")) as function:
        path, said = function.answers.get(timeout=60)
        assert function.process.wait(60) != 0
    assert path.endswith("/init/error")
    assert "MCP_REQUEST_STATE_KEY is not set, but this function starts from a snapshot" in said["errorMessage"]


def test_a_start_that_fails_after_the_snapshot_says_so(tools: Path) -> None:
    told = surroundings(tools, MCP_DOOR="platform", MCP_REQUEST_STATE_KEY="file:missing")
    with SnapStarted("aws_lambda.handler", SERVER, told) as function:
        assert function.waits
        function.restore()
        path, said = function.answers.get(timeout=60)
    assert path.endswith("/restore/error")
    assert "MCP_REQUEST_STATE_KEY leads to no key" in said["errorMessage"]


COPIES = """
import gc, json, os, stat, sys
import random
import aws_lambda
from awslambdaric import lambda_runtime_hooks_runner as hooks

state = random.getstate()
hooks.run_before_snapshot()
gc.unfreeze()
made = {f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects()}
sockets = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
           and stat.S_ISSOCK(os.stat(f"/proc/self/fd/{fd}").st_mode)]
threads = os.listdir("/proc/self/task")

class Context:
    aws_request_id = "r"
    @staticmethod
    def get_remaining_time_in_millis():
        return 20000

asked = None
sent = json.loads(sys.stdin.read())
out = os.dup(1)
for copy, rotated in enumerate(sent["rotated"]):
    open(sent["key"], "w").write(rotated)
    answers, said = os.pipe()
    child = os.fork()
    if child == 0:
        random.setstate(state)  # a fork seeds anew by itself; the copy of a machine does not
        hooks.run_after_restore()
        events = [sent["numbers"], sent["ask"]]
        found = [json.loads(aws_lambda.handler(event, Context)["body"]) for event in events]
        if asked:
            sent["again"]["body"] = json.dumps({**json.loads(sent["again"]["body"])})
            again = json.loads(sent["again"]["body"])
            again["params"]["requestState"] = asked
            sent["again"]["body"] = json.dumps(again)
            found.append(json.loads(aws_lambda.handler(sent["again"], Context)["body"]))
        os.write(said, json.dumps(found).encode())
        os._exit(0)
    os.close(said)
    with open(answers, "rb") as pipe:
        found = json.loads(pipe.read())
    os.waitpid(child, 0)
    asked = asked or found[1]["result"]["requestState"]
    os.write(out, (json.dumps(found) + "\\n").encode())
print(json.dumps({"made": sorted(made), "sockets": sockets, "threads": threads}))
"""

# What is of one instance: connections, what keeps secrets and keys, and what reads a clock.
OF_ONE_INSTANCE = (
    "mcp_faas.platforms.instance.Instance",
    "mcp_faas.state_keys.StateKeys",
    "mcp_faas.documents.TokenDocuments",
    "mcp_faas.jwks.KeySource",
    "mcp_faas.doors.",
    "mcp_faas.gate.Gate",
    "asyncio.unix_events._UnixSelectorEventLoop",
    "asyncio.events.TimerHandle",
    "socket.socket",
    "ssl.SSLSocket",
    "botocore.",
    "httpx2.AsyncClient",
    "httpx2.Client",
)


def test_copies_share_no_numbers_no_keys_and_no_connection(tools: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    first, second = "a" * 40, "b" * 40
    sent = {
        "key": str(key),
        "rotated": [first, f"{second}\n{first}", second],
        "numbers": tool("numbers"),
        "ask": tool("ask"),
        "again": tool("ask"),
    }
    told = surroundings(
        tools,
        MCP_DOOR="platform",
        MCP_REQUEST_STATE_KEY=f"file:{key}",
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        PATH=os.defpath,
    )
    done = subprocess.run(
        [sys.executable, "-c", COPIES], cwd=SERVER, env=told, input=json.dumps(sent), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *copies, before = (json.loads(line) for line in done.stdout.splitlines() if not line.startswith('{"audit"'))
    shared, drawn, unique = zip(*(copy[0]["result"]["structuredContent"]["result"] for copy in copies), strict=True)
    assert len(set(shared)) == 1, "they are copies of one process"
    assert len(set(drawn)) == len(set(unique)) == 3
    # The state that the first has sealed: the second has its key beside a newer one, the third has the newer one alone.
    assert copies[1][2]["result"]["content"][0]["text"] == "resumed: the plan"
    assert copies[2][2]["error"]["message"] == "Invalid or expired requestState"
    assert before["sockets"] == []
    assert len(before["threads"]) == 1
    assert [name for name in before["made"] if name.startswith(OF_ONE_INSTANCE)] == []
    assert "mcp.server.mcpserver.server.MCPServer" in before["made"], "the server itself is copied"


def test_without_snapstart_all_is_made_at_once(tools: Path) -> None:
    check = "import aws_lambda; print(aws_lambda.ready.cache_info().currsize)"
    told = surroundings(tools, MCP_DOOR="platform", PATH=os.defpath)
    done = subprocess.run([sys.executable, "-c", check], cwd=SERVER, env=told, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "1", done.stderr
