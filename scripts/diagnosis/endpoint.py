"""The endpoint under examination: how it is asked, and what is known of it so far. No rule is judged here."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from diagnosis.challenge import Challenge
from diagnosis.wire import Headers, Reply, TimeIsUp, Wire
from mcp_faas.stores import LOOPBACK

LEGACY, MODERN = "2025-11-25", "2026-07-28"
ACCEPT = "application/json, text/event-stream"
GET_SECONDS = 5.0  # what a GET may take to come to its end
TOO_MANY_REQUESTS = 429
THROTTLED_TIMES = 4
THROTTLED_SECONDS = 10.0  # the longest that one Retry-After is obeyed
FOREIGN = "https://evil.example"
INFO = {"name": "mcp-faas-doctor", "version": "1"}
RESOURCE_WELL_KNOWN = "/.well-known/oauth-protected-resource"

# open: strangers get in. oauth: metadata, or a challenge that names it. static: a token that somebody configured.
# platform: a cloud's gateway refuses by itself, before any code that could send a challenge. none: this is no door.
Kind = Literal["open", "oauth", "static", "platform", "none"]


def message(method: str, params: dict[str, Any] | None = None, *, era: str = LEGACY) -> bytes:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params or {})}
    if era == MODERN:
        body["params"]["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": INFO,
        }
    return json.dumps(body).encode()


INITIALIZE = message("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": INFO})


def modern_headers(method: str) -> Headers:
    return (("MCP-Protocol-Version", MODERN), ("Mcp-Method", method))


@dataclass
class Endpoint:
    """One endpoint, as its user typed it, and what the checks have learnt."""

    url: str
    wire: Wire
    token: str = field(default="", repr=False)
    origin: str = ""
    replies: list[Reply] = field(default_factory=list, repr=False)
    canaries: list[str] = field(default_factory=list, repr=False)  # credentials made up here: no answer may repeat one
    kind: Kind = "static"
    cloud: str = ""  # whose gateway answered by itself, or stands in front
    stranger: Reply = field(default_factory=lambda: Reply(""))
    challenges: list[Challenge] = field(default_factory=list)
    metadata_named: str = ""  # the URL in the challenge
    metadata: dict[str, Any] | None = None
    metadata_reply: Reply | None = None

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def loopback(self) -> bool:
        return self.parts.hostname in LOOPBACK

    @property
    def bearer(self) -> Challenge | None:
        return next((challenge for challenge in self.challenges if challenge.is_bearer), None)

    def at(self, path: str, query: str = "") -> str:
        """A URL on the endpoint's own host."""
        return urlunsplit((self.parts.scheme, self.parts.netloc, path, query, ""))

    def well_known(self) -> dict[str, str]:
        """Where RFC 9728 §3.1 and its clients look, by the name of the form."""
        path = self.parts.path.rstrip("/")
        return {
            "path-form": self.at(RESOURCE_WELL_KNOWN + path, self.parts.query),
            "root-form": self.at(RESOURCE_WELL_KNOWN),
        }

    def canary(self) -> str:
        """A made-up credential of a legal alphabet, remembered so that an answer that repeats it is found."""
        made = f"made-up-{secrets.token_hex(20)}"
        self.canaries.append(made)
        return made

    def bearing(self, token: str = "") -> Headers:
        """The header with the endpoint's token, or with another."""
        return [("Authorization", f"Bearer {token or self.token}")]

    def post(
        self, body: bytes = INITIALIZE, headers: Headers = (), *, note: str = "", url: str = "", method: str = "POST"
    ) -> Reply:
        """A message, as MCP clients send it."""
        given = {name.lower() for name, _ in headers}
        usual = [("Content-Type", "application/json"), ("Accept", ACCEPT)]
        added = [(name, value) for name, value in usual if name.lower() not in given]
        return self._ask(lambda: self.wire.exchange(method, url or self.url, [*added, *headers], body, note=note))

    def get(self, url: str = "", headers: Headers = (), *, note: str = "", method: str = "GET") -> Reply:
        """A request without a body. A GET must come to its end soon; twice, because a cold start takes its time."""
        patience = min(GET_SECONDS, self.wire.timeout) if method == "GET" else None

        def exchange() -> Reply:
            return self.wire.exchange(method, url or self.url, headers, note=note, patience=patience)

        reply = self._ask(exchange)
        return reply if reply.status is not None else self._ask(exchange)

    def fetch(self, url: str, headers: Headers = (), *, note: str = "") -> Reply:
        """A document."""
        accept = ("Accept", "application/json")
        return self._ask(lambda: self.wire.exchange("GET", url, [accept, *headers], note=note))

    def _ask(self, exchange: Callable[[], Reply]) -> Reply:
        """One answer, remembered. What a rate limit says proves nothing about a rule, so it is waited out."""
        for _ in range(THROTTLED_TIMES):
            reply = exchange()
            if reply.status != TOO_MANY_REQUESTS:
                self.replies.append(reply)
                return reply
            said = reply.value("retry-after")
            self.wire.pause(min(float(said), THROTTLED_SECONDS) if said.isdigit() else 1.0)
        raise TimeIsUp("the endpoint goes on saying 429, too many requests")


def as_object(reply: Reply) -> dict[str, Any] | None:
    """The body as a JSON object, if it is one."""
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def rpc(reply: Reply) -> dict[str, Any] | None:
    """The JSON-RPC message in an answer: plain, or the first one with a result or an error in an event stream."""
    if reply.media_type != "text/event-stream":
        return as_object(reply)
    for line in reply.body.split(b"\n"):
        if line.startswith(b"data:"):
            found = as_object(Reply("", body=line[5:].strip()))
            if found and ("result" in found or "error" in found):
                return found
    return None


def is_open(reply: Reply) -> bool:
    """Did the server do what an MCP client wants? A page for people at the same address is no open door."""
    if not reply.let_in:
        return False
    said = rpc(reply)
    return reply.status == 202 or reply.media_type == "text/event-stream" or bool(said and "jsonrpc" in said)
