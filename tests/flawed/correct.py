"""A small MCP server behind an OAuth door in which every rule holds, and its issuer. Each flaw overrides one method.

Nothing of the project's functions enters: the doctor must not be judged by the code that it judges.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from edges.serving import Server

MODERN = "2026-07-28"
ORIGIN = "https://app.example.com"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.good-token-of-the-test." + "s" * 43
RESOURCE = "/.well-known/oauth-protected-resource"
FORBIDDEN_TOOL = "countdown"

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        return (self.all(name) or [""])[0]

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Answer:
    """`endless` keeps the body open; without a status nothing is ever sent."""

    status: int | None
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    endless: bool = False


def as_json(status: int, document: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(status, [("content-type", "application/json"), *headers], json.dumps(document).encode())


class Correct:
    """An edge: listening when `start` returns, nothing left when `stop` does."""

    token = TOKEN

    def __init__(self) -> None:
        self._server = Server(self)
        self.sent: list[Request] = []

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.base}/mcp"

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        path = scope["raw_path"].decode("latin-1")
        request = Request(scope["method"], path, scope["query_string"].decode(), headers, body)
        self.sent.append(request)
        answer = self.with_cors(request, self.answer(request))
        if answer.status is not None:
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
            await send({"type": "http.response.start", "status": answer.status, "headers": raw})
            await send({"type": "http.response.body", "body": answer.body, "more_body": answer.endless})
        if answer.status is None or answer.endless:
            await asyncio.Event().wait()  # until the server stops

    # -- what each flaw changes one of

    def answer(self, request: Request) -> Answer:
        if request.path in (RESOURCE, RESOURCE + "/mcp"):
            return self.metadata_answer(request)
        if request.path == "/.well-known/oauth-authorization-server":
            return as_json(200, self.issuer_metadata())
        if request.path == "/mcp":
            return self.endpoint(request)
        return as_json(404, {"message": "Not found."})

    def endpoint(self, request: Request) -> Answer:
        if not self.origin_allowed(request):
            return as_json(403, {"message": "This origin may not call."}, ("cache-control", "no-store"))
        if request.method == "OPTIONS":
            return self.preflight(request)
        refusal = self.door(request)
        if refusal is not None:
            return refusal
        if request.method != "POST":
            return self.other_method(request)
        return self.served(request)

    def origin_allowed(self, request: Request) -> bool:
        return request.all("origin") in ([], [ORIGIN])

    def preflight(self, request: Request) -> Answer:
        allowed = "authorization, content-type, mcp-protocol-version"
        return Answer(204, [("access-control-allow-methods", "POST"), ("access-control-allow-headers", allowed)])

    def with_cors(self, request: Request, answer: Answer) -> Answer:
        if request.header("origin") == ORIGIN:
            answer.headers += [
                ("access-control-allow-origin", ORIGIN),
                ("access-control-expose-headers", "WWW-Authenticate"),
                ("vary", "Origin"),
            ]
        return answer

    def door(self, request: Request) -> Answer | None:
        """None lets the request in."""
        given = request.all("authorization")
        if not given:
            return self.refusal(request, 401)
        if len(given) > 1 or not self.is_one_credential(given[0]):
            return self.refusal(request, 400, "invalid_request")
        if not self.is_good(given[0].split(" ", 1)[1]):
            return self.refusal(request, 401, "invalid_token")
        return None

    def is_one_credential(self, value: str) -> bool:
        scheme, _, token = value.partition(" ")
        return scheme.lower() == "bearer" and token.isascii() and not {*token} & {*" \t,="} and bool(token)

    def is_good(self, token: str) -> bool:
        return token == TOKEN

    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        said = {"message": "Not let in."}
        headers = [("www-authenticate", value) for value in self.challenges(request, error)]
        return as_json(status, said, ("cache-control", "no-store"), *headers)

    def challenges(self, request: Request, error: str) -> list[str]:
        parts = [f'error="{error}"'] if error else []
        parts += [f'scope="{self.scope(request)}"', f'resource_metadata="{self.metadata_url(request)}"']
        return ["Bearer " + ", ".join(parts)]

    def scope(self, request: Request) -> str:
        return "mcp:tools"

    def metadata_url(self, request: Request) -> str:
        return self.base + RESOURCE + "/mcp"

    def metadata_answer(self, request: Request) -> Answer:
        return as_json(200, self.metadata(request))

    def metadata(self, request: Request) -> dict[str, Any]:
        return {
            "resource": self.url,
            "authorization_servers": [self.base],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["mcp:tools"],
        }

    def issuer_metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "registration_endpoint": f"{self.base}/register",
            "response_types_supported": ["code"],
            "scopes_supported": ["mcp:tools", "offline_access"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def other_method(self, request: Request) -> Answer:
        return as_json(405, {"message": "Use POST."}, ("allow", "POST"))

    def served(self, request: Request) -> Answer:
        try:
            message = request.message
        except ValueError:
            return as_json(415, {"message": "Send JSON."})
        if "id" not in message:
            return Answer(202)
        if not self.agrees(request, message):
            return as_json(400, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": "Header mismatch"}})
        result = self.result(request, message["method"], message.get("params", {}))
        if result is None:
            return self.step_up(request)
        return as_json(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})

    def agrees(self, request: Request, message: dict[str, Any]) -> bool:
        params = message.get("params", {})
        version = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")
        if version is None:
            return True
        return bool(
            request.header("mcp-protocol-version") == version
            and request.header("mcp-method") == message["method"]
            and request.header("mcp-name") == params.get("name", "")
        )

    def result(self, request: Request, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """None: the token's scopes do not allow it."""
        if method == "initialize":
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "flawed"}}
        if method == "tools/call":
            return None if params.get("name") == FORBIDDEN_TOOL else {"content": [], "isError": True}
        if method == "tools/list":
            return {"resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": self.cache_scope()}
        return {"resultType": "complete", "supportedVersions": [MODERN], "ttlMs": 0, "cacheScope": self.cache_scope()}

    def cache_scope(self) -> str:
        return "private"

    def step_up(self, request: Request) -> Answer:
        return self.refusal(request, 403, "insufficient_scope")
