"""JSON-RPC messages and headers of both protocol eras, as clients send them."""

from __future__ import annotations

import json
from typing import Any

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
ERAS = (MODERN, *LEGACY)


def message(method: str, params: dict[str, Any] | None = None, *, era: str = LEGACY[0], identity: Any = 1) -> bytes:
    """One request; in the modern era with the `_meta` that it demands."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": identity, "method": method, "params": dict(params or {})}
    if era == MODERN:
        body["params"]["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        }
    return json.dumps(body).encode()


def headers(method: str, params: dict[str, Any] | None = None, *, era: str = LEGACY[0]) -> dict[str, str]:
    """The headers that go with it."""
    sent = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": era,
    }
    if era == MODERN:
        sent["mcp-method"] = method
        name = (params or {}).get("name") or (params or {}).get("uri")
        if name:
            sent["mcp-name"] = name
    return sent


def call(tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parameters of a tools/call."""
    return {"name": tool, "arguments": arguments or {}}
