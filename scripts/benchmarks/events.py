"""The call that every stack answers: `tools/call`, as an event of an HTTP API (payload 2.0). No I/O."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from benchmarks.peers import LEGACY, MODERN, Era, Peer

HOST = "abcdefghij.execute-api.eu-west-1.amazonaws.com"
RESOURCE = f"https://{HOST}/mcp"
ISSUER = "https://login.example.com"
LIFETIME_SECONDS = 3600


@dataclass(frozen=True)
class Issuer:
    """Who signs the tokens of door jwt in a run; its key lives no longer than that."""

    key: rsa.RSAPrivateKey = field(
        repr=False, default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    @cached_property
    def key_set(self) -> str:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        return json.dumps({"keys": [{**public, "kid": "bench", "use": "sig", "alg": "RS256"}]})

    def token(self) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "bench", "jti": "1"}
        claims |= {"scope": "mcp:tools", "iat": now, "exp": now + LIFETIME_SECONDS}
        return jwt.encode(claims, self.key, "RS256", headers={"kid": "bench", "typ": "at+jwt"})


def message(method: str, params: dict[str, Any], era: Era) -> tuple[str, dict[str, str]]:
    """Body and headers, as a client of that era sends them."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    headers |= {"mcp-protocol-version": era, "user-agent": "bench/1"}
    params = dict(params)
    if era == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers["mcp-method"] = method
        if "name" in params:
            headers["mcp-name"] = params["name"]
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), headers


def event(body: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "POST /mcp",
        "rawPath": "/mcp",
        "rawQueryString": "",
        "headers": {**headers, "host": HOST, "content-length": str(len(body)), "x-forwarded-proto": "https"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdefghij",
            "domainName": HOST,
            "domainPrefix": "abcdefghij",
            "http": {
                "method": "POST",
                "path": "/mcp",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "bench/1",
            },
            "requestId": "id=",
            "routeKey": "POST /mcp",
            "stage": "$default",
            "time": "22/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1795341600000,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def tool_call(peer: Peer, era: Era, issuer: Issuer, tool: str = "add", **arguments: Any) -> dict[str, Any]:
    """The event of a tool's call; with a token where the stack has a door that asks for one."""
    return call(peer, era, issuer, "tools/call", {"name": tool, "arguments": arguments or {"a": 2, "b": 3}})


def call(peer: Peer, era: Era, issuer: Issuer, method: str, params: dict[str, Any]) -> dict[str, Any]:
    body, headers = message(method, params, era)
    if peer.door == "jwt":
        headers["authorization"] = f"Bearer {issuer.token()}"
    return event(body, headers)


def settings(peer: Peer, issuer: Issuer) -> dict[str, str]:
    """The function's environment."""
    if peer.door is None:
        return {}
    chosen: dict[str, str] = {"MCP_DOOR": peer.door}
    if peer.door == "jwt":
        chosen |= {"MCP_JWT_ISSUER": ISSUER, "MCP_JWT_JWKS": issuer.key_set}
    return chosen


def newest_era(peer: Peer) -> Era:
    return MODERN if MODERN in peer.eras else LEGACY
