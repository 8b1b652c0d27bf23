"""Is the protected-resource metadata (RFC 9728) where clients look, and does it say what they compare?

Fetches documents of the endpoint; what they name is another module's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from diagnosis.challenge import SCOPE
from diagnosis.checks import Check, broken, judge, not_applicable, ok
from diagnosis.endpoint import Endpoint
from diagnosis.rules import RULES
from diagnosis.wire import Headers, Reply
from mcp_faas.stores import LOOPBACK
from mcp_faas.strict_json import DuplicateMember, NotANumber, loads

IDS = tuple(id_ for id_ in RULES if id_.startswith("metadata."))
SPOOFED = "spoofed.example"
SPOOFS: tuple[tuple[str, Headers], ...] = (
    ("Host", [("Host", SPOOFED)]),
    (
        "forwarding headers",
        [
            ("X-Forwarded-Host", SPOOFED),
            ("X-Forwarded-Server", SPOOFED),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Prefix", f"/{SPOOFED}"),
            ("Forwarded", f"host={SPOOFED};proto=http"),
            ("X-Original-Host", SPOOFED),
        ],
    ),
)


class Sources:
    """The answers at every place where metadata may be."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.forms = {name: endpoint.fetch(url, note="no token") for name, url in endpoint.well_known().items()}
        self.named: Reply | None = None
        if endpoint.metadata_named:
            known = {url: name for name, url in endpoint.well_known().items()}
            if endpoint.metadata_named in known:
                self.named = self.forms[known[endpoint.metadata_named]]
            elif is_secure(endpoint.metadata_named):
                self.named = endpoint.fetch(endpoint.metadata_named)
        self.best = next((reply for reply in (self.named, *self.forms.values()) if reply and reply.status == 200), None)

    def all(self) -> list[Reply]:
        replies = [*([self.named] if self.named else []), *self.forms.values()]
        return list({id(reply): reply for reply in replies}.values())


def is_secure(url: str) -> bool:
    """https, or http to this very machine; an absolute URL without a fragment or a user's name."""
    try:
        parts = urlsplit(url)
        fine = parts.hostname and not parts.fragment and "#" not in url and not parts.username and parts.port != 0
    except ValueError:
        return False
    return bool(fine) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def look(endpoint: Endpoint) -> Sources:
    """Find the metadata, for the other checks too."""
    bearer = endpoint.bearer
    endpoint.metadata_named = (bearer.parameters.get("resource_metadata", "") if bearer else "").strip()
    sources = Sources(endpoint)
    if sources.best is not None and not _is_page(sources.best):
        endpoint.metadata_reply = sources.best
        try:
            found = loads(sources.best.body.decode())
        except (ValueError, RecursionError):
            found = None
        endpoint.metadata = found if isinstance(found, dict) else None
    return sources


def _is_page(reply: Reply) -> bool:
    """A web application answers every path with its own page; that is no metadata, and no wish to have any."""
    return reply.media_type == "text/html" and b"authorization_servers" not in reply.body


def examine(endpoint: Endpoint, sources: Sources) -> Iterator[Check]:
    if endpoint.kind != "oauth":
        yield from (not_applicable(id_, "this door leads to no login") for id_ in IDS)
        return
    yield _found(endpoint, sources)
    yield from _url(endpoint, sources)
    yield from _forms(sources)
    reply = endpoint.metadata_reply
    if reply is None:
        for id_ in IDS[7:-1]:
            yield not_applicable(id_, "there is no metadata")
    else:
        yield judge(
            "metadata.type",
            reply.media_type == "application/json",
            reply,
            "send Content-Type: application/json",
            f"content-type: {reply.value('content-type')}",
        )
        yield _json(endpoint, reply)
        yield from _members(endpoint, reply)
    yield _spoofing(endpoint, sources)


def _found(endpoint: Endpoint, sources: Sources) -> Check:
    reply = endpoint.metadata_reply or sources.named or sources.forms["path-form"]
    advice = (
        "serve RFC 9728 metadata at /.well-known/oauth-protected-resource, and the same with the "
        "endpoint's path behind it"
    )
    return judge("metadata.found", endpoint.metadata_reply is not None, reply, advice)


def _url(endpoint: Endpoint, sources: Sources) -> Iterator[Check]:
    named = endpoint.metadata_named
    if not named:
        yield not_applicable("metadata.url", "the challenge names no URL")
        yield not_applicable("metadata.host", "the challenge names no URL")
        return
    reply = sources.named
    if reply is None:
        advice = "resource_metadata must be an absolute https URL (http only on loopback), without a fragment"
        yield broken("metadata.url", None, advice, named)
    else:
        advice = (
            "the challenge sends clients to a place where no metadata is: behind a stage, a "
            "prefix or a proxy the URL differs"
        )
        if reply.status is None:
            advice = f"clients cannot reach it: {reply.why}"
        yield judge("metadata.url", reply.status == 200, reply, advice)
    same = urlsplit(named).netloc.lower() == endpoint.parts.netloc.lower()
    advice = "some clients look on the endpoint's host alone: serve it there; the server may not know its public URL"
    yield judge("metadata.host", same, reply, advice, named)


def _forms(sources: Sources) -> Iterator[Check]:
    for name, reply in sources.forms.items():
        advice = "clients that find no challenge ask here: " + (
            "RFC 9728 puts the well-known part between host and path"
            if name == "path-form"
            else "serve the same document under both paths"
        )
        yield judge(f"metadata.{name}", reply.status == 200 and not _is_page(reply), reply, advice)
    answers = [reply for reply in sources.all() if reply.status == 200]
    differ = next((reply for reply in answers if reply.body != answers[0].body), None)
    advice = "two places tell two things; which one a client follows depends on the client"
    if answers:
        yield judge("metadata.same", differ is None, differ or answers[0], advice)
    else:
        yield not_applicable("metadata.same", "there is no metadata")
    wrong = next((reply for reply in sources.all() if reply.redirected or reply.refused), None)
    advice = "metadata is for those who have no token yet, and clients need not follow redirects: answer 200 at once"
    yield judge("metadata.direct", wrong is None, wrong or sources.all()[0], advice)


def _json(endpoint: Endpoint, reply: Reply) -> Check:
    try:
        found = loads(reply.body.decode())
    except DuplicateMember:
        return broken("metadata.json", reply, "a member is there twice: which one counts depends on the client")
    except (ValueError, NotANumber, RecursionError):
        return broken("metadata.json", reply, "this is not JSON, so clients find nothing")
    return judge("metadata.json", isinstance(found, dict), reply, "the document must be an object")


def _members(endpoint: Endpoint, reply: Reply) -> Iterator[Check]:
    document = endpoint.metadata
    if document is None:
        for id_ in ("resource", "secure", "servers", "methods", "offline", "scopes"):
            yield not_applicable(f"metadata.{id_}", "the metadata cannot be read")
        return
    yield _resource(endpoint, document.get("resource"), reply)
    resource = document.get("resource")
    yield judge(
        "metadata.secure",
        isinstance(resource, str) and is_secure(resource),
        reply,
        "the server builds http:// behind a proxy that ends TLS, or adds a fragment: tell it its public https URL",
        f"resource: {resource!r}",
    )
    servers = document.get("authorization_servers")
    named = isinstance(servers, list) and bool(servers) and all(isinstance(one, str) and one for one in servers)
    yield judge(
        "metadata.servers", named, reply, "without an issuer nobody can log in", f"authorization_servers: {servers!r}"
    )
    methods = document.get("bearer_methods_supported", ["header"])
    right = isinstance(methods, list) and "header" in methods and not {"query", "body"} & {*map(str, methods)}
    yield judge(
        "metadata.methods",
        right,
        reply,
        'MCP sends tokens in the Authorization header alone: ["header"]',
        f"bearer_methods_supported: {methods!r}",
    )
    scopes = document.get("scopes_supported", [])
    listed = isinstance(scopes, list) and all(
        isinstance(one, str) and SCOPE.fullmatch(one) and " " not in one for one in scopes
    )
    held = isinstance(scopes, list) and "offline_access" in scopes
    advice = (
        "clients ask the issuer for all that is listed; many refuse offline_access, and the "
        "login fails with invalid_scope"
    )
    yield judge("metadata.offline", not held, reply, advice)
    yield judge(
        "metadata.scopes", listed, reply, "a list of texts, one scope each, no blanks", f"scopes_supported: {scopes!r}"
    )


def _resource(endpoint: Endpoint, resource: Any, reply: Reply) -> Check:
    got = f"resource: {resource!r}"
    root = endpoint.parts.path in ("", "/") and resource in (endpoint.at(""), endpoint.at("/"))
    if resource == endpoint.url or root:  # of a root alone the two forms are one URI (RFC 3986 §6.2.3)
        return ok("metadata.resource", reply, got)
    advice = f"clients compare it with {endpoint.url} and give up, or ask for a token that this server then refuses. "
    if not isinstance(resource, str):
        advice += "It must be a text"
    elif resource.rstrip("/") == endpoint.url.rstrip("/"):
        advice += "Only the slash at the end differs: leave it out on both sides"
    elif endpoint.url.startswith(resource.rstrip("/") + "/"):
        advice += "The path of the endpoint is missing"
    elif resource.lower() == endpoint.url.lower():
        advice += "Only the case differs: write scheme and host in lower case"
    else:
        advice += "Tell the server its public URL (here MCP_PUBLIC_URL), port and stage included"
    return broken("metadata.resource", reply, advice, got)


def _spoofing(endpoint: Endpoint, sources: Sources) -> Check:
    """A metadata document that follows the caller's headers can be poisoned in a cache, and sends logins elsewhere."""
    reply = endpoint.stranger
    for what, headers in SPOOFS:
        advice = f"URLs are built from the caller's {what}: take the public URL from a setting, never from a request"
        note = f"with another {what}"
        reply = endpoint.post(headers=headers, note=f"{note}, no token")
        challenge = reply.value("www-authenticate") + reply.value("x-amzn-remapped-www-authenticate")
        if SPOOFED in challenge or SPOOFED.encode() in reply.body:
            return broken("metadata.spoofing", reply, advice)
        for name, url in endpoint.well_known().items():
            before, reply = sources.forms[name], endpoint.fetch(url, headers, note=note)
            changed = before.status == reply.status == 200 and before.body != reply.body
            if changed or SPOOFED.encode() in reply.body:
                return broken("metadata.spoofing", reply, advice)
    return ok("metadata.spoofing", reply, "both stayed as they were")
