"""What stands around the door in HTTP: redirects, plain http, caches, time, and what answers give away."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from urllib.parse import urlunsplit

from diagnosis.checks import Check, broken, could_not_tell, judge, not_applicable, ok
from diagnosis.endpoint import Endpoint
from diagnosis.metadata import SPOOFED
from diagnosis.wire import Reply
from lifecycle.verify import CHATTER

SLOW_SECONDS = 5.0
SHARED = re.compile(r"(?:^|[\s,])(?:public|s-maxage=[1-9]|max-age=[1-9])", re.IGNORECASE)
UNSHARED = re.compile(r"(?:^|[\s,])(?:no-store|private|no-cache)", re.IGNORECASE)


def examine(endpoint: Endpoint) -> Iterator[Check]:
    yield from _redirects(endpoint)
    yield _plain_http(endpoint)
    yield _cache(endpoint)


def _redirects(endpoint: Endpoint) -> Iterator[Check]:
    path = endpoint.parts.path
    other = path.rstrip("/") if path.endswith("/") and path != "/" else path.rstrip("/") + "/"
    slashed = endpoint.post(url=endpoint.at(other), note="no token")
    advice = (
        "the router redirects before the door and drops or forwards the token: switch redirects for slashes off "
        "(Starlette: app.router.redirect_slashes = False)"
    )
    if path in ("", "/"):
        yield not_applicable("http.redirect", "the endpoint is the root")
    else:
        yield judge("http.redirect", not slashed.redirected, slashed, advice)
    spoof = [("Host", SPOOFED), ("X-Forwarded-Host", SPOOFED)]
    asked = [
        endpoint.post(url=endpoint.at(each), headers=spoof, note="with another Host, no token")
        for each in (other, path)
    ]
    led = next((reply for reply in asked if SPOOFED in reply.value("location")), None)
    advice = "whoever can set the Host header sends callers, and their tokens, to a host of his own"
    yield judge("http.location", led is None, led or asked[0], advice)


def _plain_http(endpoint: Endpoint) -> Check:
    parts = endpoint.parts
    if parts.scheme == "http":
        return not_applicable("http.plain", "loopback needs no TLS")
    if parts.port not in (None, 443):
        return not_applicable("http.plain", "the port is not 443, so the one of http is unknown")
    plain = urlunsplit(("http", parts.hostname or "", parts.path, parts.query, ""))
    reply = endpoint.post(url=plain, note="no token, over plain http")
    serves = reply.let_in or reply.status == 401
    return judge(
        "http.plain",
        not serves,
        reply,
        "a token would cross the network in the clear: close port 80, or redirect it all",
    )


def _cache(endpoint: Endpoint) -> Check:
    said = [(reply, reply.value("cache-control")) for reply in endpoint.replies if reply.status in (401, 403)]
    stored = next((reply for reply, value in said if SHARED.search(value) and not UNSHARED.search(value)), None)
    if not said:
        return not_applicable("http.cache", "nothing was refused")
    advice = "a cache keeps the refusal and gives it to the one who has a token: send Cache-Control: no-store"
    shown = stored or said[0][0]
    return judge(
        "http.cache", stored is None, shown, advice, f"cache-control: {shown.value('cache-control') or 'none'}"
    )


def examine_all(endpoint: Endpoint) -> Iterator[Check]:
    """What only the whole of the answers shows; comes last."""
    yield _time(endpoint)
    yield _insides(endpoint)
    yield _repeated(endpoint)


def _time(endpoint: Endpoint) -> Check:
    refusals = sorted((reply for reply in endpoint.replies if reply.refused), key=lambda reply: -reply.seconds)
    if len(refusals) < 2:
        return could_not_tell("http.time", "too little was refused")
    second = refusals[1]  # the longest may have started the function
    got = (
        f"median {statistics.median(reply.seconds for reply in refusals):.2f} s, second longest {second.seconds:.2f} s"
    )
    advice = (
        "a refusal that waits for the issuer lets strangers hold up everybody: bound and cache the fetch of its keys"
    )
    return judge("http.time", second.seconds < SLOW_SECONDS, second, advice, got)


def _bytes(reply: Reply) -> bytes:
    return (
        "\n".join(f"{name}: {value}" for name, value in reply.headers).encode("latin-1", "replace") + b"\n" + reply.body
    )


def _insides(endpoint: Endpoint) -> Check:
    shown = next((reply for reply in endpoint.replies if CHATTER.search(_bytes(reply))), None)
    advice = "tracebacks and paths belong into the log: callers learn which libraries to attack"
    if shown is None:
        return ok("leak.insides", endpoint.stranger, "nothing of the kind")
    return broken("leak.insides", shown, advice, f"HTTP {shown.status} with a traceback, a path or an address in it")


def _repeated(endpoint: Endpoint) -> Check:
    secrets = [secret.encode() for secret in [endpoint.token, *endpoint.canaries] if secret]
    shown = next((reply for reply in endpoint.replies if any(secret in _bytes(reply) for secret in secrets)), None)
    if shown is None:
        return ok("leak.token", endpoint.stranger, "no answer did")
    advice = "the answer ends up in logs, screens and bug reports: never quote a credential, not even a wrong one"
    return broken("leak.token", shown, advice, f"HTTP {shown.status} repeats what was sent")
