"""Every rule that the doctor checks: id, level, where it is written, and what should be true. Data alone.

`docs/doctor.md` shows this table, and a run says something about each of its lines, if only why it does not apply.
MUST and SHOULD are the source's own words. "practice" is no standard: a real client or platform is known to trip there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["MUST", "SHOULD", "INFO"]

SPEC = "MCP 2026-07-28, authorization"
TRANSPORT = "MCP 2026-07-28, transports"
PRACTICES = "MCP security best practices"


@dataclass(frozen=True)
class Rule:
    id: str
    level: Level
    source: str
    what: str


_RULES = [
    # Who gets in without credentials.
    Rule("door.endpoint", "MUST", TRANSPORT, "an MCP endpoint answers at this URL"),
    Rule("door.kind", "INFO", "practice", "which kind of door this is"),
    Rule("door.closed", "MUST", SPEC + ": access token usage", "a stranger is not let in, in any era"),
    Rule("door.methods", "MUST", SPEC + ": access token usage", "a stranger is not let in by any HTTP method"),
    Rule("door.paths", "MUST", PRACTICES, "no other spelling of the path, and no route beside it, lets a stranger in"),
    Rule("door.headers", "MUST", "RFC 9700 §4.13", "no header that a proxy might have set lets a stranger in"),
    Rule("door.status", "MUST", SPEC + ": error handling", "who has no token hears 401"),
    Rule("door.get", "SHOULD", "practice", "GET without a token is 401 as well, not a bare 405"),
    Rule("door.ends", "MUST", TRANSPORT, "GET without a token comes to an end"),
    # The challenge.
    Rule("challenge.present", "MUST", "RFC 9110 §15.5.2", "a 401 carries WWW-Authenticate"),
    Rule("challenge.name", "SHOULD", "RFC 9110 §11.6.1", "the challenge arrives under its own name"),
    Rule("challenge.body", "SHOULD", "practice", "a challenge that a gateway renames stands in the JSON body too"),
    Rule("challenge.grammar", "MUST", "RFC 9110 §11.6.1", "the challenge is grammatical"),
    Rule("challenge.bearer", "MUST", "RFC 6750 §3", "one of the challenges is Bearer, with a parameter"),
    Rule("challenge.once", "SHOULD", "RFC 6750 §3", "there is one Bearer challenge, not two"),
    Rule("challenge.values", "MUST", "RFC 6750 §3", "scope, error and description hold allowed characters alone"),
    Rule("challenge.no-error", "SHOULD", "RFC 6750 §3.1", "without credentials the challenge has no error"),
    Rule("challenge.metadata", "SHOULD", "RFC 9728 §5.1", "the challenge names resource_metadata"),
    Rule("challenge.scope", "SHOULD", SPEC + ": scope selection", "the challenge names the scopes that are needed"),
    Rule("challenge.offline", "SHOULD", SPEC + ": refresh tokens", "the challenge does not ask for offline_access"),
    Rule("challenge.rejected", "SHOULD", "RFC 6750 §3.1", "a bad token hears error=invalid_token"),
    # Protected-resource metadata.
    Rule(
        "metadata.found", "MUST", SPEC + ": discovery", ("metadata is found through the challenge or a well-known path")
    ),
    Rule("metadata.url", "MUST", "RFC 9728 §3, §5.1", "the URL in the challenge is https, absolute and answers"),
    Rule("metadata.host", "SHOULD", "practice", "the URL in the challenge is on the endpoint's own host"),
    Rule(
        "metadata.path-form",
        "MUST",
        "RFC 9728 §3.1",
        ("the well-known path with the endpoint's path behind it answers"),
    ),
    Rule("metadata.root-form", "SHOULD", "practice", "the well-known path alone answers as well"),
    Rule("metadata.same", "SHOULD", "RFC 9728 §3", "all of these say the same"),
    Rule("metadata.direct", "MUST", "RFC 9728 §3.2", "the metadata is 200, not a redirect and not behind the door"),
    Rule("metadata.type", "MUST", "RFC 9728 §3.2", "its media type is application/json"),
    Rule("metadata.json", "MUST", "RFC 9728 §3.2", "it is a JSON object, no member twice"),
    Rule("metadata.resource", "MUST", "RFC 9728 §3.3", "resource is the endpoint's URL, byte for byte"),
    Rule("metadata.secure", "MUST", "RFC 9728 §1.2", "resource is an https URL without a fragment"),
    Rule("metadata.servers", "MUST", SPEC + ": discovery", "authorization_servers names at least one issuer"),
    Rule("metadata.methods", "MUST", SPEC + ": token requirements", "tokens are taken from the header, not the query"),
    Rule("metadata.offline", "SHOULD", SPEC + ": refresh tokens", "scopes_supported does not hold offline_access"),
    Rule("metadata.scopes", "MUST", "RFC 9728 §2", "scopes_supported is a list of scopes"),
    Rule("metadata.spoofing", "MUST", "RFC 9700 §4.13", "a caller's Host and forwarding headers change neither URL"),
    # The authorization servers that it names.
    Rule("issuer.url", "MUST", "RFC 8414 §2", "each issuer is an https URL without query and fragment"),
    Rule("issuer.metadata", "MUST", "RFC 8414 §3", "each issuer's metadata answers at a well-known path"),
    Rule("issuer.identical", "MUST", "RFC 8414 §3.3", "its issuer is the URL it was found by, byte for byte"),
    Rule("issuer.endpoints", "MUST", "RFC 8414 §2", "it has authorization and token endpoints, by https"),
    Rule("issuer.pkce", "MUST", SPEC + ": code protection", "code_challenge_methods_supported holds S256"),
    Rule("issuer.registration", "SHOULD", SPEC + ": registration", "a client can make itself known"),
    Rule("issuer.scopes", "INFO", "practice", "the issuer knows the scopes that the resource asks for"),
    Rule(
        "issuer.older", "INFO", "MCP 2025-03-26, authorization", "the oldest clients find an issuer on this host, too"
    ),
    Rule("issuer.iss", "SHOULD", "RFC 9207 §3", "its authorization responses name their issuer"),
    # Tokens that nobody issued.
    Rule("hostile.refused", "MUST", SPEC + ": token handling", "no made-up token is let in"),
    Rule("hostile.unsigned", "MUST", "RFC 8725 §3.2", "no JWT with alg none or a guessed key is let in"),
    Rule("hostile.status", "MUST", SPEC + ": token handling", "an invalid token hears 401"),
    Rule("hostile.crash", "MUST", SPEC + ": error handling", "no credential makes the server fail (5xx)"),
    Rule(
        "hostile.elsewhere",
        "MUST",
        SPEC + ": token requirements",
        ("a made-up token is refused in query, form, cookie"),
    ),
    # HTTP around it.
    Rule("http.redirect", "SHOULD", "RFC 9700 §4.13", "a slash at the end is no redirect past the door"),
    Rule("http.location", "MUST", "RFC 9700 §4.13", "no redirect leads where the Host header says"),
    Rule("http.plain", "MUST", "OAuth 2.1 §1.5", "http:// on the same host does not serve the endpoint"),
    Rule("http.cache", "SHOULD", "RFC 9111 §5.2.2", "a refusal is not stored by shared caches"),
    Rule("http.time", "INFO", "practice", "a refusal takes less than 5 s"),
    Rule("leak.insides", "SHOULD", PRACTICES, "no answer shows tracebacks, paths or addresses"),
    Rule("leak.token", "MUST", PRACTICES, "no answer repeats a credential"),
    # Browsers.
    Rule("origin.foreign", "MUST", TRANSPORT + ": Origin", "a foreign Origin is refused"),
    Rule("cors.foreign", "SHOULD", "Fetch, CORS protocol", "a foreign origin may not read the answers"),
    Rule("cors.preflight", "SHOULD", "Fetch, CORS protocol", "the origin's preflight is granted without a token"),
    Rule("cors.exposed", "SHOULD", "Fetch, CORS protocol", "the origin may read the 401 and its challenge"),
    Rule("cors.metadata", "SHOULD", "Fetch, CORS protocol", "the origin may read the metadata"),
    # Static tokens.
    Rule("static.quiet", "SHOULD", "practice", "beside static tokens there is no OAuth metadata"),
    # The holder of a token.
    Rule("holder.accepted", "MUST", SPEC + ": access token usage", "the token is let in"),
    Rule("holder.modern", "INFO", TRANSPORT, "the 2026-07-28 era is spoken, too"),
    Rule("holder.tools", "MUST", "MCP, tools", "tools/list answers the holder"),
    Rule("holder.scheme", "MUST", "RFC 9110 §11.1", "the scheme is taken in any case"),
    Rule("holder.bare", "MUST", "RFC 6750 §2.1", "the token with another scheme, or with none, is refused"),
    Rule("holder.tampered", "MUST", SPEC + ": token handling", "the token with another last character is refused"),
    Rule("holder.padded", "SHOULD", "RFC 7515 §2", "the token with = behind it is refused"),
    Rule("holder.tab", "SHOULD", "RFC 6750 §2.1", "a tab in place of the blank is refused"),
    Rule("holder.twice", "MUST", "RFC 9110 §5.3, RFC 6750 §2", "two Authorization headers are refused in either order"),
    Rule("holder.joined", "MUST", "RFC 6750 §2.1", "two credentials in one header are refused"),
    Rule("holder.query", "MUST", SPEC + ": token requirements", "the token in the query alone is refused"),
    Rule(
        "holder.elsewhere",
        "MUST",
        SPEC + ": token requirements",
        ("the token in a form, a cookie or another header is refused"),
    ),
    Rule("holder.origin", "MUST", TRANSPORT + ": Origin", "a foreign Origin is 403 with a good token, too"),
    Rule("holder.get", "SHOULD", TRANSPORT, "GET with a token is 405, or at least ends"),
    Rule("holder.agree", "MUST", TRANSPORT + ": headers", "headers that contradict the body are 400"),
    Rule("holder.private", "SHOULD", TRANSPORT + ": caching", "what the holder may list is not for shared caches"),
    Rule("holder.step-up", "SHOULD", SPEC + ": scope challenges", "a missing scope is 403 with one whole challenge"),
]

RULES = {rule.id: rule for rule in _RULES}
