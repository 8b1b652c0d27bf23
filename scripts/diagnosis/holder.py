"""What changes when a good token comes: it is let in, and nothing that only resembles it.

Sends the token to this endpoint alone; every `note` describes it and none quotes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from diagnosis.challenges import read
from diagnosis.checks import Check, broken, judge, not_applicable, ok
from diagnosis.endpoint import FOREIGN, LEGACY, MODERN, Endpoint, message, modern_headers, rpc
from diagnosis.rules import RULES
from diagnosis.wire import Headers, Reply
from lifecycle.verify import CAUSES
from mcp_faas.tokens import has_our_shape

IDS = tuple(id_ for id_ in RULES if id_.startswith("holder."))
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NO_SUCH_TOOL = "doctor-no-such-tool"  # what is called must not do anything, should the server let it pass
DISAGREE = -32020


def examine(endpoint: Endpoint, forbidden_tool: str = "") -> Iterator[Check]:
    """With `forbidden_tool`, that one is called: it must be a tool for which the token lacks a scope."""
    if not endpoint.token:
        yield from (not_applicable(id_, "give a token on the first line of stdin") for id_ in IDS)
        return
    if endpoint.kind == "open":
        yield from (not_applicable(id_, "everybody gets in, with a token or without") for id_ in IDS)
        return
    reply = endpoint.post(headers=bearer(endpoint), note="with the token")
    accepted = _accepted(endpoint, reply)
    yield accepted
    if accepted.result != "pass":
        yield from (not_applicable(id_, "the token is not let in") for id_ in IDS[1:])
        return
    modern = endpoint.post(
        message("server/discover", era=MODERN),
        [*modern_headers("server/discover"), *bearer(endpoint)],
        note="server/discover with the token",
    )
    speaks = "result" in (rpc(modern) or {})
    yield judge("holder.modern", speaks, modern, f"clients of {MODERN} fall back to initialize; nothing is broken")
    yield _tools(endpoint, reply)
    yield from _alike(endpoint)
    yield _origin(endpoint)
    yield _get(endpoint)
    yield from _modern(endpoint, speaks)
    yield _step_up(endpoint, forbidden_tool)


def bearer(endpoint: Endpoint, token: str = "") -> Headers:
    return [("Authorization", f"Bearer {token or endpoint.token}")]


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
    headers = [("MCP-Protocol-Version", LEGACY), *bearer(endpoint)]
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


def _alike(endpoint: Endpoint) -> Iterator[Check]:
    """What only looks like the token."""
    token = endpoint.token
    yield _scheme(endpoint)

    def refused(id_: str, attempts: Sequence[tuple[str, Headers]], advice: str) -> Check:
        replies = [endpoint.post(headers=headers, note=note) for note, headers in attempts]
        wrong = next((reply for reply in replies if reply.let_in or reply.failed), None)
        if wrong is not None and wrong.failed:
            return broken(id_, wrong, "the server fails where it should refuse with 400 or 401")
        return judge(id_, wrong is None, wrong or replies[0], advice)

    yield refused(
        "holder.bare",
        [
            ("with the token and no scheme", [("Authorization", token)]),
            ("with the token as Basic", [("Authorization", f"Basic {token}")]),
        ],
        "two parts of the server, or a gateway and the server, then read one header in two ways",
    )
    tampered = token[:-1] + _other(token[-1])
    yield refused(
        "holder.tampered",
        [("with another last character", bearer(endpoint, tampered))],
        "the signature, or the end of the token, is not compared",
    )
    yield refused(
        "holder.padded",
        [("with = behind the token", bearer(endpoint, token + "="))],
        "one token has several spellings, so lists of revoked tokens and caches miss it: "
        "check the text before decoding",
    )
    yield refused(
        "holder.tab",
        [("with a tab", [("Authorization", f"Bearer\t{token}")])],
        "front doors and servers that split at different blanks see different tokens",
    )
    made_up = bearer(endpoint, endpoint.canary())
    good = bearer(endpoint)
    yield refused(
        "holder.twice",
        [
            ("with the token and a made-up one in two headers", [*good, *made_up]),
            ("with a made-up token and the token in two headers", [*made_up, *good]),
        ],
        "a gateway that looks at one header and a server that looks at the other are both deceived: refuse two",
    )
    joined = f"Bearer {token}, Bearer {endpoint.canary()}"
    yield refused(
        "holder.joined",
        [("with two credentials in one header", [("Authorization", joined)])],
        "gateways join repeated headers with a comma: whoever is let in so was checked by one part of it",
    )
    yield _query(endpoint)
    yield _elsewhere(endpoint)


def _other(character: str) -> str:
    """Another character whose highest bit differs, so that it never decodes to the same bytes."""
    place = BASE64URL.find(character)
    return BASE64URL[place ^ 32] if place >= 0 else "A"


def _scheme(endpoint: Endpoint) -> Check:
    for scheme in ("bearer", "BEARER"):
        reply = endpoint.post(
            headers=[("Authorization", f"{scheme} {endpoint.token}")], note=f"with the scheme {scheme}"
        )
        if not reply.let_in:
            if endpoint.kind == "platform":
                why = f"{endpoint.cloud} compares the scheme letter by letter; clients write Bearer"
                return not_applicable("holder.scheme", why)
            return broken("holder.scheme", reply, "compare the scheme without regard to case")
    return ok("holder.scheme", reply)


def _query(endpoint: Endpoint) -> Check:
    query = "&".join(part for part in (endpoint.parts.query, f"access_token={quote(endpoint.token)}") if part)
    reply = endpoint.post(url=endpoint.at(endpoint.parts.path, query), note="with the token in the query alone")
    return judge("holder.query", not reply.let_in, reply, "tokens in URLs end up in logs and histories: ignore them")


def _elsewhere(endpoint: Endpoint) -> Check:
    token = endpoint.token
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    replies = [
        endpoint.post(f"access_token={quote(token)}".encode(), form, note="with the token in a form"),
        endpoint.post(headers=[("Cookie", f"access_token={token}")], note="with the token in a cookie"),
        endpoint.post(
            headers=[("X-Forwarded-Authorization", f"Bearer {token}")], note="with the token in another header"
        ),
    ]
    opened = next((reply for reply in replies if reply.let_in), None)
    advice = "only the Authorization header counts: cookies are sent by any page that a browser opens"
    return judge("holder.elsewhere", opened is None, opened or replies[0], advice)


def _origin(endpoint: Endpoint) -> Check:
    reply = endpoint.post(headers=[*bearer(endpoint), ("Origin", FOREIGN)], note=f"with the token, from {FOREIGN}")
    advice = "answer 403 to origins that are not on your list, or a page that the user opens can call local servers"
    return judge("holder.origin", reply.status == 403, reply, advice)


def _get(endpoint: Endpoint) -> Check:
    headers = [*bearer(endpoint), ("Accept", "text/event-stream"), ("MCP-Protocol-Version", LEGACY)]
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
        [*modern_headers("tools/list"), *bearer(endpoint)],
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
        reply = endpoint.post(body, [*headers, *bearer(endpoint)], note=f"with the token, {note}")
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
        [("MCP-Protocol-Version", LEGACY), *bearer(endpoint)],
        note=f"tools/call of {tool} with the token",
    )
    if reply.status != 403:
        said = (rpc(reply) or {}).get("result") or {}
        if reply.let_in and not said.get("isError"):
            return broken("holder.step-up", reply, "the tool has run: it needs no scope, or the token has it")
        return broken("holder.step-up", reply, "clients ask for a wider scope at HTTP 403 alone, not at a tool's error")
    challenge = next((one for one in read(reply) if one.is_bearer), None)
    parameters = challenge.parameters if challenge else {}
    missing = [name for name in ("scope", "resource_metadata") if not parameters.get(name)]
    if endpoint.kind != "oauth":
        missing = [name for name in missing if name != "resource_metadata"]
    if parameters.get("error") != "insufficient_scope":
        missing.insert(0, 'error="insufficient_scope"')
    advice = f"the 403's challenge lacks {', '.join(missing)}: a client cannot know what to ask for"
    return judge("holder.step-up", not missing, reply, advice)


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
