"""The real clients and how each is driven: a visit is one client in one mode. Judges nothing; see `verdict.py`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.node import MODULES
from clients.processes import INTEROP, Finished, environment, finished

PATIENCE_SECONDS = 120.0  # for one client, start to end, on a busy machine
SCOPED_PATIENCE_SECONDS = 30.0  # for a call that no refusal ends; whoever logs in again has a limit of its own
TOOL: dict[str, Any] = {"name": "add", "arguments": {"a": 2, "b": 3}}
ANSWERS = ("5", "5.0")  # JSON has one kind of number, and each client writes it in its own way
SCOPED_TOOL: dict[str, Any] = {"name": "countdown", "arguments": {"seconds": 0}}
SCOPED_ANSWER_END = "after 0 s"


@dataclass(frozen=True)
class Job:
    """What one visit is to do, and where it may leave files."""

    url: str
    authorization: str | None
    node: str
    home: Path
    browser: str | None = None  # what a client opens for a login; without it there is none
    patience_seconds: float = PATIENCE_SECONDS
    scoped_patience_seconds: float = SCOPED_PATIENCE_SECONDS
    document: str | None = None  # the URL of the client's metadata document; without it the client registers

    def write(self, name: str, content: str) -> str:
        """A file that only its owner can read, for what must not stand in an argument; its path."""
        path = self.home / name
        path.touch(0o600)
        path.write_text(content)
        return str(path)


@dataclass(frozen=True)
class Outcome:
    """What the client itself says happened."""

    tools: tuple[str, ...] = ()
    answer: str | None = None
    scoped: str | None = None  # what it made of a tool that the token's scopes do not allow
    error: str | None = None
    discovered: tuple[str, ...] = ()  # the metadata that it looked for on its way to a login, each with the status


@dataclass(frozen=True)
class Visit:
    """One client in one mode."""

    client: str
    package: str
    era: str  # as the client's user asks for it
    modern: bool  # 2026-07-28 is what must be seen on the wire
    drive: Callable[[Visit, Job], Awaitable[Outcome]]
    transport: str = "http"
    takes: str = "a file, or its caller"  # where this client gets its token from


async def driven(job: Job, command: list[str], told: dict[str, Any]) -> Outcome:
    """Run one of the drivers beside this file: its job and its result are files."""
    result = job.home / "result.json"
    complete = {
        "url": job.url,
        "authorization": job.authorization,
        "tool": TOOL,
        "scopedTool": SCOPED_TOOL,
        "document": job.document,
        "patience": job.scoped_patience_seconds,
        "result": str(result),
        **told,
    }
    path = job.write("job.json", json.dumps(complete))
    done = await finished([*command, path], environment(job.home, desktop(job)), job.patience_seconds)
    if not result.exists():
        return Outcome(error=unfinished(done, job))
    return Outcome(**json.loads(result.read_text()))


def desktop(job: Job) -> dict[str, str]:
    """What makes a client open our browser: a variable on Linux, the first program called `open` on macOS."""
    if job.browser is None:
        return {}
    return {"BROWSER": job.browser, "PATH": os.pathsep.join([str(Path(job.browser).parent), os.environ["PATH"]])}


def unfinished(done: Finished, job: Job) -> str:
    if done.code is None:
        return f"no end after {job.patience_seconds:.0f} s: {done.last_words}"
    return f"exit {done.code}: {done.last_words}"


async def python(visit: Visit, job: Job) -> Outcome:
    told = {"transport": visit.transport, "mode": visit.era}
    return await driven(job, [sys.executable, str(INTEROP / "python_client.py")], told)


def typescript(generation: int, mode: object = None) -> Callable[[Visit, Job], Awaitable[Outcome]]:
    async def drive(visit: Visit, job: Job) -> Outcome:
        told = {"generation": generation, "transport": visit.transport} | ({"mode": mode} if mode else {})
        return await driven(job, [job.node, str(INTEROP / "typescript_client.mjs")], told)

    return drive


async def bridged(job: Job, command: list[str]) -> Outcome:
    """Speak to a bridge over stdio, with the Python client in the role of a desktop application."""
    told = {"command": command, "log": str(job.home / "bridge.log"), "mode": "legacy"}
    outcome = await driven(job, [sys.executable, str(INTEROP / "python_client.py")], told)
    log = job.home / "bridge.log"
    if outcome.error is None or not log.exists():
        return outcome
    # The bridge's own words say more than the "connection closed" of who spoke to it.
    lines = log.read_text(errors="replace").splitlines()
    first = next((number for number, line in enumerate(lines) if "rror" in line), None)
    return outcome if first is None else Outcome(error="\n".join(lines[first : first + 6]))


async def supergateway(visit: Visit, job: Job) -> Outcome:
    """Takes a token as an argument only."""
    target = "--sse" if visit.transport == "sse" else "--streamableHttp"
    command = [job.node, str(MODULES / "supergateway/dist/index.js"), target, job.url, "--logLevel", "none"]
    if job.authorization is not None:
        command += ["--oauth2Bearer", job.authorization.removeprefix("Bearer ")]
    return await bridged(job, command)


async def mcp_remote(visit: Visit, job: Job) -> Outcome:
    command = [job.node, str(MODULES / "mcp-remote/dist/proxy.js"), job.url, "--protocol", visit.era]
    command += ["--transport", "sse-only" if visit.transport == "sse" else "http-only"]
    command += ["--auth-timeout", "3" if job.browser is None else f"{job.patience_seconds:.0f}"]
    if job.document is not None:
        command += ["--client-metadata-url", job.document]
    if job.authorization is not None:
        command += ["--header-file", job.write("headers", f"Authorization: {job.authorization}\n")]
    return await bridged(job, command)


async def inspector(visit: Visit, job: Job) -> Outcome:
    """Three runs of its command line: list, call, and call what the token does not allow."""
    headers = {} if job.authorization is None else {"Authorization": job.authorization}
    entry = {"type": "sse" if visit.transport == "sse" else "streamable-http", "url": job.url, "headers": headers}
    config = job.write("mcp.json", json.dumps({"mcpServers": {"demo": entry}}))
    command = [job.node, str(MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"), "--cli"]
    command += ["--config", config, "--server", "demo", "--protocol-era", visit.era, "--format", "json"]
    command += ["--stored-auth-only", "--quiet"]  # never a login in a browser

    async def ask(name: str, *arguments: str) -> tuple[Any, Finished]:
        output = job.home / f"{name}.json"
        full = [*command, *arguments, "--output", str(output)]
        done = await finished(
            full, environment(job.home, {"MCP_INSPECTOR_SECRET_STORE": "memory"}), job.patience_seconds
        )
        return (json.loads(output.read_text()) if output.exists() else None), done

    listed, done = await ask("list", "--method", "tools/list")
    if listed is None:
        return Outcome(error=unfinished(done, job))
    called, done = await ask("call", "--method", "tools/call", *inspector_call(TOOL))
    if called is None:
        return Outcome(error=unfinished(done, job))
    scoped, done = await ask("scoped", "--method", "tools/call", *inspector_call(SCOPED_TOOL))
    return Outcome(
        tools=tuple(tool["name"] for tool in listed["tools"]),
        answer=called["content"][0]["text"],
        scoped=scoped["content"][0]["text"] if scoped else unfinished(done, job),
    )


def inspector_call(tool: dict[str, Any]) -> list[str]:
    return ["--tool-name", tool["name"], "--tool-args-json", json.dumps(tool["arguments"])]


PYTHON_VISITS = (
    Visit("Python", "mcp", "auto", True, python),
    Visit("Python", "mcp", "legacy", False, python),
    Visit("Python", "mcp", "2026-07-28", True, python),
)
NODE_VISITS = (
    Visit("Inspector", "@modelcontextprotocol/inspector", "legacy", False, inspector),
    Visit("Inspector", "@modelcontextprotocol/inspector", "modern", True, inspector),
    Visit("supergateway", "supergateway", "legacy", False, supergateway, takes="an argument"),
    Visit("mcp-remote", "mcp-remote", "legacy", False, mcp_remote),
    Visit("mcp-remote", "mcp-remote", "auto", True, mcp_remote),
    Visit("TypeScript 1", "@modelcontextprotocol/sdk", "legacy", False, typescript(1)),
    Visit("TypeScript 2", "@modelcontextprotocol/client", "legacy", False, typescript(2)),
    Visit("TypeScript 2", "@modelcontextprotocol/client", "auto", True, typescript(2, "auto")),
    Visit("TypeScript 2", "@modelcontextprotocol/client", "2026-07-28", True, typescript(2, {"pin": "2026-07-28"})),
)
# The old transport: FC's web function alone has it, behind MCP_SSE=on.
SSE_VISITS = (
    Visit("Python", "mcp", "auto", True, python, "sse"),
    Visit("Python", "mcp", "legacy", False, python, "sse"),
    Visit("Python", "mcp", "2026-07-28", True, python, "sse"),
    Visit("supergateway", "supergateway", "legacy", False, supergateway, "sse", takes="an argument"),
    Visit("mcp-remote", "mcp-remote", "legacy", False, mcp_remote, "sse"),
    Visit("TypeScript 1", "@modelcontextprotocol/sdk", "legacy", False, typescript(1), "sse"),
    Visit("Inspector", "@modelcontextprotocol/inspector", "legacy", False, inspector, "sse"),
)


def visits(cloud: str) -> tuple[Visit, ...]:
    """Who comes to a server on this cloud."""
    return PYTHON_VISITS + NODE_VISITS + (SSE_VISITS if cloud == "fc" else ())
