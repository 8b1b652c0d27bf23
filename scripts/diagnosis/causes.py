"""The known causes of connectors that ask for a login again and again, or never: which findings point to which cause.

Data and one pure function; what was found comes from the checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diagnosis.checks import Check


@dataclass(frozen=True)
class Cause:
    """A cause in plain words; any failure of `checks` points to it."""

    checks: tuple[str, ...]
    cause: str
    fix: str


CAUSES = (
    Cause(
        ("door.closed", "door.methods", "door.paths", "door.headers"),
        "There is no login because there is no door: everybody can call.",
        "Put the check before the MCP app and before its router; then run this again.",
    ),
    Cause(
        ("door.status",),
        "The refusal is not 401, so the client never begins to log in.",
        "Send 401 with a challenge to every request without a good token; 403 is for a missing scope.",
    ),
    Cause(
        (
            "challenge.present",
            "challenge.metadata",
            "challenge.bearer",
            "challenge.grammar",
            "challenge.name",
            "door.get",
        ),
        "The client finds no challenge that it can follow: “couldn't reach the server” or a login that never opens.",
        'Send WWW-Authenticate: Bearer resource_metadata="…" with each 401, GET included, '
        "and see that no proxy strips it.",
    ),
    Cause(
        (
            "metadata.found",
            "metadata.url",
            "metadata.path-form",
            "metadata.root-form",
            "metadata.direct",
            "metadata.host",
        ),
        "The metadata is not where the client looks: a stage or path prefix, a wrong host, a "
        "redirect, or the door in front.",
        "Serve it without a token at both well-known paths of the endpoint's own host.",
    ),
    Cause(
        ("metadata.resource", "metadata.secure", "metadata.spoofing", "metadata.same"),
        "The resource is not the URL that the client has: it refuses the metadata, or gets a "
        "token for another audience, "
        "which the server refuses, and so on round.",
        "Make the resource, the audience that the server demands and the URL that users paste one and the same text.",
    ),
    Cause(
        ("challenge.no-error", "challenge.rejected"),
        "error is sent where no token was, or not where a bad one was: clients throw good "
        "tokens away or keep bad ones.",
        'No error without credentials; error="invalid_token" with a bad token.',
    ),
    Cause(
        ("issuer.url", "issuer.metadata", "issuer.identical", "issuer.endpoints", "issuer.pkce"),
        "The login stops at the issuer: its metadata is missing, names another issuer, or does not promise S256.",
        "Compare the issuer in the resource's settings with the one in its own metadata, slash by slash.",
    ),
    Cause(
        ("metadata.offline", "challenge.offline", "issuer.scopes", "metadata.scopes", "challenge.values"),
        "The client asks for scopes that the issuer does not know, and hears invalid_scope.",
        "List only scopes that the issuer has; never offline_access.",
    ),
    Cause(
        ("static.quiet",),
        "OAuth metadata stands beside a static token: clients drop the header that was configured and try to log in.",
        "Answer 404 at every /.well-known/ path of a door with static tokens.",
    ),
    Cause(
        ("hostile.status", "hostile.crash"),
        "A bad or expired token hears something else than 401: the client never gets a new one.",
        "Catch every failure of the check and answer 401 invalid_token.",
    ),
    Cause(
        ("holder.accepted",),
        "A token is issued and refused: the login succeeds and begins again.",
        "Look into the server's log for the reason: audience, issuer, type, expiry, or a header that a proxy drops.",
    ),
    Cause(
        ("holder.tools", "door.ends", "holder.get", "http.redirect"),
        "The login works and the session does not: an endless GET, a redirect that drops the token, or a session that "
        "another instance does not know.",
        "405 to GET, no redirect for slashes, and no state in the instance.",
    ),
    Cause(
        ("cors.preflight", "cors.exposed", "cors.metadata"),
        "The browser may not read what the server says, so the page sees a network error.",
        "Answer the preflight without a token, and grant the origin on the 401 and on the metadata, too.",
    ),
)

NO_REGISTRATION = Cause(
    ("issuer.registration",),
    "The issuer registers no clients, so a connector has no client_id to log in with.",
    "Register one by hand and enter its id in the connector, or use an issuer with client metadata documents.",
)


def explain(checks: Iterable[Check]) -> list[Cause]:
    """The causes that the findings point to, the one that hides the others first."""
    checks = list(checks)
    failed = {check.id for check in checks if check.result == "fail"}
    found = [cause for cause in CAUSES if failed & {*cause.checks}]
    unsure = {check.id for check in checks if check.verdict == "could not tell"} | failed
    return [*found, NO_REGISTRATION] if "issuer.registration" in unsure else found
