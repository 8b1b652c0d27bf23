"""One HTTP exchange over a fresh connection: byte for byte what was asked for, bounded in time and size, never
redirected, and never to an address that only a stranger named. No rule about MCP or OAuth enters here."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from diagnosis.addresses import Reach, reach_of
from mcp_faas.lifecycle.clock import Clock

BODY_BYTES = 256 * 1024
USER_AGENT = "mcp-faas-doctor/1"
SHOWN_BYTES = 160
_PLAIN = "what listens at this port speaks no TLS: for https another port is meant, or this one is for http://"
# How OpenSSL's versions call the answer of a server that speaks plain HTTP.
NOT_TLS = dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"), _PLAIN)
PORTS = {"http": 80, "https": 443}

Headers = Sequence[tuple[str, str]]


class TimeIsUp(Exception):
    """The run cannot come to its end; the text says why."""


class NotFetched(Exception):
    """A document's URL that this machine does not follow; the text says why, for the report."""


@dataclass(frozen=True)
class Reply:
    """What came back. `status` is None where nothing did, and `why` says so."""

    sent: str
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    ended: bool = True  # False: the body was still coming when the time or the space was over
    seconds: float = 0.0
    why: str = ""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str:
        return ", ".join(self.values(name))

    @property
    def let_in(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        return self.status in (401, 403)

    @property
    def failed(self) -> bool:
        return self.status is not None and self.status >= 500

    @property
    def redirected(self) -> bool:
        return self.status is not None and 300 <= self.status < 400

    @property
    def media_type(self) -> str:
        return self.value("content-type").partition(";")[0].strip().lower()

    def __str__(self) -> str:
        if self.status is None:
            return f"no answer: {self.why}"
        text = f"HTTP {self.status}"
        for name in ("www-authenticate", "x-amzn-remapped-www-authenticate", "location"):
            for value in self.values(name):
                text += f", {name}: {value[:SHOWN_BYTES]}"
        return text if self.ended else f"{text}, and its body did not end"


class Wire:
    """Connections for one examination. `target` is what the person typed."""

    def __init__(
        self,
        target: SplitResult,
        *,
        timeout: float,
        whole: float,
        ca_file: str | None = None,
        resolve: Callable[[str, int], list[str]] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout = timeout
        self._now = now
        self._ends = now() + whole
        self._clock = Clock()
        self._resolve = resolve or addresses_of
        self._known: dict[str, list[str]] = {}
        self._target = target.hostname or ""
        self._reach: Reach | None = None
        self._context = ssl.create_default_context(cafile=ca_file)
        self.requests = 0

    def exchange(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        note: str = "",
        patience: float | None = None,
    ) -> Reply:
        """One request. `note` describes it for the report, which must show no token. Raises `TimeIsUp`."""
        left = self._ends - self._now()
        if left <= 0:
            raise TimeIsUp("the time for the whole run is over")
        parts = urlsplit(url)
        sent = f"{method} {parts.path or '/'}{f', {note}' if note else ''}"
        if parts.hostname != self._target:
            sent = f"{method} {parts.scheme}://{parts.netloc}{parts.path}"
        seconds = min(patience or self.timeout, left)
        self.requests += 1
        got = _Partial()
        began = self._now()
        why = ""
        try:
            # The alarm bounds the whole exchange, a server that sends a byte now and then included.
            with self._clock.bounded(seconds):
                self._converse(got, method, parts, headers, body, seconds)
        except NotFetched as error:
            why = str(error)
        except ssl.SSLError as error:
            said = getattr(error, "verify_message", "") or NOT_TLS.get(error.reason, error.reason)
            why = f"TLS: {said or 'handshake failed'}"
        except TimeoutError:
            why = f"no end after {seconds:.0f} s"
        except (OSError, http.client.HTTPException, ValueError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
        finally:
            got.close()
        return Reply(sent, got.status, got.headers, b"".join(got.chunks), got.ended, round(self._now() - began, 3), why)

    def pause(self, seconds: float) -> None:
        self._clock.sleep(min(seconds, max(0.0, self._ends - self._now())))

    def _converse(
        self, got: _Partial, method: str, parts: SplitResult, headers: Headers, body: bytes | None, seconds: float
    ) -> None:
        port = parts.port or PORTS[parts.scheme]
        connection = http.client.HTTPConnection(parts.hostname or "", port, timeout=seconds)
        got.connection = connection
        connection.sock = self._connect(parts, port, seconds)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        names = {name.lower() for name, _ in headers}
        for name, value in (("Host", parts.netloc.rpartition("@")[2]), ("User-Agent", USER_AGENT)):
            if name.lower() not in names:
                connection.putheader(name, value)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        answer = connection.getresponse()
        got.answer = answer
        got.headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        got.status, got.ended = answer.status, False
        size = 0
        while chunk := answer.read1(BODY_BYTES):
            got.chunks.append(chunk)
            size += len(chunk)
            if size > BODY_BYTES:
                return
        got.ended = True

    def _connect(self, parts: SplitResult, port: int, seconds: float) -> socket.socket:
        host = parts.hostname or ""
        last: OSError | None = None
        for address in self._addresses(host, port):
            try:
                plain = socket.create_connection((address, port), seconds)
            except OSError as error:
                last = error
                continue
            if parts.scheme == "http":
                return plain
            return self._context.wrap_socket(plain, server_hostname=host)
        raise last or OSError("no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        """Where to connect to, looked up once a host: a name that changes between check and use gains nothing."""
        if host not in self._known:
            try:
                self._known[host] = self._resolve(host, port)
            except OSError:
                raise NotFetched(f"{host} has no address") from None
        found = self._known[host]
        if host == self._target:
            return found
        if self._reach is None:
            own = self._addresses(self._target, port)
            # The farthest: a public name that also has a loopback address opens nothing.
            self._reach = min((reach_of(address) for address in own), default=Reach.PUBLIC)
        for address in found:
            if reach_of(address) > min(self._reach, Reach.LOOPBACK):
                raise NotFetched(
                    f"{host} is a {reach_of(address).name.lower()} address, and the endpoint is not: not fetched"
                )
        return found


class _Partial:
    """What has arrived so far, so that an answer that never ends is not lost."""

    def __init__(self) -> None:
        self.connection: http.client.HTTPConnection | None = None
        self.answer: http.client.HTTPResponse | None = None
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.chunks: list[bytes] = []
        self.ended = True

    def close(self) -> None:
        if self.answer is not None:
            self.answer.close()
        if self.connection is not None:
            self.connection.close()


def addresses_of(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
