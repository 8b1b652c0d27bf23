"""Is there an MCP endpoint at this URL at all, and if not, which URL was meant? No door is judged here.

A web server refuses what it does not know, too; that is no door, and no rule of a resource server applies to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from diagnosis.checks import Check, broken, not_applicable, ok
from diagnosis.endpoint import Endpoint, is_open, rpc
from diagnosis.metadata import is_secure
from diagnosis.rules import RULES
from diagnosis.wire import Reply
from lifecycle.verify import CAUSES

ID = "door.endpoint"
NOT_MCP = "something else than an MCP server answers: see scheme, host, port and path of the URL"


def is_missing(endpoint: Endpoint) -> bool:
    """Does what a stranger hears come from something else than an MCP endpoint? The metadata is known by now."""
    reply = endpoint.stranger
    if reply.refused or is_open(reply) or "jsonrpc" in (rpc(reply) or {}):
        return False
    if meant(endpoint):
        return True
    if endpoint.challenges or {"resource", "authorization_servers"} & {*(endpoint.metadata or {})}:
        return False  # a door that refuses in the wrong way, which is a finding of its own
    if not endpoint.token:
        return True
    held = endpoint.post(headers=endpoint.bearing(), note="with the token")
    return not is_open(held)  # some doors deny to strangers that they are there


def meant(endpoint: Endpoint) -> str:
    """The URL on this host that the metadata speaks of, if it is another one."""
    resource = (endpoint.metadata or {}).get("resource")
    if not isinstance(resource, str) or not is_secure(resource):
        return ""
    parts = urlsplit(resource)
    if (parts.scheme, parts.netloc) != (endpoint.parts.scheme, endpoint.parts.netloc):
        return ""  # nobody is sent to another host on the word of this one
    same = {endpoint.url, endpoint.at("")} if endpoint.parts.path in ("", "/") else {endpoint.url}
    return "" if resource in same or resource == endpoint.at("/") else resource


def examine(endpoint: Endpoint) -> Iterator[Check]:
    """The one finding there is, if nothing is here."""
    if endpoint.kind != "none":
        yield ok(ID, endpoint.stranger)
        return
    yield broken(ID, endpoint.stranger, _advice(endpoint))
    yield ok("door.kind", endpoint.stranger, "none: there is no MCP endpoint here")
    yield from (not_applicable(id_, "there is no MCP endpoint here") for id_ in RULES if id_ not in (ID, "door.kind"))


def _advice(endpoint: Endpoint) -> str:
    reply = endpoint.stranger
    url = meant(endpoint)
    if url:
        return f"ask that URL which the metadata of this host names: {url}"
    return _by_status(reply)


def _by_status(reply: Reply) -> str:
    if reply.redirected:
        return (
            "this address sends callers elsewhere: ask the endpoint's own URL. If it is this one, a login page for "
            "people stands before it: an MCP client does not follow that, so exempt the endpoint and send 401"
        )
    cause = CAUSES.get(reply.status)
    return f"{NOT_MCP}. If they are right: {cause}" if cause else NOT_MCP
