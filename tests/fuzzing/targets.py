"""What is fuzzed: each target takes bytes, and raises when a promise is broken. Drivers are not in here.

Refusing by the one documented exception is keeping the promise. Letting in, any other exception, and a status of 5xx
are breaking it.
"""

from __future__ import annotations

import base64
import functools
import json
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_faas.auth.bearer import token_of
from mcp_faas.auth.compact import parse
from mcp_faas.auth.errors import AuthError
from mcp_faas.auth.jwt import Policy, verify
from mcp_faas.auth.keys import KeySetMalformed, parse_key_set
from mcp_faas.message import MessageMalformed, parse_message
from mcp_faas.platforms import aws, fc
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from mcp_faas.tokens import DocumentError, check_writable
from mcp_faas.tokens import parse as parse_document
from support import mcp
from support.gate import JWT, TOKEN, good_token
from support.jwts import ISSUER, NOW, RESOURCE, ec_key, ed_key, jwk, key_set, rsa_key, token

EVENTS = Path(__file__).parent.parent / "events"
DAY_SECONDS = 24 * 3600


class PromiseBroken(AssertionError):
    """What must never happen did."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz, and what to begin with."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...] = field(repr=False)


GOOD = frozenset(
    {
        token(),
        token({"alg": "ES256", "kid": "k2"}, key=ec_key()),
        token({"alg": "EdDSA", "kid": "k3"}, key=ed_key()),
    }
)
KEYS = key_set(jwk(rsa_key()), jwk(ec_key(), kid="k2"), jwk(ed_key(), kid="k3"))
POLICY = Policy(ISSUER, frozenset({RESOURCE}))


def access_token(data: bytes) -> None:
    """Only the very texts that the issuer made are let in: nobody can make another text of the same token."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        verify(parse(text), _keys(), POLICY, NOW)
    except AuthError:
        return
    if text not in GOOD:
        raise PromiseBroken("a token was let in that nobody has signed")


@functools.cache
def _keys() -> Any:
    return parse_key_set(KEYS)


def authorization(data: bytes) -> None:
    """One or more header values, a line each, as they come from the wire."""
    try:
        found = token_of(data.decode("latin-1").split("\n"))
    except AuthError:
        return
    if not found.isascii() or "," in found or " " in found:
        raise PromiseBroken("what was taken out of the header is not one token")


def jwk_set(data: bytes) -> None:
    try:
        keys = parse_key_set(data)
    except KeySetMalformed:
        return
    if any(algorithm.startswith(("HS", "none")) for key in keys.keys for algorithm in key.algorithms):
        raise PromiseBroken("a symmetric key became usable")


def message(data: bytes) -> None:
    try:
        found = parse_message(data)
    except MessageMalformed:
        return
    again = json.loads(data)  # what any other parser reads
    method = again.get("method") if isinstance(again.get("method"), str) else None
    if (found.method, found.id) != (method, again.get("id")):
        raise PromiseBroken("another parser reads another message")


def token_document(data: bytes) -> None:
    try:
        document = parse_document(data.decode("utf-8", "surrogateescape"))
        check_writable(document)
    except DocumentError:
        return
    if not parse_document(document.dump()).same_as(document):
        raise PromiseBroken("what was read is not what would be written back")


def lambda_event(data: bytes) -> None:
    """Any event whatsoever, without a good token in it."""
    event = _json(data)
    if event is not None:
        _judge(_lambda()(event, _lambda_context()))


def fc_event(data: bytes) -> None:
    """What FC's built-in runtime hands over: bytes, whatever is in them."""
    _judge(_fc()(data, types.SimpleNamespace(request_id="fc-1")))


def body_behind_the_door(data: bytes) -> None:
    """Any body from a caller with a good token: answered, whatever it is, and the instance lives."""
    event = {**_event("function-url"), "isBase64Encoded": True, "body": base64.b64encode(data).decode()}
    event["headers"] = {**mcp.headers("tools/call"), "authorization": f"Bearer {_good_token()}"}
    answer = _lambda()(event, _lambda_context())
    if answer["statusCode"] >= 500:
        raise PromiseBroken(f"status {answer['statusCode']}")


def _judge(answer: Mapping[str, Any]) -> None:
    """A stranger may have the health check, the metadata and a preflight's 204; no answer of the SDK, and no 5xx."""
    status, body = answer["statusCode"], answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    if status >= 500 or (status < 300 and "jsonrpc" in body):
        raise PromiseBroken(f"status {status}")


def _json(data: bytes) -> Any:
    """The events that a platform can send: it makes them itself, so they are JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


@functools.cache
def _instance() -> Instance:
    return Instance(build_app(read_settings(JWT), streaming=False))


@functools.cache
def _lambda() -> Callable[[Any, Any], Any]:
    return aws.handler_for(_instance(), None)


@functools.cache
def _fc() -> Callable[[Any, Any], Any]:
    return fc.handler_for(_instance(), RESOURCE, 9.0)


def _lambda_context() -> Any:
    return types.SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 9000)


@functools.cache
def _good_token() -> str:
    now = int(time.time())
    return good_token(iat=now, exp=now + DAY_SECONDS)


def _event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "aws" / f"{name}.json").read_text())
    return event


def _events(folder: str) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted((EVENTS / folder).glob("*.json")))


_BODIES = tuple(
    mcp.message(method, params, era=era)
    for era in mcp.ERAS
    for method, params in (
        ("tools/call", mcp.call("add", {"a": 1, "b": 2})),
        (
            "initialize",
            {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
        ),
        ("tools/list", {}),
        ("resources/read", {"uri": "note://today"}),
        ("prompts/get", {"name": "summarize", "arguments": {"text": "t"}}),
    )
)
_DOCUMENT = json.dumps({"tokens": [{"tokenName": "t1", "enable": True, "tokenData": TOKEN}], "more": 1}).encode()

TARGETS: Mapping[str, Target] = {
    "access_token": Target(access_token, tuple(text.encode() for text in sorted(GOOD))),
    "authorization": Target(
        authorization, (b"Bearer " + TOKEN.encode(), b"Bearer a\nBearer b", b"Basic eA==, Bearer x")
    ),
    "jwk_set": Target(jwk_set, (KEYS, b'{"keys":[{"kty":"oct","k":"AAAA"}]}')),
    "message": Target(message, _BODIES),
    "token_document": Target(token_document, (_DOCUMENT,)),
    "lambda_event": Target(lambda_event, _events("aws")),
    "fc_event": Target(fc_event, _events("fc")),
    "body_behind_the_door": Target(body_behind_the_door, _BODIES),
}
