"""Let the Python client in: the argument names a job, a JSON file that says where the result goes. No token in argv.

The job's `command`, if it has one, is a bridge to start and to speak to over its stdin and stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.client import Client, Transport
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import CallToolResult, TextContent, jsonrpc_message_adapter

HTTP_SECONDS = 60.0  # the library's own 5 s are short on a busy machine
GRACE_SECONDS = 1.0  # between a refusal on the wire and the end of a call that hears of it


def first_text(result: CallToolResult) -> str:
    first = result.content[0] if result.content else None
    return first.text if isinstance(first, TextContent) else "an empty result"


@contextlib.asynccontextmanager
async def bridge(command: list[str], log: Path) -> AsyncIterator[tuple[Any, Any]]:
    """A bridge's stdin and stdout as a transport. Unlike the SDK's own it leaves the bridge in our process group, so
    that whoever has to end us ends it too.
    """
    to_session, session_reads = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    session_writes, from_session = anyio.create_memory_object_stream[SessionMessage](1)
    pipe = asyncio.subprocess.PIPE
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=errors)

    async def read(lines: asyncio.StreamReader) -> None:
        async with to_session:
            while line := await lines.readline():
                await to_session.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))

    async def write(lines: asyncio.StreamWriter) -> None:
        async for sent in from_session:
            lines.write(sent.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            with contextlib.suppress(OSError):  # it has ended, which the reader tells the session
                await lines.drain()

    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the pipes asked for above are not there")
    tasks = [asyncio.create_task(read(process.stdout)), asyncio.create_task(write(process.stdin))]
    try:
        yield session_reads, session_writes
    finally:
        for task in tasks:
            task.cancel()
        if process.returncode is None:
            process.kill()
        await asyncio.gather(process.wait(), *tasks, return_exceptions=True)


class Wire:
    """The client's requests, and whether one of them was answered 403."""

    def __init__(self) -> None:
        self.refused = asyncio.Event()

    def client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        hooks = {"response": [self._note]}
        return httpx2.AsyncClient(headers=headers, timeout=timeout or HTTP_SECONDS, auth=auth, event_hooks=hooks)

    async def _note(self, response: httpx2.Response) -> None:
        if response.status_code == 403:
            self.refused.set()


def transport_of(job: dict[str, Any], http_client: httpx2.AsyncClient, wire: Wire) -> Transport:
    if command := job.get("command"):
        return bridge(command, Path(job["log"]))
    if job["transport"] == "sse":
        return sse_client(
            job["url"], headers=dict(http_client.headers), timeout=HTTP_SECONDS, httpx_client_factory=wire.client
        )
    return streamable_http_client(job["url"], http_client=http_client)


async def scoped_call(client: Client, job: dict[str, Any], wire: Wire) -> str:
    """What the client makes of a refusal. Over SSE it does not hear of one, and its call would have no end."""
    call = asyncio.create_task(client.call_tool(**job["scopedTool"]))
    refused = asyncio.create_task(wire.refused.wait())
    await asyncio.wait({call, refused}, timeout=job["patience"], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({call}, timeout=GRACE_SECONDS)
    for task in (call, refused):
        task.cancel()
    try:
        return first_text(await call)
    except asyncio.CancelledError:
        return "no answer"
    except Exception as error:  # noqa: BLE001 # whatever this client makes of the refusal is what we want to know
        return said(error)


async def outcome(job: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": job["authorization"]} if job["authorization"] else {}
    wire = Wire()
    async with (
        wire.client(headers) as http_client,
        Client(transport_of(job, http_client, wire), mode=job["mode"]) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool(**job["tool"])
        return {"tools": names, "answer": first_text(answer), "scoped": await scoped_call(client, job, wire)}


def said(error: BaseException) -> str:
    """The innermost words of an error: the SDK wraps it in groups of groups."""
    while inner := getattr(error, "exceptions", None):
        error = inner[0]
    return f"{type(error).__name__}: {error}"


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        result = asyncio.run(outcome(job))
    except Exception as error:  # noqa: BLE001 # a client that was not let in is a result, not a failure of this script
        result = {"error": said(error)}
    Path(job["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
