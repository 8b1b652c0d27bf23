"""What the stand-ins for login providers share: a server on loopback, codes with PKCE, and faults to order."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from authorization_server.logins import s256

CLIENT_ID = "client-of-ours"
SECRET = "secret/of+ours%1"


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass
class Answer:
    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class StandIn:
    """A provider: `routes` answer, `faults` answer instead of them."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.faults: dict[str, Callable[[Asked], Answer]] = {}
        self.routes: dict[str, Callable[[Asked], Answer]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.answer_more: dict[str, str] = {}  # more parameters for the browser to bring back
        self.released = threading.Event()  # ends what hangs

    def hang(self, _: Asked) -> Answer:
        """Answers nothing until the test is over."""
        self.released.wait(30)
        return Answer(500)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        found = self.faults.get(asked.path) or self.routes.get(asked.path)
        return found(asked) if found else Answer(404, {"message": "Not Found"})

    def authorize(self, asked: Asked) -> Answer:
        """The person is logged in already, and says yes."""
        query = asked.query
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert query["state"]
        code = secrets.token_hex(10)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], **self.answer_more}
        return Answer(302, headers={"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

    def redeem(self, form: Mapping[str, str]) -> dict[str, str] | None:
        """The request that a code belongs to, once, with its verifier and redirect."""
        query = self.codes.pop(form.get("code", ""), None)
        if query is None or s256(form.get("code_verifier", "")) != query["code_challenge"]:
            return None
        return query if form.get("redirect_uri") == query["redirect_uri"] else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that gives up is what some tests are about; anything else is a defect of the stand-in."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(stand_in: StandIn) -> Iterator[None]:
    """The stand-in behind a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), dict(parse_qsl(body)), headers)
            answer = stand_in.answer(asked)
            with contextlib.suppress(OSError):  # the caller may have given up
                self.send_response(answer.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.bytes))}
                for name, value in {**headers, **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.bytes)

        do_GET = do_POST = _do

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stand_in.released.set()
            server.shutdown()
            thread.join()
