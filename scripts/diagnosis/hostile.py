"""Credentials that nobody issued: none may be let in, and none may make the server fail. Needs no token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from diagnosis.checks import Check, broken, could_not_tell, judge, not_applicable, ok
from diagnosis.endpoint import Endpoint
from diagnosis.wire import Headers, Reply

LONG = 10_000
SERVICE_UNAVAILABLE = 503


@dataclass(frozen=True)
class Attempt:
    """One made-up credential; `exact`: RFC 6750 §3.1 knows one status for it, 401."""

    note: str
    headers: Headers
    exact: bool = False
    unsigned: bool = False
    query: str = ""
    form: bool = False


def examine(endpoint: Endpoint) -> Iterator[Check]:
    if endpoint.kind == "open":
        for id_ in ("refused", "unsigned", "status", "crash", "elsewhere"):
            yield not_applicable(f"hostile.{id_}", "everybody gets in")
        return
    tried = [(attempt, _send(endpoint, attempt)) for attempt in (*_in_the_header(endpoint), *_elsewhere(endpoint))]

    def in_(unsigned: bool, elsewhere: bool) -> Reply | None:
        return next(
            (
                reply
                for attempt, reply in tried
                if attempt.unsigned == unsigned and _is_elsewhere(attempt) == elsewhere and reply.let_in
            ),
            None,
        )

    first = tried[0][1]
    opened = in_(unsigned=False, elsewhere=False)
    yield judge("hostile.refused", opened is None, opened or first, "any text passes for a token: nothing compares it")
    opened = in_(unsigned=True, elsewhere=False)
    advice = (
        "tokens are decoded, not verified: pin the algorithms, take keys from the issuer's set "
        "alone, never accept none or HS256"
    )
    unsigned = next(reply for attempt, reply in tried if attempt.unsigned)
    yield judge("hostile.unsigned", opened is None, opened or unsigned, advice)
    yield _status(endpoint, tried)
    yield _crash(tried)
    opened = in_(unsigned=False, elsewhere=True)
    advice = "only the Authorization header counts; elsewhere a token ends up in logs, and a guess is taken here"
    elsewhere = next(reply for attempt, reply in tried if _is_elsewhere(attempt))
    yield judge("hostile.elsewhere", opened is None, opened or elsewhere, advice)


def _is_elsewhere(attempt: Attempt) -> bool:
    return "Authorization" not in dict(attempt.headers)


def _send(endpoint: Endpoint, attempt: Attempt) -> Reply:
    if attempt.form:
        body = attempt.query.encode()
        headers = [("Content-Type", "application/x-www-form-urlencoded"), *attempt.headers]
        return endpoint.post(body, headers, note=attempt.note)
    joined = "&".join(part for part in (endpoint.parts.query, attempt.query) if part)
    return endpoint.post(headers=attempt.headers, note=attempt.note, url=endpoint.at(endpoint.parts.path, joined))


def _status(endpoint: Endpoint, tried: list[tuple[Attempt, Reply]]) -> Check:
    exact = [reply for attempt, reply in tried if attempt.exact]
    wrong = next((reply for reply in exact if reply.status != 401), None)
    if wrong is None:
        return ok("hostile.status", exact[0])
    if endpoint.kind == "platform":
        return not_applicable("hostile.status", f"HTTP {wrong.status} is {endpoint.cloud}'s own refusal")
    if wrong.status == SERVICE_UNAVAILABLE and wrong.value("retry-after"):
        return could_not_tell("hostile.status", "the issuer's keys are not there yet; try again", wrong)
    advice = "a client gets a new token after 401 alone; with another status it gives up, or repeats the call for ever"
    return broken("hostile.status", wrong, advice)


def _crash(tried: list[tuple[Attempt, Reply]]) -> Check:
    failing = [reply for _, reply in tried if reply.failed or reply.status is None]
    unready = [reply for reply in failing if reply.status == SERVICE_UNAVAILABLE and reply.value("retry-after")]
    crash = next((reply for reply in failing if reply not in unready), None)
    if crash is None and unready:
        return could_not_tell("hostile.crash", "the issuer's keys are not there yet; try again", unready[0])
    advice = (
        "an exception leaves the check of the token: catch everything there and answer 401, or "
        "strangers fill your error log"
    )
    if crash is not None and crash.status is None:
        advice = "the server hung up or never answered; a credential that hangs it costs money on a function"
    return judge("hostile.crash", crash is None, crash or tried[0][1], advice)


def _in_the_header(endpoint: Endpoint) -> Iterator[Attempt]:
    def bearer(note: str, value: str, *, exact: bool = False, unsigned: bool = False) -> Attempt:
        return Attempt(note, [("Authorization", value)], exact, unsigned)

    text = endpoint.canary()
    yield bearer("with a made-up token", f"Bearer {text}", exact=True)
    yield bearer("with Bearer and no token", "Bearer")
    yield bearer("with Bearer, a blank and no token", "Bearer ")
    yield bearer("with a token and no scheme", text)
    yield bearer("with Basic", "Basic " + base64.b64encode(text.encode()).decode())
    yield bearer("with the token null", "Bearer null", exact=True)
    yield bearer("with the token undefined", "Bearer undefined", exact=True)
    yield bearer("with = behind the token", f"Bearer {text}==")
    yield bearer("with two blanks", f"Bearer  {text}")
    yield bearer("with a tab", f"Bearer\t{text}")
    yield bearer("with two tokens joined by a comma", f"Bearer {text}, Bearer {text}")
    yield bearer("with a token outside ASCII", "Bearer \xe4\xf6\xfc\xff\x80")
    yield bearer("with three dots and no JSON", "Bearer a.b.c", exact=True)
    yield bearer("with five parts (JWE)", "Bearer e30.e30.e30.e30.e30")
    yield bearer(f"with a token of {LONG} characters", "Bearer " + "A" * LONG)
    yield Attempt("with two Authorization headers", [("Authorization", f"Bearer {text}")] * 2)
    yield bearer("with a JWT, alg none", "Bearer " + _jwt(endpoint, "none", ""), exact=True, unsigned=True)
    yield bearer("with a JWT, alg nOnE", "Bearer " + _jwt(endpoint, "nOnE", ""), unsigned=True)
    yield bearer("with a JWT, HS256 and an empty key", "Bearer " + _jwt(endpoint, "HS256", ""), unsigned=True)
    yield bearer("with a JWT, HS256 and the key secret", "Bearer " + _jwt(endpoint, "HS256", "secret"), unsigned=True)
    yield bearer(
        "with a JWT, RS256 and a random signature", "Bearer " + _jwt(endpoint, "RS256", ""), exact=True, unsigned=True
    )
    kid = {"kid": "../../../../dev/null"}
    yield bearer(
        "with a JWT, HS256 and a kid that is a path", "Bearer " + _jwt(endpoint, "HS256", "", kid), unsigned=True
    )


def _elsewhere(endpoint: Endpoint) -> Iterator[Attempt]:
    text = endpoint.canary()
    yield Attempt("with a made-up token in the query", [], query=f"access_token={text}")
    yield Attempt("with a made-up token in a form", [], query=f"access_token={text}", form=True)
    yield Attempt("with a made-up token in a cookie", [("Cookie", f"access_token={text}; session={text}")])
    yield Attempt("with a made-up token in X-API-Key", [("X-API-Key", text), ("Proxy-Authorization", f"Bearer {text}")])


def _jwt(endpoint: Endpoint, algorithm: str, key: str, more: dict[str, str] | None = None) -> str:
    """An access token as the endpoint would want it, but for the signature, which nobody vouches for."""
    servers = (endpoint.metadata or {}).get("authorization_servers")
    scopes = (endpoint.metadata or {}).get("scopes_supported")
    now = int(time.time())
    claims = {
        "iss": servers[0] if isinstance(servers, list) and servers else "https://issuer.example.com",
        "aud": endpoint.url,
        "sub": "doctor",
        "client_id": "doctor",
        "scope": " ".join(map(str, scopes)) if isinstance(scopes, list) else "",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": secrets.token_hex(8),
    }
    text = ".".join(_part(part) for part in ({"alg": algorithm, "typ": "at+jwt", "kid": "1", **(more or {})}, claims))
    if algorithm == "HS256":
        signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    else:
        signature = secrets.token_bytes(256) if algorithm == "RS256" else b""
    made = f"{text}.{_base64(signature)}"
    endpoint.canaries.append(made)
    return made


def _part(members: dict[str, object] | dict[str, str]) -> str:
    return _base64(json.dumps(members).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
