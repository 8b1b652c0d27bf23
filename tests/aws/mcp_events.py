"""MCP requests as events of the AWS doors, made from the vendor's own examples, in every era of the protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

EVENTS = Path(__file__).parents[1] / "events/aws"
Door = Literal["function-url", "http-api", "http-api-named-stage"]
DOORS: tuple[Door, ...] = ("function-url", "http-api", "http-api-named-stage")
MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
ERAS = (MODERN, *LEGACY)
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def event(
    door: Door | Literal["http-api-authorizer"] = "function-url",
    *,
    method: str = "POST",
    path: str = "/mcp",
    headers: dict[str, str] | None = None,
    body: str | None = None,
    caller: str | None = None,
) -> dict[str, Any]:
    """The documented event of a door, with a request of ours in it; `caller` is whom an authorizer let in."""
    made: dict[str, Any] = json.loads((EVENTS / f"{door}.json").read_text())
    context = made["requestContext"]
    path = f"/prod{path}" if context["stage"] == "prod" else path
    made |= {"rawPath": path, "rawQueryString": "", "headers": headers or {}, "body": body, "isBase64Encoded": False}
    made.pop("cookies", None)
    made.pop("queryStringParameters", None)
    context["http"] |= {"method": method, "path": path}
    context["authorizer"] = {"lambda": {"tokenName": caller}} if caller else None
    return made


def message(method: str, params: dict[str, Any] | None = None, *, era: str = MODERN, id_: int | None = 1) -> Any:
    """Body and headers of a request, or of a notification without `id_`, as a client of that era sends them."""
    params = dict(params or {})
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if era == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "artifact-test", "version": "1"},
        }
        headers |= {"mcp-protocol-version": MODERN, "mcp-method": method}
        if method in NAMED:
            headers["mcp-name"] = params[NAMED[method]]
    elif method != "initialize":
        headers["mcp-protocol-version"] = era
    call = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": id_} if id_ is not None else {})
    return json.dumps(call), headers


def mcp(
    method: str,
    params: dict[str, Any] | None = None,
    *,
    era: str = MODERN,
    id_: int | None = 1,
    door: Door = "function-url",
    caller: str | None = None,
    token: str | None = None,
) -> dict[str, Any]:
    """An event that carries one MCP message."""
    body, headers = message(method, params, era=era, id_=id_)
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return event(door, headers=headers, body=body, caller=caller)


def tool(name: str, arguments: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return mcp("tools/call", {"name": name, "arguments": arguments or {}}, **more)


def initialize(era: str) -> dict[str, Any]:
    """The first message of a client: `initialize` in the older eras, `server/discover` in the modern one."""
    if era == MODERN:
        return mcp("server/discover", era=era)
    params = {"protocolVersion": era, "capabilities": {}, "clientInfo": {"name": "artifact-test", "version": "1"}}
    return mcp("initialize", params, era=era)
