"""What a page in a browser can do here: everything from an allowed origin, nothing from another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support import mcp
from support.browser import NetworkError, Page
from support.gate import DOORS, JWT, METADATA, ORIGIN, WELL_KNOWN, client, doors, good_token
from support.jwts import RESOURCE

FOREIGN = ("https://evil.example", "null", "http://app.example.com", ORIGIN + ":8443", "https://sub.app.example.com")


def ask(**extra: str) -> dict[str, Any]:
    params = mcp.call("add", {"a": 1, "b": 1})
    headers = {**mcp.headers("tools/call", params, era=mcp.MODERN), **extra}
    return {"headers": headers, "content": mcp.message("tools/call", params, era=mcp.MODERN)}


@pytest.mark.anyio
async def test_page_logs_in_and_calls() -> None:
    """The whole way of a client in a browser: the challenge, the metadata that it names, the call."""
    async with client(JWT) as http:
        page = Page(http, ORIGIN)
        stranger = await page.fetch("POST", "/mcp", **ask())
        assert stranger.status_code == 401
        assert f'resource_metadata="{METADATA}"' in stranger.headers["www-authenticate"]
        assert stranger.json()["resource_metadata"] == METADATA
        version = {"mcp-protocol-version": mcp.MODERN}  # which clients send with the metadata too
        found = await page.fetch("GET", METADATA.removeprefix("https://mcp.example.com"), version)
        assert found.json()["resource"] == RESOURCE
        called = await page.fetch("POST", "/mcp", **ask(authorization=f"Bearer {good_token()}"))
        assert called.json()["result"]["structuredContent"] == {"result": 2.0}
        legacy = {"mcp-session-id": "dead", "last-event-id": "1"}
        stream = await page.fetch("GET", "/mcp", {**legacy, "authorization": f"Bearer {good_token()}"})
        assert stream.status_code == 405
        poor = await page.fetch("POST", "/mcp", **ask(authorization="Bearer x"))
        assert 'error="invalid_token"' in poor.headers["www-authenticate"]
        for preflight in page.preflights:
            assert preflight.content == b""
            assert "authorization" not in preflight.request.headers


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
async def test_page_of_an_allowed_origin_calls_in_every_door(door: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ) as http:
        answer = await Page(http, ORIGIN).fetch("POST", "/mcp", **ask(**opens))
    assert answer.status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("origin", FOREIGN)
async def test_page_of_another_origin_reads_nothing(door: str, origin: str, tmp_path: Any) -> None:
    environ, opens = doors(tmp_path)[door]
    async with client(environ) as http:
        page = Page(http, origin)
        for path in ("/mcp", WELL_KNOWN, f"{WELL_KNOWN}/mcp", "/healthz", "/elsewhere"):
            with pytest.raises(NetworkError):
                await page.fetch("GET", path, opens)
            with pytest.raises(NetworkError):
                await page.fetch("GET", path)
        with pytest.raises(NetworkError):
            await page.fetch("POST", "/mcp", **ask(**opens))


@pytest.mark.anyio
async def test_page_of_another_origin_does_nothing_without_a_preflight_either(capsys: Any) -> None:
    """What a form can send: a browser asks nothing before it, so the answer must not have happened."""
    async with client({"MCP_DOOR": "platform"}) as http:
        page = Page(http, "https://evil.example")
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            with pytest.raises(NetworkError):
                await page.fetch("POST", "/mcp", {"content-type": content_type}, ask()["content"])
    assert page.preflights == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["reason"] for line in lines} == {"origin_not_allowed"}


@pytest.mark.anyio
async def test_no_origin_is_allowed_by_default() -> None:
    async with client({**JWT, "MCP_ALLOWED_ORIGINS": ""}) as http:
        with pytest.raises(NetworkError):
            await Page(http, ORIGIN).fetch("GET", WELL_KNOWN)


@pytest.mark.anyio
async def test_metadata_that_a_cache_kept_for_another_still_reaches_the_page() -> None:
    async with client(JWT) as http:
        page = Page(http, ORIGIN)
        stranger = Page(http, "https://evil.example", page.cache)
        with pytest.raises(NetworkError):
            await stranger.fetch("GET", WELL_KNOWN)
        page.cache.keep(WELL_KNOWN, {}, await http.get(WELL_KNOWN))
        assert (await page.fetch("GET", WELL_KNOWN)).json()["resource"] == RESOURCE
        assert len(page.cache.kept) == 3
        with pytest.raises(NetworkError):
            await stranger.fetch("GET", WELL_KNOWN)


@pytest.mark.anyio
async def test_metadata_that_a_cache_kept_for_one_page_reaches_the_other() -> None:
    other = "http://localhost:6274"
    async with client({**JWT, "MCP_ALLOWED_ORIGINS": f"{ORIGIN} {other}"}) as http:
        page = Page(http, ORIGIN)
        for one in (page, Page(http, other, page.cache), page):
            assert (await one.fetch("GET", WELL_KNOWN)).json()["resource"] == RESOURCE
        assert len(page.cache.kept) == 2


@pytest.mark.anyio
async def test_nobody_keeps_an_answer_for_longer_than_minutes() -> None:
    """A change of the settings must reach caches and browsers while somebody still waits for it."""
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    async with client(JWT) as http:
        assert (await http.get(WELL_KNOWN)).headers["cache-control"] == "public, max-age=300"
        assert (await http.options("/mcp", headers=asked)).headers["access-control-max-age"] == "600"
        get = {**asked, "access-control-request-method": "GET"}
        assert (await http.options(WELL_KNOWN, headers=get)).headers["access-control-max-age"] == "600"


@pytest.mark.anyio
async def test_preflight_is_for_the_method_of_its_path() -> None:
    async with client(JWT) as http:
        for path, method in ((WELL_KNOWN, "GET"), (f"{WELL_KNOWN}/mcp", "GET"), ("/mcp", "POST")):
            asked = {"origin": ORIGIN, "access-control-request-method": method}
            answer = await http.options(path, headers=asked)
            assert (answer.status_code, answer.headers["allow"]) == (204, f"{method}, OPTIONS")
            plain = await http.options(path)
            assert (plain.status_code, "access-control-allow-origin" in plain.headers) == (204, False)
