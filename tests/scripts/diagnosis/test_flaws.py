"""The doctor finds each flaw, that flaw alone, and nothing in the server that has none."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from diagnosis import surroundings
from diagnosis.causes import explain
from diagnosis.checks import Check
from diagnosis.endpoint import Endpoint
from diagnosis.examination import examine
from diagnosis.presence import meant
from diagnosis.rules import RULES
from diagnosis.wire import Reply, TimeIsUp, Wire
from edges.serving import running
from flawed.correct import FORBIDDEN_TOOL, ORIGIN, TOKEN, Answer, Correct, Request
from flawed.flaws import FLAWS, Static
from flawed.nowhere import NOWHERE

HANGS = ("Hangs", "Streams", "Endless")


def examined(server: Correct, *, token: str | None = None, timeout: float = 30) -> list[Check]:
    wire = Wire(urlsplit(server.url), timeout=timeout, whole=100)
    endpoint = Endpoint(server.url, wire, server.token if token is None else token, ORIGIN)
    return list(examine(endpoint, forbidden_tool=FORBIDDEN_TOOL))


def failed(checks: list[Check]) -> set[str]:
    return {check.id for check in checks if check.result == "fail"}


@pytest.fixture
def correct() -> Iterator[Correct]:
    with running(Correct()) as server:
        yield server


def test_nothing_is_found_where_nothing_is_wrong(correct: Correct) -> None:
    checks = examined(correct)
    assert failed(checks) == set()
    assert [check.id for check in checks if check.result == "skip"] == ["challenge.body", "http.plain", "static.quiet"]


@pytest.mark.parametrize("kind", FLAWS, ids=lambda kind: kind.__name__)
def test_each_flaw_is_found(kind: type[Correct]) -> None:
    with running(kind()) as server:
        checks = examined(server, timeout=1.5 if any(word in kind.__name__ for word in HANGS) else 30)
    assert failed(checks) == FLAWS[kind]
    assert sorted(check.id for check in checks) == sorted(RULES)
    shown = " ".join(text for check in checks for text in (check.sent, check.got, check.advice))
    assert server.token[:12] not in shown
    assert all(check.advice for check in checks if check.result == "fail")


def test_a_static_door_is_right_in_its_way() -> None:
    with running(Static()) as server:
        checks = examined(server)
    assert failed(checks) == set()
    assert next(check.got for check in checks if check.id == "door.kind").startswith("a static token")


@pytest.mark.parametrize("token", ["", TOKEN], ids=["stranger", "holder"])
@pytest.mark.parametrize("kind", NOWHERE, ids=lambda kind: kind.__name__)
def test_what_is_no_mcp_endpoint_is_called_no_door(kind: type[Correct], token: str) -> None:
    with running(kind()) as server:
        checks = examined(server, token=token)
        assert len(server.sent) < 8, "nothing more is to be learnt"
    assert [check.id for check in checks if check.verdict != "not applicable"] == ["door.endpoint", "door.kind"]
    assert sorted(check.id for check in checks) == sorted(RULES)
    assert failed(checks) == {"door.endpoint"}
    assert NOWHERE[kind] in next(check.advice for check in checks if check.id == "door.endpoint")
    assert explain(checks) == []


@pytest.mark.parametrize("path", ["", "/", "/mcp/", "/other"])
def test_right_url_is_named_if_the_metadata_names_it(path: str) -> None:
    with running(Correct()) as server:
        url = server.base + path
        checks = [*examine(Endpoint(url, Wire(urlsplit(url), timeout=30, whole=100)))]
    assert failed(checks) == {"door.endpoint"}
    assert explain(checks) == []
    assert checks[0].advice == f"ask that URL which the metadata of this host names: {server.url}"


@pytest.mark.parametrize(
    "resource", ["https://mcp.example.com.evil.example/mcp", "https://evil.example/mcp", "http://127.0.0.1/mcp", 7, ""]
)
def test_nobody_is_sent_to_another_host(resource: object) -> None:
    url = "https://mcp.example.com/"
    endpoint = Endpoint(url, Wire(urlsplit(url), timeout=1, whole=1), metadata={"resource": resource})
    assert meant(endpoint) == ""
    endpoint.metadata = {"resource": "https://mcp.example.com/mcp"}
    assert meant(endpoint) == "https://mcp.example.com/mcp"


class Bashful(Static):
    """Denies to strangers that it is there."""

    def door(self, request: Request) -> Answer | None:
        return None if super().door(request) is None else Answer(404)


def test_a_door_that_hides_from_strangers_is_found_with_a_token() -> None:
    with running(Bashful()) as server:
        checks = examined(server)
    assert next(check.result for check in checks if check.id == "door.endpoint") == "pass"
    assert "door.status" in failed(checks)


@pytest.mark.parametrize(("tool", "said"), [("nope", "lists no tool nope"), ("known", "reached the tool")])
def test_a_forbidden_tool_that_is_not_forbidden_says_so(tool: str, said: str) -> None:
    class Knows(Correct):
        def result(self, request: Request, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
            found = super().result(request, method, params)
            return {**(found or {}), "tools": [{"name": "known"}]} if method == "tools/list" else found

    with running(Knows()) as server:
        endpoint = Endpoint(server.url, Wire(urlsplit(server.url), timeout=30, whole=100), server.token)
        checks = [*examine(endpoint, forbidden_tool=tool)]
    (check,) = [check for check in checks if check.id == "holder.step-up"]
    assert check.verdict == "could not tell"
    assert said in check.got


def test_https_at_a_port_without_tls_is_said_in_words(correct: Correct) -> None:
    url = correct.url.replace("http://", "https://")
    why = Wire(urlsplit(url), timeout=30, whole=60).exchange("GET", url).why
    assert "speaks no TLS" in why
    assert "WRONG_VERSION_NUMBER" not in why


class Busy(Correct):
    """A rate limit: each third request is one too many; after `strict`, all are."""

    strict = False

    def answer(self, request: Request) -> Answer:
        if self.strict or len(self.sent) % 3 == 0:
            return Answer(429, [("retry-after", "0")])
        return super().answer(request)


def test_a_rate_limit_is_waited_out() -> None:
    with running(Busy()) as server:
        assert failed(examined(server)) == set()
        server.strict = True
        with pytest.raises(TimeIsUp, match="429"):
            examined(server)


class AtTheRoot(Correct):
    @property
    def url(self) -> str:
        return self.base

    def answer(self, request: Request) -> Answer:
        path = "/mcp" if request.path == "/" else request.path if request.path.startswith("/.well") else "/none"
        return super().answer(replace(request, path=path))

    def metadata_url(self, request: Request) -> str:
        return super().metadata_url(request).removesuffix("/mcp")

    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "resource": self.base + "/"}


def test_an_endpoint_at_the_root() -> None:
    """`https://host` and `https://host/` are one URI."""
    with running(AtTheRoot()) as server:
        assert failed(examined(server)) == set()


def test_slow_refusals_are_noted() -> None:
    endpoint = Endpoint("https://a.example/mcp", Wire(urlsplit("https://a.example/mcp"), timeout=1, whole=1))
    cold = Reply("POST /mcp", 401, seconds=20.0)
    endpoint.replies = [cold, *[Reply("POST /mcp", 401, seconds=0.1)] * 9]
    assert failed([*surroundings.examine_all(endpoint)]) == set()
    endpoint.replies.append(cold)
    assert failed([*surroundings.examine_all(endpoint)]) == {"http.time"}


class Recorded(Wire):
    """Port 80 of a host that this machine cannot have."""

    def __init__(self, status: int | None) -> None:
        super().__init__(urlsplit("https://mcp.example.com/mcp"), timeout=1, whole=1)
        self.status = status
        self.asked: list[str] = []

    def exchange(self, method: str, url: str, *given: Any, **more: Any) -> Reply:
        self.asked.append(url)
        return Reply(f"{method} {url}", self.status if url.startswith("http://") else 401)


@pytest.mark.parametrize(
    ("status", "found"), [(None, set()), (301, set()), (401, {"http.plain"}), (200, {"http.plain"})]
)
def test_plain_http_of_the_same_host(status: int | None, found: set[str]) -> None:
    wire = Recorded(status)
    endpoint = Endpoint("https://mcp.example.com/mcp", wire)
    assert failed([*surroundings.examine(endpoint)]) == found
    assert "http://mcp.example.com/mcp" in wire.asked


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of its own making: its URL, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    kept = tmp_path / "key.pem"
    form = serialization.PrivateFormat.PKCS8
    kept.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is to be said on stderr."""

    class Quiet(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust the certificate hangs up; that is the test."""

    server = Quiet(("127.0.0.1", 0), Refuses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, kept)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/", file
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_no_answer(tls: tuple[str, Path]) -> None:
    url, file = tls
    untrusting = Wire(urlsplit(url), timeout=30, whole=60)
    assert untrusting.exchange("GET", url).why.startswith("TLS: self")
    trusting = Wire(urlsplit(url), timeout=30, whole=60, ca_file=str(file))
    assert trusting.exchange("GET", url).status == 401


class BareWords(Correct):
    """Words that API Gateway uses, too: without its header they are a server's own, and a refusal without a login."""

    def answer(self, request: Request) -> Answer:
        found = super().answer(request) if not request.path.startswith("/.well-known/") else Answer(404)
        return Answer(403, [], b'{"message":"Forbidden"}') if found.status == 401 else found


def test_a_gateway_is_known_by_more_than_its_words() -> None:
    with running(BareWords()) as server:
        assert failed(examined(server)) == {"door.status", "hostile.status"}
