"""Ask one endpoint, and keep what it answers or in words why it does not. Judges nothing, and shows nothing."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mcp_faas.lifecycle.clock import Clock
from mcp_faas.lifecycle.probe import HELLO

BODY_BYTES = 64 * 1024


@dataclass(frozen=True)
class Reply:
    status: int | None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    said: str = "no answer"  # why there is no status
    advice: str = ""

    @property
    def refused(self) -> bool:
        return self.status in (401, 403)

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def speaks_mcp(self) -> bool:
        return b'"jsonrpc"' in self.body or b'"protocolVersion"' in self.body

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.status is not None else self.said


Send = Callable[..., Reply]


def sender(url: str, timeout: float) -> Send:
    """Requests to one endpoint, each over a fresh connection, none of them redirected."""
    parts = urlsplit(url)
    clock = Clock()

    def send(*, method: str = "POST", path: str = "", query: str = "", authorization: str = "") -> Reply:
        target = path or parts.path or "/"
        headers = {"Accept": "application/json, text/event-stream", "User-Agent": "mcp-faas-verify/1"}
        if method == "POST":
            headers["Content-Type"] = "application/json"
        if authorization:
            headers["Authorization"] = authorization
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        try:
            with clock.bounded(timeout):
                body = HELLO if method == "POST" else None
                connection.request(method, f"{target}?{query}" if query else target, body, headers)
                answer = connection.getresponse()
                seen = {name.lower(): value for name, value in answer.getheaders()}
                return Reply(answer.status, seen, answer.read(BODY_BYTES))
        except (OSError, http.client.HTTPException) as error:
            return _silence(error, timeout)
        finally:
            connection.close()

    return send


def _silence(error: Exception, timeout: float) -> Reply:
    """Why there is no answer. No word of the other side is in it but what its certificate says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reply(
            None,
            said=f"TLS: the certificate is not trusted: {error.verify_message.rstrip('.')}",
            advice="a certificate that clients trust is missing: another one's name, expired, self-signed, or without "
            "the certificates between it and its root",
        )
    if isinstance(error, ssl.SSLError):
        return Reply(None, said=f"TLS: no encrypted connection ({error.reason})", advice="does this port speak https?")
    if isinstance(error, socket.gaierror):
        return Reply(None, said="DNS: the host's name is not known", advice="is it spelt right? Is its record made?")
    if isinstance(error, TimeoutError):
        return Reply(
            None,
            said=f"no whole answer within {timeout:g} s",
            advice="a slow start: ask again, with a larger TOKENS_TIMEOUT; else a firewall, or the wrong port",
        )
    if isinstance(error, ConnectionRefusedError):
        return Reply(None, said="the connection is refused", advice="nothing listens there: see the port and the host")
    if isinstance(error, (ConnectionError, http.client.HTTPException)):
        return Reply(
            None,
            said=f"no HTTP answer ({type(error).__name__})",
            advice="the connection ends early, or something else than http answers: see the port, http or https, and "
            "what stands between",
        )
    return Reply(
        None,
        said=f"no connection ({getattr(error, 'strerror', None) or type(error).__name__})",
        advice="does this machine reach that network?",
    )
