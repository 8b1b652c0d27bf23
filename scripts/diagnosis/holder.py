"""What changes when a good token comes: it is let in, and what it may do.

Sends the token to this endpoint alone; every `note` describes it and none quotes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from diagnosis import lookalikes
from diagnosis.challenges import read
from diagnosis.checks import Check, broken, could_not_tell, judge, not_applicable, ok
from diagnosis.endpoint import FOREIGN, LEGACY, MODERN, Endpoint, message, modern_headers, rpc
from diagnosis.rules import RULES
from diagnosis.wire import Headers, Reply
from lifecycle.verify import CAUSES
from mcp_faas.tokens import has_our_shape

IDS = tuple(id_ for id_ in RULES if id_.startswith("holder."))
NO_SUCH_TOOL = "doctor-no-such-tool"  # what is called must not do anything, should the server let it pass
DISAGREE, FORBIDDEN = -32020, -32003
DENIED = re.compile(rb"insufficient[ _]scope|mcp/www_authenticate", re.IGNORECASE)
NAME_ANOTHER = "name a tool of this server for which the token lacks a scope"


def examine(endpoint: Endpoint, forbidden_tool: str = "") -> Iterator[Check]:
    """With `forbidden_tool`, that one is called: it must be a tool for which the token lacks a scope."""
    if not endpoint.token:
        yield from (not_applicable(id_, "give a token on the first line of stdin") for id_ in IDS)
        return
    if endpoint.kind == "open":
        yield from (not_applicable(id_, "everybody gets in, with a token or without") for id_ in IDS)
        return
    reply = endpoint.post(headers=endpoint.bearing(), note="with the token")
    accepted = _accepted(endpoint, reply)
    yield accepted
    if accepted.result != "pass":
        yield from (not_applicable(id_, "the token is not let in") for id_ in IDS[1:])
        return
    modern = endpoint.post(
        message("server/discover", era=MODERN),
        [*modern_headers("server/discover"), *endpoint.bearing()],
        note="server/discover with the token",
    )
    speaks = "result" in (rpc(modern) or {})
    yield judge("holder.modern", speaks, modern, f"clients of {MODERN} fall back to initialize; nothing is broken")
    yield _tools(endpoint, reply)
    yield from lookalikes.examine(endpoint)
    yield _origin(endpoint)
    yield _get(endpoint)
    yield from _modern(endpoint, speaks)
    yield _step_up(endpoint, forbidden_tool)


def _accepted(endpoint: Endpoint, reply: Reply) -> Check:
    if reply.let_in and "result" in (rpc(reply) or {}):
        return ok("holder.accepted", reply)
    advice = CAUSES.get(reply.status, "")
    if reply.let_in:
        advice = "something else than an MCP server answers: see the path and the port"
    elif reply.refused and endpoint.kind == "oauth":
        advice = (
            "the usual causes: the token's aud is not this URL (with or without /mcp, or a "
            "slash); its issuer is not the "
            "one in the metadata; it is an ID token; it has expired; a proxy drops "
            "Authorization. The server's log has the reason"
        )
    elif reply.refused:
        advice = (
            "the token is not in the document of this door, is disabled, or is too new: gateways keep a refusal for a "
            "minute or more"
        )
    return broken("holder.accepted", reply, advice)


def _session(endpoint: Endpoint, hello: Reply) -> Headers:
    """A stateful server wants its session's id, and to hear that the client is ready."""
    session = hello.value("mcp-session-id")
    headers = [("MCP-Protocol-Version", LEGACY), *endpoint.bearing()]
    if session:
        headers.append(("Mcp-Session-Id", session))
        ready = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        endpoint.post(ready, headers, note="notifications/initialized with the token")
    return headers


def _tools(endpoint: Endpoint, hello: Reply) -> Check:
    if "tools" not in (((rpc(hello) or {}).get("result") or {}).get("capabilities") or {}):
        return not_applicable("holder.tools", "the server says that it has no tools")
    reply = endpoint.post(message("tools/list"), _session(endpoint, hello), note="tools/list with the token")
    listed = isinstance(((rpc(reply) or {}).get("result") or {}).get("tools"), list)
    advice = (
        "initialize passes and the next call does not: instances do not share the session, or "
        "the door sees only the first"
    )
    return judge("holder.tools", listed, reply, CAUSES.get(reply.status, "") or advice)


def _origin(endpoint: Endpoint) -> Check:
    reply = endpoint.post(headers=[*endpoint.bearing(), ("Origin", FOREIGN)], note=f"with the token, from {FOREIGN}")
    advice = "answer 403 to origins that are not on your list, or a page that the user opens can call local servers"
    return judge("holder.origin", reply.status == 403, reply, advice)


def _get(endpoint: Endpoint) -> Check:
    headers = [*endpoint.bearing(), ("Accept", "text/event-stream"), ("MCP-Protocol-Version", LEGACY)]
    reply = endpoint.get(headers=headers, note="with the token")
    if reply.status == 405:
        allow = reply.value("allow")
        return judge(
            "holder.get", "POST" in allow, reply, "a 405 names what is allowed (RFC 9110 §15.5.6): Allow: POST"
        )
    advice = (
        "a stream that never ends: older clients open one after initialize, and a function is billed to its timeout. "
        "Answer 405 with Allow: POST where nothing is ever pushed"
    )
    return judge("holder.get", reply.ended and reply.status is not None, reply, advice)


def _modern(endpoint: Endpoint, speaks: bool) -> Iterator[Check]:
    if not speaks:
        for id_ in ("agree", "private"):
            yield not_applicable(f"holder.{id_}", f"the server does not speak {MODERN}")
        return
    yield _agree(endpoint)
    listing = endpoint.post(
        message("tools/list", era=MODERN),
        [*modern_headers("tools/list"), *endpoint.bearing()],
        note=f"tools/list of {MODERN} with the token",
    )
    result = (rpc(listing) or {}).get("result") or {}
    advice = "cacheScope public lets a shared cache give one caller's list to another: private behind a door"
    yield judge("holder.private", result.get("cacheScope") != "public", listing, advice)


def _agree(endpoint: Endpoint) -> Check:
    """A gateway may decide by the headers and the server by the body: they must say the same (MCP 2026-07-28)."""
    called = {"name": NO_SUCH_TOOL, "arguments": {}}
    attempts = [
        ("Mcp-Method is not the body's method", message("tools/list", era=MODERN), modern_headers("server/discover")),
        (
            "Mcp-Name is not the body's tool",
            message("tools/call", called, era=MODERN),
            [*modern_headers("tools/call"), ("Mcp-Name", "another-tool")],
        ),
        ("the version is not the body's", _other_version(), modern_headers("tools/list")),
    ]
    for note, body, headers in attempts:
        reply = endpoint.post(body, [*headers, *endpoint.bearing()], note=f"with the token, {note}")
        if reply.status != 400:
            return broken(
                "holder.agree", reply, f"answer 400 with code {DISAGREE}: what a proxy decides by is a lie here"
            )
    return ok("holder.agree", reply)


def _other_version() -> bytes:
    body = json.loads(message("tools/list", era=MODERN))
    body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = LEGACY
    return json.dumps(body).encode()


def _step_up(endpoint: Endpoint, tool: str) -> Check:
    if not tool:
        return not_applicable("holder.step-up", "name a tool for which the token lacks a scope, with --forbidden-tool")
    reply = endpoint.post(
        message("tools/call", {"name": tool, "arguments": {}}),
        [("MCP-Protocol-Version", LEGACY), *endpoint.bearing()],
        note=f"tools/call of {tool} with the token",
    )
    if reply.status != 403:
        return _not_stopped(endpoint, tool, reply)
    challenge = next((one for one in read(reply) if one.is_bearer), None)
    parameters = challenge.parameters if challenge else {}
    missing = [name for name in ("scope", "resource_metadata") if not parameters.get(name)]
    if endpoint.kind != "oauth":
        missing = [name for name in missing if name != "resource_metadata"]
    if parameters.get("error") != "insufficient_scope":
        missing.insert(0, 'error="insufficient_scope"')
    advice = f"the 403's challenge lacks {', '.join(missing)}: a client cannot know what to ask for"
    return judge("holder.step-up", not missing, reply, advice)


def _not_stopped(endpoint: Endpoint, tool: str, reply: Reply) -> Check:
    """The door let the call of the forbidden tool through; whether it is forbidden, only its result tells."""
    said = rpc(reply) or {}
    if DENIED.search(reply.body) or (said.get("error") or {}).get("code") == FORBIDDEN:
        return broken("holder.step-up", reply, "clients ask for a wider scope at HTTP 403 alone, not at a tool's error")
    if not reply.let_in and not said:
        return broken("holder.step-up", reply, CAUSES.get(reply.status, "") or "a missing scope is answered with 403")
    listing = endpoint.post(
        message("tools/list"), [("MCP-Protocol-Version", LEGACY), *endpoint.bearing()], note="tools/list with the token"
    )
    result = (rpc(listing) or {}).get("result") or {}
    listed = result.get("tools")
    names = [one.get("name") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else [tool]
    if tool not in names and not result.get("nextCursor"):
        return could_not_tell("holder.step-up", f"the server lists no tool {tool}", reply, NAME_ANOTHER)
    if "result" in said:
        why = "the call reached the tool: the token has its scope, or it needs none"
        return could_not_tell("holder.step-up", why, reply, NAME_ANOTHER)
    return broken("holder.step-up", reply, "clients ask for a wider scope at HTTP 403 alone, not at an error")


def static_beside_metadata(endpoint: Endpoint) -> Check:
    """A client that finds OAuth metadata drops the static header that its user configured."""
    id_ = "static.quiet"
    if endpoint.kind == "open":
        return not_applicable(id_, "there is no token at all")
    if endpoint.kind == "oauth":
        if has_our_shape(endpoint.token):
            advice = (
                "clients that find it ignore the token they were given: a door with static tokens answers 404 there"
            )
            return broken(id_, endpoint.metadata_reply or endpoint.stranger, advice)
        return not_applicable(id_, "this is an OAuth door")
    for document in ("oauth-authorization-server", "openid-configuration"):
        reply = endpoint.fetch(endpoint.at(f"/.well-known/{document}"), note="no token")
        if reply.status == 200 and b'"issuer"' in reply.body:
            advice = "clients begin an OAuth login as soon as they find this, and drop the static header: answer 404"
            return broken(id_, reply, advice)
    return ok(id_, reply)
