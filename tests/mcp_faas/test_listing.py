"""Lists show everything to everybody, unless the setting asks for what the caller may use."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_faas import server as server_module
from support import mcp
from support.gate import JWT, client, good_token, post
from support.guarded import LISTS, guarded_server

HIDING = {**JWT, "MCP_HIDE_FORBIDDEN": "on"}


@pytest.fixture(autouse=True)
def _guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "load_server", lambda _: guarded_server())


async def listed(environ: dict[str, str], method: str, era: str, scope: str) -> tuple[set[str], dict[str, Any]]:
    member, name, _, _ = LISTS[method]
    async with client(environ) as http:
        answer = await post(http, method, era=era, authorization=f"Bearer {good_token(scope=scope)}")
    assert answer.status_code == 200
    result: dict[str, Any] = answer.json()["result"]
    return {entry[name] for entry in result[member]}, result


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("method", LISTS)
async def test_everything_is_listed_by_default(method: str, era: str) -> None:
    _, _, free, guarded = LISTS[method]
    names, result = await listed(JWT, method, era, "other")
    assert names == {free, guarded}
    if era == mcp.MODERN:
        assert (result["cacheScope"], result["ttlMs"]) == ("public", 60_000), "the author's choice"


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("method", LISTS)
async def test_what_the_caller_may_not_use_can_be_hidden(method: str, era: str) -> None:
    _, _, free, guarded = LISTS[method]
    poor, result = await listed(HIDING, method, era, "other")
    rich, _ = await listed(HIDING, method, era, "s")
    assert (poor, rich) == ({free}, {free, guarded})
    if era == mcp.MODERN:
        assert (result["cacheScope"], result["ttlMs"]) == ("private", 60_000)
    else:
        assert "cacheScope" not in result


@pytest.mark.anyio
async def test_resource_is_hidden_from_who_lacks_its_templates_scope() -> None:
    names, _ = await listed(HIDING, "resources/list", mcp.MODERN, "s:one")
    assert names == {"free://one"}, "reading it needs both scopes"


@pytest.mark.anyio
async def test_one_callers_list_is_not_the_next_ones() -> None:
    async with client(HIDING) as http:
        for scope, count in (("s", 2), ("other", 1), ("s", 2)):
            answer = await post(http, "tools/list", authorization=f"Bearer {good_token(scope=scope)}")
            assert len(answer.json()["result"]["tools"]) == count


@pytest.mark.anyio
async def test_hidden_tool_is_refused_like_a_shown_one() -> None:
    for environ in (JWT, HIDING):
        async with client(environ) as http:
            asked = mcp.call("guarded")
            answer = await post(http, "tools/call", asked, authorization=f"Bearer {good_token(scope='other')}")
        assert answer.status_code == 403
        assert 'scope="s:tool"' in answer.headers["www-authenticate"]


@pytest.mark.anyio
async def test_static_tokens_are_shown_what_their_setting_grants() -> None:
    for granted, count in (("", 1), ("s:tool", 2)):
        async with client({"MCP_DOOR": "platform", "MCP_HIDE_FORBIDDEN": "on", "MCP_TOKEN_SCOPES": granted}) as http:
            assert len((await post(http, "tools/list")).json()["result"]["tools"]) == count
