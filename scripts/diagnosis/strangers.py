"""Does the door keep out who has no credentials? Every era, method, spelling and forwarding header. Sends no token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diagnosis.challenges import values_of as challenge_of
from diagnosis.checks import Check, broken, judge, not_applicable, ok
from diagnosis.endpoint import FOREIGN, MODERN, Endpoint, as_object, is_open, message, modern_headers, rpc
from diagnosis.presence import is_missing
from diagnosis.wire import Reply
from lifecycle.verify import CAUSES

OPEN = (
    "THE DOOR IS OPEN: whoever knows the URL can call. On FC the trigger's authType is "
    "anonymous and the function trusts "
    "it; on AWS the route has no authorizer; elsewhere no middleware stands before the MCP app"
)
# Paths at which servers keep the older transport, and sometimes forget the door.
BESIDE = ("/", "/sse", "/messages/", "/message")
FORWARDED = (
    ("X-Original-URL", "/healthz"),
    ("X-Forwarded-Uri", "/healthz"),
    ("X-Rewrite-URL", "/healthz"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-User", "admin"),
    ("X-Amzn-Oidc-Identity", "admin"),
    ("X-Amzn-Remapped-Authorization", "Bearer made-up"),
    ("X-Forwarded-Authorization", "Bearer made-up"),
    ("X-HTTP-Method-Override", "OPTIONS"),
)


def examine(endpoint: Endpoint) -> Iterator[Check]:
    """`endpoint.stranger` and `endpoint.kind` are known by now."""
    yield _kind(endpoint)
    yield _closed(endpoint)
    yield from _methods(endpoint)
    yield _paths(endpoint)
    yield _headers(endpoint)
    yield _status(endpoint)
    yield _plain_get(endpoint)


def _past_the_door(endpoint: Endpoint, reply: Reply) -> bool:
    """Who is refused for `initialize` and hears a JSON-RPC error for something else has met the server."""
    judged = endpoint.stranger.refused and not reply.refused and not reply.failed
    return reply.let_in or (judged and "jsonrpc" in (rpc(reply) or {}))


def _kind(endpoint: Endpoint) -> Check:
    said = {
        "open": "open to everybody",
        "oauth": "an OAuth resource server: clients find where to log in",
        "static": "a static token: nothing here tells a client where to log in",
        "platform": (
            f"a static token, checked by {endpoint.cloud or 'a gateway'} itself: OAuth discovery is not possible"
        ),
    }[endpoint.kind]
    advice = ""
    if endpoint.kind in ("static", "platform"):
        advice = (
            "configure the clients with the header Authorization: Bearer …; a connector that "
            "only does OAuth cannot come in"
        )
    return ok("door.kind", endpoint.stranger, said, advice)


def _closed(endpoint: Endpoint) -> Check:
    asked = [
        endpoint.stranger,
        endpoint.post(message("tools/list"), note="tools/list without initialize, no token"),
        endpoint.post(
            message("tools/list", era=MODERN), modern_headers("tools/list"), note=f"tools/list of {MODERN}, no token"
        ),
        endpoint.post(
            message("server/discover", era=MODERN), modern_headers("server/discover"), note="server/discover, no token"
        ),
        endpoint.post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}', note="a notification, no token"),
    ]
    for reply in asked:
        if reply.let_in and not is_open(reply):
            return broken("door.closed", reply, "something else than an MCP server answers: see the path and the port")
        if _past_the_door(endpoint, reply):
            return broken("door.closed", reply, OPEN if reply.let_in else f"it got past the door; {OPEN}")
    return ok("door.closed", endpoint.stranger)


def _methods(endpoint: Endpoint) -> Iterator[Check]:
    stream = endpoint.get(headers=[("Accept", "text/event-stream")], note="as older clients do, no token")
    asked = [stream]
    for method in ("DELETE", "HEAD", "PUT", "PATCH"):
        asked.append(endpoint.get(method=method, note="no token"))
    asked.append(endpoint.post(note="no token", method="PUT"))
    opened = next((reply for reply in asked if _opened(reply)), None)
    yield judge("door.methods", opened is None, opened or stream, OPEN)
    advice = (
        "an SDK's GET opens a stream that never ends: on a function it is billed to the timeout. "
        "Check the token first, then answer 405 with Allow: POST, before the SDK sees it"
    )
    yield judge("door.ends", stream.ended and stream.status is not None, stream, advice)


def _opened(reply: Reply) -> bool:
    method = reply.sent.partition(" ")[0]
    if not reply.let_in:
        return False
    if method in ("GET", "HEAD"):
        return reply.media_type in ("text/event-stream", "application/json")
    return True


def _paths(endpoint: Endpoint) -> Check:
    path = endpoint.parts.path
    spellings: Sequence[str] = (
        path.rstrip("/") + "/",
        "/" + path,
        path + "/..;/",
        path + "/.",
        path + "%20",
        path.replace("m", "%6d", 1) if "m" in path else path + "%2f",
        path.upper(),
        path + "/healthz",
    )
    for spelling in dict.fromkeys(spelling for spelling in spellings if spelling != path):
        reply = endpoint.post(message("tools/list"), url=endpoint.at(spelling), note="tools/list, no token")
        if is_open(reply):
            return broken("door.paths", reply, "the door compares paths in another way than the router behind it")
    for beside in BESIDE:
        if beside == path:
            continue
        if beside == "/sse":
            reply = endpoint.get(endpoint.at(beside), [("Accept", "text/event-stream")], note="no token")
        else:
            reply = endpoint.post(url=endpoint.at(beside), note="no token")
        if is_open(reply):
            return broken("door.paths", reply, "another route leads to the same tools without the door")
    return ok("door.paths", endpoint.stranger, "no other spelling let anybody in")


def _headers(endpoint: Endpoint) -> Check:
    if endpoint.kind == "open":
        return not_applicable("door.headers", "everybody gets in, without any")
    alone = endpoint.post(headers=[*FORWARDED], note="with forwarding headers, no token")
    local = endpoint.post(headers=[("Host", "localhost")], note="with Host: localhost, no token")
    agent = endpoint.post(headers=[("User-Agent", "ELB-HealthChecker/2.0")], note="as a health check, no token")
    browser = endpoint.post(headers=[("Origin", endpoint.origin or FOREIGN)], note="from a browser, no token")
    opened = next((reply for reply in (alone, local, agent, browser) if reply.let_in), None)
    return judge(
        "door.headers", opened is None, opened or alone, "a header that any caller can send must not decide who gets in"
    )


def _status(endpoint: Endpoint) -> Check:
    reply = endpoint.stranger
    if reply.status == 401:
        return ok("door.status", reply)
    if endpoint.kind == "platform":
        return not_applicable("door.status", f"HTTP {reply.status} is {endpoint.cloud}'s own refusal")
    if endpoint.kind == "open":
        return broken("door.status", reply, OPEN)
    advice = CAUSES.get(reply.status, "")
    if reply.status == 403:
        advice = "403 means that logging in would not help, so no client begins to: send 401 with a challenge"
    elif reply.redirected:
        advice = (
            "a login page is for people: an MCP client does not follow it. Exempt the endpoint "
            "from the web login, and send 401"
        )
    return broken("door.status", reply, advice or "clients begin to log in at a 401, at nothing else")


def _plain_get(endpoint: Endpoint) -> Check:
    """claude.ai asks by GET first, and takes a bare 405 for a server without a login."""
    if endpoint.kind != "oauth":
        return not_applicable("door.get", "nobody is led to a login here")
    reply = endpoint.get(note="no token")
    advice = "some connectors ask by GET first and look for the challenge there: check the token before the method"
    led = bool(challenge_of(reply)[0]) or not challenge_of(endpoint.stranger)[0]
    return judge("door.get", reply.status == 401 and led, reply, advice)


def find_kind(endpoint: Endpoint) -> None:
    """Tell the doors apart by what a stranger hears; `metadata` and `challenges` are known by now."""
    reply = endpoint.stranger
    endpoint.cloud = _cloud(reply)
    if is_missing(endpoint):
        endpoint.kind = "none"
    elif reply.let_in:
        endpoint.kind = "open"
    elif endpoint.metadata_named or endpoint.metadata_reply is not None:
        endpoint.kind = "oauth"
    elif endpoint.cloud and not endpoint.challenges and reply.refused and _gateway_speaks(endpoint):
        endpoint.kind = "platform"
    else:
        endpoint.kind = "static"


def _cloud(reply: Reply) -> str:
    names = {name for name, _ in reply.headers}
    if "x-fc-request-id" in names:
        return "Function Compute"
    if names & {"apigw-requestid", "x-amzn-requestid", "x-amz-apigw-id"}:
        return "API Gateway"
    return ""


_AWS_WORDS: list[dict[str, object]] = [{"message": "Unauthorized"}, {"message": "Forbidden"}]


def _gateway_speaks(endpoint: Endpoint) -> bool:
    """Gateways have their own words for a refusal; a function behind them has others."""
    reply = endpoint.stranger
    said = as_object(reply) or {}
    if endpoint.cloud == "API Gateway":
        return said in _AWS_WORDS
    return said.get("Code") == "AccessDenied" or bool(reply.value("x-fc-error-type"))
