"""Does the endpoint keep foreign web pages out, and let those of the chosen origin in? Sends no token.

RFC 6454 origins; the CORS protocol of Fetch; MCP's own rule that a foreign `Origin` is refused (DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Iterator

from diagnosis.checks import Check, broken, could_not_tell, judge, not_applicable, ok
from diagnosis.endpoint import FOREIGN, Endpoint
from diagnosis.wire import Reply
from lifecycle.verify import CHALLENGE, RENAMED_CHALLENGE

NEEDED = ("authorization", "content-type", "mcp-protocol-version")
ALLOWED, EXPOSED = "access-control-allow-origin", "access-control-expose-headers"
CREDENTIALS = "access-control-allow-credentials"


def preflight(endpoint: Endpoint, origin: str) -> Reply:
    asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", ", ".join(NEEDED)),
    ]
    return endpoint.get(method="OPTIONS", headers=asked, note=f"preflight from {origin}")


def examine(endpoint: Endpoint) -> Iterator[Check]:
    foreign = endpoint.post(headers=[("Origin", FOREIGN)], note=f"from {FOREIGN}, no token")
    null = endpoint.post(headers=[("Origin", "null")], note="from the origin null, no token")
    yield _foreign_origin(endpoint, foreign, null)
    yield _foreign_reader(endpoint, [foreign, null, preflight(endpoint, FOREIGN)])
    if not endpoint.origin:
        for id_ in ("preflight", "exposed", "metadata"):
            yield not_applicable(f"cors.{id_}", "name the browser's origin with --origin")
        return
    yield _preflight(endpoint)
    yield _exposed(endpoint)
    yield _metadata(endpoint)


def _foreign_origin(endpoint: Endpoint, foreign: Reply, null: Reply) -> Check:
    advice = "look at Origin before everything else and answer 403 to those that are not on your list"
    opened = next((reply for reply in (foreign, null) if reply.let_in), None)
    if opened is not None:
        return broken("origin.foreign", opened, advice)
    if foreign.status == 403 and endpoint.stranger.status != 403:
        return ok("origin.foreign", foreign)
    return could_not_tell(
        "origin.foreign", "the missing token was refused first; with a token on stdin holder.origin knows", foreign
    )


def _foreign_reader(endpoint: Endpoint, asked: list[Reply]) -> Check:
    granted = next((reply for reply in asked if _reads(reply)), None)
    if granted is None:
        return ok("cors.foreign", asked[0])
    got = f"{ALLOWED}: {granted.value(ALLOWED)}"
    if granted.value(CREDENTIALS):
        got += ", with credentials"
    if endpoint.cloud == "Function Compute":
        why = "on its default host FC's platform grants every origin by itself; a custom domain ends that"
        return could_not_tell("cors.foreign", why, granted)
    advice = (
        "any page that a user opens can read the answers: grant the origins on your list alone, "
        "one by one, with Vary: Origin"
    )
    return broken("cors.foreign", granted, advice, got)


def _reads(reply: Reply) -> bool:
    """An asterisk alone gives a page nothing that it could not fetch without the user's browser."""
    allowed = reply.value(ALLOWED)
    return allowed in (FOREIGN, "null") or (allowed == "*" and reply.value(CREDENTIALS) == "true")


def _lists(reply: Reply, name: str) -> set[str]:
    return {entry.strip().lower() for entry in reply.value(name).split(",")}


def _preflight(endpoint: Endpoint) -> Check:
    reply = preflight(endpoint, endpoint.origin)
    missing = set(NEEDED) - _lists(reply, "access-control-allow-headers")
    if "*" in _lists(reply, "access-control-allow-headers"):
        missing &= {"authorization"}  # Fetch: the asterisk never stands for this one
    if not reply.let_in:
        advice = "browsers send no token with a preflight: answer OPTIONS before the door"
        return broken("cors.preflight", reply, advice)
    if reply.value(ALLOWED) not in (endpoint.origin, "*"):
        return broken("cors.preflight", reply, f"{ALLOWED} must be {endpoint.origin}: is it on the server's list?")
    advice = f"access-control-allow-headers must hold {', '.join(sorted(missing))}"
    return judge("cors.preflight", not missing, reply, advice)


def _exposed(endpoint: Endpoint) -> Check:
    reply = endpoint.post(headers=[("Origin", endpoint.origin)], note=f"from {endpoint.origin}, no token")
    if endpoint.kind == "platform" and reply.refused:
        return not_applicable("cors.exposed", f"{endpoint.cloud} refuses by itself, and has nothing to tell a page")
    if reply.value(ALLOWED) not in (endpoint.origin, "*"):
        return broken("cors.exposed", reply, f"the refusal itself needs {ALLOWED}, or the page sees a network error")
    challenge = RENAMED_CHALLENGE if reply.values(RENAMED_CHALLENGE) else CHALLENGE
    exposed = challenge in _lists(reply, EXPOSED)
    if not reply.values(challenge):
        return not_applicable("cors.exposed", "there is no challenge that a page could read")
    return judge(
        "cors.exposed", exposed, reply, f"{EXPOSED} must hold {challenge}, or the page cannot read where to log in"
    )


def _metadata(endpoint: Endpoint) -> Check:
    if endpoint.metadata_reply is None:
        return not_applicable("cors.metadata", "there is no metadata")
    url = next(iter(endpoint.well_known().values()))
    reply = endpoint.fetch(url, [("Origin", endpoint.origin)], note=f"from {endpoint.origin}")
    granted = reply.value(ALLOWED) in (endpoint.origin, "*")
    return judge("cors.metadata", granted, reply, f"send {ALLOWED} with the metadata, too")
