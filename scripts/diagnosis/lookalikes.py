"""What only looks like a good token: changed, spelt otherwise, doubled, or in another place. None of it may be let in.

Sends the token to this endpoint alone; every `note` describes it and none quotes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from diagnosis.checks import Check, broken, judge, not_applicable, ok
from diagnosis.endpoint import Endpoint
from diagnosis.wire import Headers

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def examine(endpoint: Endpoint) -> Iterator[Check]:
    """The token was let in by now."""
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
        [("with another last character", endpoint.bearing(tampered))],
        "the signature, or the end of the token, is not compared",
    )
    yield refused(
        "holder.padded",
        [("with = behind the token", endpoint.bearing(token + "="))],
        "one token has several spellings, so lists of revoked tokens and caches miss it: "
        "check the text before decoding",
    )
    yield refused(
        "holder.tab",
        [("with a tab", [("Authorization", f"Bearer\t{token}")])],
        "front doors and servers that split at different blanks see different tokens",
    )
    made_up = endpoint.bearing(endpoint.canary())
    good = endpoint.bearing()
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
