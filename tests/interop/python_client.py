"""Let the Python client in: the argument names a job, a JSON file that says where the result goes. No token in argv.

The job's `command`, if it has one, is a bridge to start and to speak to over its stdin and stdout.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client, Transport
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent


def first_text(result: CallToolResult) -> str:
    first = result.content[0] if result.content else None
    return first.text if isinstance(first, TextContent) else "an empty result"


def transport_of(job: dict[str, Any], http_client: httpx2.AsyncClient) -> Transport:
    if command := job.get("command"):
        bridge = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
        return stdio_client(bridge, errlog=Path(job["log"]).open("w"))
    if job["transport"] == "sse":
        return sse_client(job["url"], headers=dict(http_client.headers))
    return streamable_http_client(job["url"], http_client=http_client)


async def outcome(job: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": job["authorization"]} if job["authorization"] else {}
    async with (
        httpx2.AsyncClient(headers=headers) as http_client,
        Client(transport_of(job, http_client), mode=job["mode"]) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool(**job["tool"])
        try:
            scoped = first_text(await asyncio.wait_for(client.call_tool(**job["scopedTool"]), job["patience"]))
        except asyncio.TimeoutError:
            scoped = "no answer"
        except Exception as error:  # noqa: BLE001 # whatever this client makes of the refusal is what we want to know
            scoped = said(error)
        return {"tools": names, "answer": first_text(answer), "scoped": scoped}


def said(error: BaseException) -> str:
    """The innermost words of an error: the SDK wraps it in groups of groups."""
    while inner := getattr(error, "exceptions", None):
        error = inner[0]
    return f"{type(error).__name__}: {error}"


async def stoppable(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Let SIGTERM end the work as an error would, so that the bridge it started ends too."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        result = asyncio.run(stoppable(outcome(job)))
    except Exception as error:  # noqa: BLE001 # a client that was not let in is a result, not a failure of this script
        result = {"error": said(error)}
    Path(job["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
