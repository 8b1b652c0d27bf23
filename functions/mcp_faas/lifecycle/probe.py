"""Ask a door whether it lets a token in, with a real MCP request over a fresh connection. Nothing is decided here."""

from __future__ import annotations

import email.utils
import http.client
import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from typing import IO, Any, Literal
from urllib.parse import urlsplit

from mcp_faas.stores import LOOPBACK

Verdict = Literal["accepted", "refused", "unclear"]

# The one request that servers of every revision understand and that changes nothing.
HELLO = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "mcp-faas-probe", "version": "1"},
        },
    }
).encode()


@dataclass(frozen=True)
class Answer:
    """What came back, as far as the door is concerned."""

    status: int | None  # None: no answer at all
    time: datetime | None = None
    said: str = ""  # why there was no answer
    nobody: bool = False  # nothing listens there, or the host is not known

    @property
    def verdict(self) -> Verdict:
        """401 and 403 are the door's; what else a server says below 500 it says to somebody who is in."""
        if self.status in (401, 403):
            return "refused"
        if self.status is not None and self.status != 429 and (200 <= self.status < 300 or 400 <= self.status < 500):
            return "accepted"
        return "unclear"

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.status is not None else self.said


class Probe:
    """The door of one MCP endpoint."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            shown = f"{parts.scheme}://{parts.hostname or ''}" if parts.scheme and "@" not in url else "this"
            raise ValueError(f"{shown} is no URL of an MCP endpoint, like https://HOST/mcp")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError(f"http://{parts.hostname} would carry the token in the clear; use https")
        self.url = url
        self._timeout = timeout
        # proxies are for the way out; a redirect would carry the token to somebody else
        proxies = [urllib.request.ProxyHandler({})] if parts.hostname in LOOPBACK else []
        self._opener = urllib.request.build_opener(_StayHere, *proxies)

    def ask(self, token: str | None) -> Answer:
        """One request, with this token or with none."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "User-Agent": "mcp-faas-probe/1",
        }
        request = urllib.request.Request(self.url, data=HELLO, headers=headers)  # noqa: S310 - http and https only, see above
        if token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _answer(response.status, response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers)
        except urllib.error.URLError as error:
            nobody = isinstance(error.reason, (ConnectionRefusedError, socket.gaierror))
            return Answer(None, said=f"no answer ({type(error.reason).__name__})", nobody=nobody)
        except (http.client.HTTPException, OSError, ValueError) as error:
            return Answer(None, said=f"no answer ({type(error).__name__})")


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def _answer(status: int, headers: Message) -> Answer:
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return Answer(status)
    return Answer(status, moment if moment.tzinfo else None)
