"""Do the authorization servers that the metadata names exist, and can an MCP client use them?

As far as a resource server points to them (RFC 8414 §3, OpenID Connect Discovery): nothing is registered and nobody is
logged in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from diagnosis.checks import Check, broken, could_not_tell, judge, not_applicable, ok
from diagnosis.endpoint import Endpoint, as_object
from diagnosis.metadata import is_secure
from diagnosis.rules import RULES
from diagnosis.wire import Reply
from mcp_faas.auth.scopes import covers

IDS = tuple(id_ for id_ in RULES if id_.startswith("issuer."))
MOST = 3  # issuers that are looked at
DOCUMENTS = ("oauth-authorization-server", "openid-configuration")


@dataclass(frozen=True)
class Issuer:
    """One authorization server: where it was named, and what it says of itself."""

    url: str
    reply: Reply
    document: dict[str, Any] | None

    @property
    def machines_only(self) -> bool:
        """It says itself that nobody can log in there: no grant that needs a browser."""
        grants = (self.document or {}).get("grant_types_supported")
        return isinstance(grants, list) and "authorization_code" not in grants


def places(issuer: str) -> list[str]:
    """Where an issuer's metadata may be, in the order in which MCP clients try."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    inserted = [f"/.well-known/{name}{path}" for name in DOCUMENTS]
    appended = [f"{path}/.well-known/{DOCUMENTS[1]}"] if path else []
    return [urlunsplit((parts.scheme, parts.netloc, place, "", "")) for place in [*inserted, *appended]]


def examine(endpoint: Endpoint) -> Iterator[Check]:
    named = (endpoint.metadata or {}).get("authorization_servers")
    urls = [url for url in named if isinstance(url, str) and url] if isinstance(named, list) else []
    if endpoint.kind != "oauth" or not urls:
        yield from (not_applicable(id_, "no issuer is named") for id_ in IDS)
        return
    wrong = next((url for url in urls if not is_secure(url) or urlsplit(url).query), None)
    advice = "an issuer is an https URL without query and fragment (http only on loopback)"
    yield judge("issuer.url", wrong is None, None, advice, f"issuer: {wrong or urls[0]}")
    usable = [url for url in urls[:MOST] if is_secure(url) and not urlsplit(url).query]
    issuers = [_find(endpoint, url) for url in usable]
    if not issuers:
        yield from (not_applicable(id_, "no issuer can be asked") for id_ in IDS[1:])
        return
    silent = next((issuer for issuer in issuers if issuer.document is None), None)
    advice = "clients cannot begin to log in: serve RFC 8414 or OpenID metadata below this issuer's host"
    if silent and silent.reply.status is None:
        advice = f"clients that are elsewhere may reach it, this machine does not: {silent.reply.why}"
    yield judge("issuer.metadata", silent is None, (silent or issuers[0]).reply, advice)
    known = [issuer for issuer in issuers if issuer.document is not None]
    if not known:
        yield from (not_applicable(id_, "the issuer's metadata is not there") for id_ in IDS[2:])
        return
    yield _identical(known)
    people = next((issuer for issuer in known if not issuer.machines_only), None)
    if people is None:
        for id_ in IDS[3:]:
            yield not_applicable(id_, "the issuer says that it has no authorization_code grant: nobody logs in there")
        return
    yield from _login(endpoint, people)


def _find(endpoint: Endpoint, url: str) -> Issuer:
    """The first document there is; else the first answer, so that the report can show it."""
    first: Reply | None = None
    for place in places(url):
        reply = endpoint.fetch(place)
        document = as_object(reply) if reply.status == 200 else None
        if document is not None and "issuer" in document:
            return Issuer(url, reply, document)
        first = first or reply
        if reply.status is None:
            break
    return Issuer(url, first or Reply(""), None)


def _identical(known: list[Issuer]) -> Check:
    other = next((issuer for issuer in known if (issuer.document or {}).get("issuer") != issuer.url), None)
    shown = other or known[0]
    got = f"named {shown.url!r}, calls itself {(shown.document or {}).get('issuer')!r}"
    advice = (
        "clients must stop here: write the issuer into the resource's settings exactly as it "
        "calls itself, slash included"
    )
    return judge("issuer.identical", other is None, shown.reply, advice, got)


def _login(endpoint: Endpoint, issuer: Issuer) -> Iterator[Check]:
    document, reply = issuer.document or {}, issuer.reply
    endpoints = {name: document.get(name) for name in ("authorization_endpoint", "token_endpoint")}
    wrong = [name for name, url in endpoints.items() if not isinstance(url, str) or not is_secure(url)]
    advice = f"{' and '.join(wrong)} must be there, as https URLs"
    yield judge("issuer.endpoints", not wrong, reply, advice)
    methods = document.get("code_challenge_methods_supported")
    advice = "MCP clients refuse an issuer that does not say S256; if it does PKCE, its metadata must say so"
    got = f"code_challenge_methods_supported: {methods!r}"
    yield judge("issuer.pkce", isinstance(methods, list) and "S256" in methods, reply, advice, got)
    yield _registration(document, reply)
    yield _scopes(endpoint, document, reply)
    yield _older(endpoint)
    advice = (
        "set authorization_response_iss_parameter_supported and send iss: it stops mix-up attacks, and will be a MUST"
    )
    yield judge("issuer.iss", document.get("authorization_response_iss_parameter_supported") is True, reply, advice)


def _older(endpoint: Endpoint) -> Check:
    """Before there was protected-resource metadata, clients took the endpoint's host for the issuer."""
    reply = endpoint.fetch(endpoint.at(f"/.well-known/{DOCUMENTS[0]}"), note="as clients of 2025-03-26 do")
    document = as_object(reply) if reply.status == 200 else None
    if document is None or not isinstance(document.get("issuer"), str):
        return not_applicable("issuer.older", "nothing there: clients of 2025-03-26 alone cannot log in")
    return ok("issuer.older", reply, f"issuer: {document['issuer']}")


def _registration(document: dict[str, Any], reply: Reply) -> Check:
    ways = []
    if document.get("client_id_metadata_document_supported") is True:
        ways.append("client metadata documents")
    if isinstance(document.get("registration_endpoint"), str):
        if not is_secure(document["registration_endpoint"]):
            return broken("issuer.registration", reply, "registration_endpoint must be an https URL")
        ways.append("registration")
    if ways:
        return judge("issuer.registration", True, reply, "", " and ".join(ways))
    advice = (
        "the issuer registers no clients by itself (Cognito and Entra do not): register one by hand, with the client's "
        "redirect URIs, and give its client_id to the users, or no login begins"
    )
    return could_not_tell(
        "issuer.registration", "neither registration_endpoint nor client metadata documents", reply, advice
    )


def _scopes(endpoint: Endpoint, document: dict[str, Any], reply: Reply) -> Check:
    known, asked = document.get("scopes_supported"), (endpoint.metadata or {}).get("scopes_supported")
    bearer = endpoint.bearer
    wanted = {*asked} if isinstance(asked, list) and all(isinstance(one, str) for one in asked) else set()
    wanted |= {*(bearer.parameters.get("scope", "").split() if bearer else [])}
    if not isinstance(known, list) or not wanted:
        return not_applicable("issuer.scopes", "one of the two lists no scopes")
    known = [*map(str, known)]
    # One that names this resource was set up for it, as ours is, and need not list what lies below a scope of its own.
    resource, named = (endpoint.metadata or {}).get("resource"), document.get("protected_resources")
    is_for_it = isinstance(named, list) and resource in named
    strange = sorted(scope for scope in wanted if not (covers(known, scope) if is_for_it else scope in known))
    advice = "clients ask the issuer for these and hear invalid_scope: define them there, or list others"
    return judge(
        "issuer.scopes", not strange, reply, advice, f"unknown to the issuer: {' '.join(strange)}" if strange else "all"
    )
