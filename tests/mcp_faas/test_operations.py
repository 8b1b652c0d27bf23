"""What an operation needs, with which headers it may come, and how it is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mcp_faas import server as server_module
from support import mcp
from support.gate import JWT, METADATA, client, good_token, post
from support.guarded import OPERATIONS, guarded_server

IN_RESULT = {**JWT, "MCP_SCOPE_ERROR_IN_RESULT": "on"}


@pytest.fixture(autouse=True)
def _guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "load_server", lambda _: guarded_server())


def bearer(scope: str) -> str:
    return f"Bearer {good_token(scope=scope)}"


def scope_of(challenge: str) -> str:
    found = re.search(r'scope="([^"]*)"', challenge)
    assert found
    return found[1]


@pytest.mark.anyio
@pytest.mark.parametrize("era", [mcp.MODERN, *mcp.LEGACY[:1]])
@pytest.mark.parametrize(("method", "params", "needed"), OPERATIONS.values(), ids=OPERATIONS)
async def test_denial_is_403_with_all_scopes_of_the_operation(
    method: str, params: dict[str, Any], needed: str, era: str
) -> None:
    async with client({**JWT, "MCP_SCOPES": "mcp:use"}) as http:
        for granted in ("mcp:use", "other", needed):
            refused = await post(http, method, params, era=era, authorization=bearer(granted))
            assert refused.status_code == 403
            challenge = refused.headers["www-authenticate"]
            assert challenge.startswith('Bearer error="insufficient_scope", ')
            # Also what every request needs: a new token with the operation's scopes alone would be refused again.
            assert scope_of(challenge).split() == ["mcp:use", *needed.split()]
            assert f'resource_metadata="{METADATA}"' in challenge
            assert "secret" not in refused.text
        rich = await post(http, method, params, era=era, authorization=bearer(f"mcp:use {needed}"))
    assert (rich.status_code, "secret" in rich.text) == (200, True)


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
async def test_denial_can_be_a_tools_error(era: str) -> None:
    async with client(IN_RESULT) as http:
        asked = mcp.call("guarded")
        answer = await post(http, "tools/call", asked, era=era, authorization=bearer("other"))
        rich = await post(http, "tools/call", asked, era=era, authorization=bearer("s"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    told = answer.json()
    assert (told["jsonrpc"], told["id"]) == ("2.0", 1)
    result = told["result"]
    assert result["isError"] is True
    assert result["resultType"] == "complete"
    assert result["content"] == [{"type": "text", "text": "insufficient_scope: this needs the scope s:tool"}]
    (challenge,) = result["_meta"]["mcp/www_authenticate"]
    assert scope_of(challenge) == "s:tool"
    assert METADATA in challenge
    assert rich.json()["result"]["content"][0]["text"] == "secret"


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "params", "needed"), [row for row in OPERATIONS.values() if row[0] != "tools/call"])
async def test_denial_of_anything_else_can_be_an_error_of_json_rpc(
    method: str, params: dict[str, Any], needed: str
) -> None:
    async with client(IN_RESULT) as http:
        answer = await post(http, method, params, authorization=bearer("other"))
    assert answer.status_code == 200
    assert "result" not in answer.json()
    error = answer.json()["error"]
    assert error["code"] == -32003
    assert error["data"]["error"] == "insufficient_scope"
    assert error["data"]["scope"] == needed
    assert error["data"]["resource_metadata"] == METADATA


@pytest.mark.anyio
async def test_what_no_result_can_mend_stays_a_status() -> None:
    """Without a good token, or without the scopes of every request, a client has to log in anew."""
    async with client({**IN_RESULT, "MCP_SCOPES": "mcp:use", "MCP_SSE": "on"}) as http:
        asked = mcp.call("guarded")
        assert (await post(http, "tools/call", asked)).status_code == 401
        assert (await post(http, "tools/call", asked, authorization=bearer("s:tool"))).status_code == 403
        # A notification has no result, and on the legacy transport results travel in the stream.
        sent = {**mcp.headers("tools/call"), "authorization": bearer("mcp:use")}
        body = json.loads(mcp.message("tools/call", asked))
        del body["id"]
        assert (await http.post("/mcp", json=body, headers=sent)).status_code == 403
        message = mcp.message("tools/call", asked)
        legacy = await http.post("/messages/?session_id=" + "0" * 32, content=message, headers=sent)
        assert legacy.status_code == 403


@pytest.mark.anyio
async def test_denial_in_a_result_without_an_issuer_names_no_metadata() -> None:
    async with client({"MCP_DOOR": "platform", "MCP_SCOPE_ERROR_IN_RESULT": "on"}) as http:
        answer = await post(http, "tools/call", mcp.call("guarded"))
    assert answer.json()["result"]["isError"] is True
    assert "resource_metadata" not in answer.text


LIES = {
    "another tool": {"mcp_name": "free"},
    "another method": {"mcp_method": "tools/list"},
    "another tool in base64": {"mcp_name": "=?base64?ZnJlZQ==?="},
    "broken base64": {"mcp_name": "=?base64?Z3VhcmRlZA?="},
}


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_headers_that_contradict_the_body_are_refused_in_every_era(lie: dict[str, str], era: str) -> None:
    async with client(JWT) as http:
        answer = await post(http, "tools/call", mcp.call("guarded"), era=era, authorization=bearer("s"), **lie)
    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["id"]) == (-32020, 1)
    assert "secret" not in answer.text


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
async def test_headers_that_agree_are_let_in(era: str) -> None:
    async with client(JWT) as http:
        for name in ("guarded", "=?base64?Z3VhcmRlZA==?="):
            said = {"mcp_method": "tools/call", "mcp_name": name}
            answer = await post(http, "tools/call", mcp.call("guarded"), era=era, authorization=bearer("s"), **said)
            assert answer.status_code == 200, answer.text


@pytest.mark.anyio
async def test_second_header_that_lies_is_found() -> None:
    sent = [
        *mcp.headers("tools/call").items(),
        ("authorization", bearer("s")),
        ("mcp-name", "guarded"),
        ("mcp-name", "free"),
    ]
    async with client(JWT) as http:
        answer = await http.post("/mcp", content=mcp.message("tools/call", mcp.call("guarded")), headers=sent)
    assert answer.status_code == 400


@pytest.mark.anyio
async def test_subscription_to_a_guarded_resource_is_refused() -> None:
    async with client(JWT) as http:
        asked = {"uri": "guarded://two"}
        answer = await post(http, "resources/subscribe", asked, authorization=bearer("other"))
    assert answer.status_code == 403


# What a reference could mean to a function that reads it less exactly than the gate.
NEARLY_GUARDED = {
    "prompt in another case": {"type": "ref/prompt", "name": "Guarded"},
    "prompt with a blank": {"type": "ref/prompt", "name": "guarded "},
    "prompt by its title": {"type": "ref/prompt", "title": "guarded", "name": "x"},
    "prompt of no name": {"type": "ref/prompt"},
    "scheme in another case": {"type": "ref/resource", "uri": "GUARDED://{name}"},
    "slash": {"type": "ref/resource", "uri": "guarded://{name}/"},
    "query": {"type": "ref/resource", "uri": "guarded://{name}{?a}"},
    "longer than a template may be": {"type": "ref/resource", "uri": "guarded://" + "{name}" * 20_000},
    "encoded": {"type": "ref/resource", "uri": "guarded://%7Bname%7D"},
    "number": {"type": "ref/resource", "uri": 1},
    "another type": {"type": "ref/Prompt", "name": "guarded"},
    "no type": {"name": "guarded", "uri": "guarded://{name}"},
    "text": "guarded",
    "nothing": None,
}


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize("reference", NEARLY_GUARDED.values(), ids=NEARLY_GUARDED)
async def test_completion_for_what_does_not_exist_does_not_reach_the_author(reference: object, era: str) -> None:
    async with client(JWT) as http:
        asked = {"ref": reference, "argument": {"name": "word", "value": "s"}}
        answer = await post(http, "completion/complete", asked, era=era, authorization=bearer("other"))
    assert "secret" not in answer.text
    assert answer.status_code == 403 or answer.json()["error"]["code"] == -32602, answer.text


@pytest.mark.anyio
@pytest.mark.parametrize("era", mcp.ERAS)
@pytest.mark.parametrize(
    "reference",
    [
        {"type": "ref/prompt", "name": "free"},
        {"type": "ref/resource", "uri": "free://{name}"},
        {"type": "ref/resource", "uri": "free://one"},
    ],
    ids=lambda reference: reference.get("uri", "prompt"),
)
async def test_completion_for_what_needs_no_scope_is_answered(reference: dict[str, str], era: str) -> None:
    async with client(JWT) as http:
        asked = {"ref": reference, "argument": {"name": "word", "value": "s"}}
        answer = await post(http, "completion/complete", asked, era=era, authorization=bearer("other"))
    assert answer.json()["result"]["completion"]["values"] == ["secret"]


@pytest.mark.anyio
@pytest.mark.parametrize("settings", [JWT, IN_RESULT], ids=["status", "result"])
async def test_large_message_is_not_read_for_a_caller_without_the_scopes_of_every_request(
    settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Which tool it calls nobody knows then: parsing 4 MB takes a second, in which no other call is answered."""
    body = mcp.message("tools/call", mcp.call("guarded"))
    sent = {**mcp.headers("tools/call"), "authorization": bearer("other")}
    async with client({**settings, "MCP_SCOPES": "mcp:use"}) as http:
        for size, told, method in ((65_536, "mcp:use s:tool", "tools/call"), (65_537, "mcp:use", None)):
            capsys.readouterr()
            refused = await http.post("/mcp", content=body.ljust(size), headers=sent)
            assert refused.status_code == 403
            assert scope_of(refused.headers["www-authenticate"]) == told
            line = json.loads(capsys.readouterr().out.splitlines()[-1])
            assert (line["decision"], line["method"]) == ("deny", method)
        rich = {**sent, "authorization": bearer("mcp:use s:tool")}
        assert "secret" in (await http.post("/mcp", content=body.ljust(65_537), headers=rich)).text


REFUSED_MESSAGES = {
    "no JSON": (b"{", {}, 400),
    "a batch": (b"[]", {}, 400),
    "too large": (b" " * (4 * 1024 * 1024 + 1), {}, 413),
    "a form": (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415),
    "a subscription": (mcp.message("subscriptions/listen", {}), {}, 404),
    "headers that lie": (mcp.message("tools/list", {}), {"mcp-method": "tools/call"}, 400),
}


@pytest.mark.anyio
@pytest.mark.parametrize("settings", [JWT, IN_RESULT], ids=["status", "result"])
@pytest.mark.parametrize(("body", "extra", "status"), REFUSED_MESSAGES.values(), ids=REFUSED_MESSAGES)
async def test_message_of_a_caller_without_the_scopes_of_every_request_is_403_whatever_is_wrong_with_it(
    body: bytes, extra: dict[str, str], status: int, settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    base = {name: value for name, value in mcp.headers("tools/list").items() if not name.startswith("mcp-")}
    async with client({**settings, "MCP_SCOPES": "mcp:use"}) as http:
        for granted, answer, decision in (("other", 403, "deny"), ("mcp:use", status, "allow")):
            capsys.readouterr()
            sent = {**base, **extra, "authorization": bearer(granted)}
            answered = await http.post("/mcp", content=body, headers=sent)
            assert answered.status_code == answer, answered.text
            line = json.loads(capsys.readouterr().out.splitlines()[-1])
            assert (line["decision"], line["status"]) == (decision, answer)
