"""A schema without mirrored arguments is looked at once, and one with them is compared at each call."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.shared.inbound import validate_mcp_param_headers
from pydantic import Field

from mcp_faas import mirrored
from mcp_faas import server as server_module
from mcp_faas.auth.scopes import Scopes
from mcp_faas.mirrored import MirroredSchemas
from support import mcp
from support.gate import client

PLAIN = {"type": "object", "properties": {"a": {"type": "integer"}}}
REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


def test_only_schemas_with_mirrored_arguments_reach_the_sdk() -> None:
    lookup = MirroredSchemas({"plain": PLAIN, "region": REGION}.get)
    assert (lookup("plain"), lookup("region"), lookup("nothing")) == (None, REGION, None)


def test_none_is_what_the_sdk_finds_in_such_a_schema_too() -> None:
    for headers in ({}, {"mcp-param-a": "2"}, {"mcp-param-region": "eu"}):
        assert validate_mcp_param_headers(PLAIN, {"a": 1}, headers) is None


def test_schema_is_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[Any] = []

    def walk(schema: Any) -> dict[Any, str]:
        walked.append(schema)
        return {}

    monkeypatch.setattr(mirrored, "x_mcp_header_map", walk)
    lookup = MirroredSchemas({"plain": PLAIN}.get)
    for _ in range(10):
        lookup("plain")
    assert walked == [PLAIN]


def test_tool_that_is_replaced_is_looked_at_anew() -> None:
    tools: dict[str, Any] = {"t": PLAIN}
    lookup = MirroredSchemas(tools.get)
    assert lookup("t") is None
    tools["t"] = REGION
    assert lookup("t") is REGION
    del tools["t"]
    assert lookup("t") is None
    tools["t"] = dict(PLAIN)
    assert lookup("t") is None


def test_a_raising_lookup_raises_as_before() -> None:
    def broken(_: str) -> Any:
        raise LookupError

    with pytest.raises(LookupError):
        MirroredSchemas(broken)("t")


@pytest.mark.anyio
@pytest.mark.parametrize(("said", "status"), [("eu", 200), ("us", 400), (None, 400)])
async def test_header_that_says_something_else_is_refused(monkeypatch: Any, said: str | None, status: int) -> None:
    server = MCPServer("regional")

    @server.tool()
    async def where(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        return region

    monkeypatch.setattr(server_module, "load_server", lambda _: (server, Scopes()))
    parameters = mcp.call("where", {"region": "eu"})
    sent = mcp.headers("tools/call", parameters, era=mcp.MODERN)
    sent |= {"mcp-param-region": said} if said else {}
    async with client({"MCP_DOOR": "platform"}) as http:
        for _ in range(2):
            answer = await http.post(
                "/mcp", content=mcp.message("tools/call", parameters, era=mcp.MODERN), headers=sent
            )
            assert answer.status_code == status
