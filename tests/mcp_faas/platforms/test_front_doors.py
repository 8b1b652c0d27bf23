"""Challenge and metadata behind every front door of both clouds: byte for byte, found where the challenge says, and
untouched by whatever a caller sends."""

from __future__ import annotations

import asyncio
import json
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

import tools
from aws import mcp_events
from mcp_faas.platforms import aws, fc
from mcp_faas.platforms.instance import Instance
from mcp_faas.server import build_app
from mcp_faas.settings import read_settings
from support import mcp
from support.jwts import ISSUER, jwk, key_set, rsa_key

SETTINGS = {
    "MCP_DOOR": "jwt",
    "MCP_JWT_ISSUER": ISSUER,
    "MCP_JWT_JWKS": key_set(jwk(rsa_key())).decode(),
    "MCP_SCOPES": "mcp:use",
}
FC_EVENT = json.loads((Path(__file__).parents[2] / "events/fc/http_trigger.json").read_text())
WELL_KNOWN = "/.well-known/oauth-protected-resource"
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class FrontDoor:
    """One place of deployment: the endpoint's URL, where its metadata is, and how a request reaches the function."""

    resource: str
    metadata: str
    event: Callable[[str, str, dict[str, str], str], Any] | None  # None: FC's web function, which takes HTTP
    configured: bool = False  # MCP_PUBLIC_URL says the resource; else the platform does

    @property
    def host(self) -> str:
        return urlsplit(self.resource).netloc


def on_lambda(door: mcp_events.Door, domain: str | None = None) -> Callable[[str, str, dict[str, str], str], Any]:
    def event(method: str, path: str, headers: dict[str, str], body: str) -> Any:
        made = mcp_events.event(door, method=method, headers=headers, body=body)
        made["rawPath"] = made["requestContext"]["http"]["path"] = path
        if domain is not None:
            made["requestContext"]["domainName"] = domain
        return made

    return event


def on_fc(method: str, path: str, headers: dict[str, str], body: str) -> Any:
    context = {**FC_EVENT["requestContext"], "http": {**FC_EVENT["requestContext"]["http"], "method": method}}
    made = {**FC_EVENT, "rawPath": path, "headers": headers, "requestContext": context, "queryParameters": {}}
    return json.dumps({**made, "body": body, "isBase64Encoded": False}).encode()


def host_of(door: mcp_events.Door) -> str:
    name: str = mcp_events.event(door)["requestContext"]["domainName"]
    return name


URL, API, STAGE = (host_of(door) for door in mcp_events.DOORS)
OWN, FC_HOST = "mcp.example.com", "abcdefgh.cn-hangzhou.fcapp.run"
FRONT_DOORS = {
    "Function URL": FrontDoor(f"https://{URL}/mcp", f"https://{URL}{WELL_KNOWN}/mcp", on_lambda("function-url")),
    "HTTP API": FrontDoor(f"https://{API}/mcp", f"https://{API}{WELL_KNOWN}/mcp", on_lambda("http-api")),
    "HTTP API, named stage": FrontDoor(
        f"https://{STAGE}/prod/mcp", f"https://{STAGE}/prod{WELL_KNOWN}/mcp", on_lambda("http-api-named-stage")
    ),
    "HTTP API, named stage, configured": FrontDoor(
        f"https://{STAGE}/prod/mcp", f"https://{STAGE}/prod{WELL_KNOWN}/mcp", on_lambda("http-api-named-stage"), True
    ),
    "HTTP API, its own domain": FrontDoor(
        f"https://{OWN}/mcp", f"https://{OWN}{WELL_KNOWN}/mcp", on_lambda("http-api", OWN)
    ),
    "HTTP API, its own domain for a named stage": FrontDoor(
        f"https://{OWN}/mcp", f"https://{OWN}{WELL_KNOWN}/mcp", on_lambda("http-api-named-stage", OWN)
    ),
    "a proxy before the Function URL": FrontDoor(
        f"https://{OWN}/ai/mcp", f"https://{OWN}{WELL_KNOWN}/ai/mcp", on_lambda("function-url"), True
    ),
    "FC, default domain": FrontDoor(f"https://{FC_HOST}/mcp", f"https://{FC_HOST}{WELL_KNOWN}/mcp", None, True),
    "FC, custom domain": FrontDoor(f"https://{OWN}/mcp", f"https://{OWN}{WELL_KNOWN}/mcp", None, True),
    "FC, custom domain with a path": FrontDoor(
        f"https://{OWN}/ai/mcp", f"https://{OWN}{WELL_KNOWN}/ai/mcp", None, True
    ),
    "FC, built-in runtime": FrontDoor(f"https://{OWN}/mcp", f"https://{OWN}{WELL_KNOWN}/mcp", on_fc, True),
}
FORGED = [
    {"host": "evil.example"},
    {"host": "evil.example:443"},
    {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "x-forwarded-port": "80"},
    {"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1"},
    {"x-forwarded-prefix": "/evil", "x-forwarded-path": "/evil", "x-forwarded-uri": "/healthz"},
    {"forwarded": "host=evil.example;proto=http"},
    {"x-original-url": "/healthz", "x-rewrite-url": "/healthz", "x-original-host": "evil.example"},
    {"x-http-method-override": "GET", "x-method-override": "GET"},
    {"x-amzn-remapped-host": "evil.example", "x-amzn-remapped-authorization": "Bearer x"},
    {"x-amz-cf-id": "x", "x-amzn-oidc-data": "x", "x-amzn-oidc-identity": "root"},
    {"x-fc-request-id": "x", "x-fc-control-path": "/healthz", "x-fc-custom-domain": "evil.example"},
    {"origin": "https://evil.example", "referer": "https://evil.example/"},
    {"accept": "text/html", "accept-language": "xx", "user-agent": "kube-probe/1.0", "via": "1.1 evil.example"},
]


@pytest.fixture(params=FRONT_DOORS.values(), ids=FRONT_DOORS, scope="module")
def front_door(request: pytest.FixtureRequest) -> Iterator[tuple[FrontDoor, Callable[..., Answer]]]:
    """The real app behind one front door, and how to ask it."""
    door: FrontDoor = request.param
    before = list(tools.server.middleware)
    public_url = door.resource if door.configured else None
    settings = read_settings({**SETTINGS, **({"MCP_PUBLIC_URL": public_url} if public_url else {})})
    app = build_app(settings, streaming=door.event is None)
    try:
        if door.event is None:
            gate, _ = app()
            yield door, through_http(fc.web_function(gate, public_url))
        else:
            instance = Instance(app)
            yield door, through_events(instance, door.event, public_url)
            instance.stop()
    finally:
        tools.server.middleware[:] = before


def through_http(app: Any) -> Callable[..., Answer]:
    def ask(method: str, url: str, headers: dict[str, str], body: str = "") -> Answer:
        async def once() -> Answer:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
                answer = await http.request(method, url, headers=headers, content=body.encode())
                return answer.status_code, answer.headers, answer.content

        return asyncio.run(once())

    return ask


def through_events(instance: Instance, event: Callable[..., Any], public_url: str | None) -> Callable[..., Answer]:
    if event is on_fc:
        handler: Any = fc.handler_for(instance, public_url, 9.0)
    else:
        handler = aws.handler_for(instance, public_url)
    context = types.SimpleNamespace(aws_request_id="r", request_id="r", get_remaining_time_in_millis=lambda: 9000)

    def ask(method: str, url: str, headers: dict[str, str], body: str = "") -> Answer:
        parts = urlsplit(url)
        answer = handler(event(method, parts.path, {"host": parts.netloc, **headers}, body), context)
        return answer["statusCode"], answer["headers"], answer["body"].encode()

    return ask


def call(ask: Callable[..., Answer], door: FrontDoor, **headers: str) -> Answer:
    said = {**mcp.headers("tools/list"), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ask("POST", door.resource, said, mcp.message("tools/list").decode())


def test_challenge_is_byte_exact_in_header_and_body(front_door: Any) -> None:
    door, ask = front_door
    told = f'scope="mcp:use", resource_metadata="{door.metadata}"'
    invalid = 'error="invalid_token", error_description="The access token is not accepted."'
    for headers, challenge, body in (
        ({}, f"Bearer {told}", {"message": "Authentication required."}),
        (
            {"authorization": "Bearer x"},
            f"Bearer {invalid}, {told}",
            {"error": "invalid_token", "error_description": "The access token is not accepted."},
        ),
    ):
        status, answered, said = call(ask, door, **headers)
        assert (status, answered["www-authenticate"]) == (401, challenge)
        assert json.loads(said) == {**body, "scope": "mcp:use", "resource_metadata": door.metadata}


def test_metadata_is_where_the_challenge_says(front_door: Any) -> None:
    door, ask = front_door
    document = {
        "resource": door.resource,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp:tools:countdown", "mcp:use"],
    }
    expected = json.dumps(document, separators=(",", ":")).encode()
    named = json.loads(call(ask, door)[2])["resource_metadata"]
    root = named.partition(WELL_KNOWN)[0] + WELL_KNOWN
    for url in (named, root):
        status, answered, said = ask("GET", url, {})
        assert (status, said, answered["content-type"]) == (200, expected, "application/json")
        assert "www-authenticate" not in answered


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: next(iter(forged)))
def test_no_header_of_a_caller_changes_a_byte(front_door: Any, forged: dict[str, str]) -> None:
    door, ask = front_door
    for url in (door.metadata, door.metadata.partition(WELL_KNOWN)[0] + WELL_KNOWN):
        assert ask("GET", url, forged)[2] == ask("GET", url, {})[2]
    status, answered, said = call(ask, door)
    if "origin" in forged:
        assert call(ask, door, **forged)[0] == 403
        return
    with_forged = ask(
        "POST", door.resource, {**mcp.headers("tools/list"), **forged}, mcp.message("tools/list").decode()
    )
    assert (with_forged[0], with_forged[2]) == (status, said)
    assert with_forged[1]["www-authenticate"] == answered["www-authenticate"]
