"""`tokens.py verify`: what it says of a door, of something else, and of nothing; and where it sends the token."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edges.listener import Answer, Listener, Request
from edges.serving import running
from mcp_faas.tokens import mint

TOOL = Path(__file__).resolve().parents[2] / "scripts" / "tokens.py"
VERIFIED = ("stranger", "guess", "query", "token", "leak", "discovery")


class Door:
    """An MCP endpoint with a door that a test describes."""

    def __init__(self) -> None:
        self.token = "good-" + "t" * 40
        self.refusal = Answer(401, (("content-type", "application/json"),), b'{"error": "unauthorized"}')
        self.open = False
        self.takes_any = False
        self.metadata = False
        self.targets: list[str] = []
        self.presented: list[str] = []
        self._listener = Listener(self.answer, body_limit_bytes=65536)

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def answer(self, request: Request) -> Answer:
        if request.path.startswith("/.well-known/"):
            return Answer(200, (), b"{}") if self.metadata else Answer(404)
        presented = request.header("authorization") or ""
        self.targets.append(request.target)
        self.presented.append(presented)
        if self.open or presented == f"Bearer {self.token}" or (self.takes_any and presented.startswith("Bearer ")):
            return Answer(200, (), b'{"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18"}}')
        return self.refusal


@pytest.fixture
def door() -> Iterator[Door]:
    with running(Door()) as found:
        yield found


def verify(target: Door | str, stdin: str, **environment: str) -> Any:
    url = target if isinstance(target, str) else f"http://127.0.0.1:{target.port}/mcp"
    done = subprocess.run(
        [sys.executable, str(TOOL), "verify", url, "--json"],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=130,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return done


def results(done: Any) -> dict[str, str]:
    return {check["id"]: check["result"] for check in json.loads(done.stdout)["checks"]}


def test_verify_passes_a_good_door_and_shows_no_token(door: Door) -> None:
    done = verify(door, door.token + "\n")
    assert done.returncode == 0
    assert set(results(done).values()) == {"pass"}
    assert door.token[:12] not in done.stdout + done.stderr


def test_verify_finds_an_open_door(door: Door) -> None:
    door.open = True
    done = verify(door, "")
    assert done.returncode == 1
    assert results(done)["stranger"] == results(done)["guess"] == "fail"
    assert "THE DOOR IS OPEN" in done.stdout


def test_verify_finds_a_refused_token_a_leak_and_metadata(door: Door) -> None:
    assert results(verify(door, "other-" + "t" * 40))["token"] == "fail"
    door.refusal = Answer(401, (), b"Traceback (most recent call last)")
    assert results(verify(door, door.token))["leak"] == "fail"
    door.refusal = Answer(500)
    done = verify(door, door.token)
    assert results(done)["stranger"] == "fail"
    assert "authorizer" in done.stdout
    door.refusal, door.metadata = Answer(401), True
    door.token = mint(datetime.now(timezone.utc)).data
    assert results(verify(door, door.token))["discovery"] == "fail"


def test_verify_tells_an_open_door_from_one_that_takes_any_value(door: Door) -> None:
    door.takes_any = True
    done = verify(door, door.token)
    assert results(done) | {"stranger": "pass", "guess": "fail"} == results(done)
    assert "ANY VALUE OPENS THE DOOR" in done.stdout
    assert "authType" not in done.stdout


def test_verify_puts_the_token_nowhere_but_into_its_header(door: Door) -> None:
    """A URL stands in the logs of whatever is on the way."""
    verify(door, door.token)
    assert door.presented.count(f"Bearer {door.token}") == 1
    assert any("access_token=mcpt-" in target for target in door.targets)
    assert door.token not in "".join(door.targets)


def test_verify_looks_for_no_token_that_any_text_holds(door: Door) -> None:
    door.refusal = Answer(401, (), b'{"error": "unauthorized x"}')
    done = verify(door, "x")
    assert (results(done)["leak"], results(done)["token"]) == ("skip", "fail")
    assert "fewer than 12 characters" in done.stdout
    door.refusal = Answer(401, (), b"your token x was not taken: Traceback (most recent call last)")
    assert results(verify(door, "x"))["leak"] == "fail"
    door.refusal = Answer(401, (), door.token.encode() + b" and other-" + b"t" * 40)
    assert results(verify(door, "other-" + "t" * 40))["leak"] == "fail"


def test_verify_sends_no_token_to_what_is_no_mcp_server(door: Door) -> None:
    door.refusal = Answer(200, (("content-type", "text/html; charset=utf-8"),), b"<html>Please log in</html>")
    done = verify(door, door.token)
    assert done.returncode == 1
    assert results(done) == {**dict.fromkeys(VERIFIED, "skip"), "mcp": "fail"}
    assert "HTTP 200, text/html" in done.stdout
    assert "no MCP server answers here" in done.stdout
    assert "THE DOOR IS OPEN" not in done.stdout
    assert door.presented == [""]


@pytest.fixture
def odd_server(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """URLs behind which something is wrong before any HTTP status."""
    done = threading.Event()
    held: list[socket.socket] = []
    keys = self_signed(tmp_path)

    def serve(listener: socket.socket, what: str) -> None:
        with contextlib.suppress(OSError):
            while not done.is_set():
                connection, _ = listener.accept()
                held.append(connection)
                with contextlib.suppress(OSError):
                    if what == "self-signed":
                        keys.wrap_socket(connection, server_side=True)
                    elif what in ("no http", "https on a plain port"):
                        connection.sendall(b"220 mail.example ESMTP\r\n")
                        connection.close()
                    elif what == "drip":
                        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n")
                        while not done.wait(0.1):
                            connection.sendall(b"x")

    def url(what: str) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        held.append(listener)
        port = listener.getsockname()[1]
        if what == "refused":
            listener.close()
        elif what != "silent":
            threading.Thread(target=serve, args=(listener, what), daemon=True).start()
        host = "no-such-host.invalid" if what == "unknown host" else "127.0.0.1"
        scheme = "https" if what in ("self-signed", "https on a plain port", "unknown host") else "http"
        return f"{scheme}://{host}:{port}/mcp"

    yield url
    done.set()
    for each in held:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    certificate = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "both.pem").write_bytes(text + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


@pytest.mark.parametrize(
    ("what", "said"),
    {
        "self-signed": "TLS: the certificate is not trusted: self",
        "https on a plain port": "TLS: no encrypted connection",
        "unknown host": "DNS: the host's name is not known",
        "refused": "the connection is refused",
        "silent": "no whole answer within 1 s",
        "drip": "no whole answer within 1 s",
        "no http": "no HTTP answer (",
    }.items(),
)
def test_verify_names_why_nothing_answers_and_passes_no_check(
    odd_server: Callable[[str], str], what: str, said: str
) -> None:
    seconds = "1" if what in ("silent", "drip") else "30"
    done = verify(odd_server(what), "good-" + "t" * 40, TOKENS_TIMEOUT=seconds)
    assert done.returncode == 1
    assert results(done) == {"reach": "fail", **dict.fromkeys(VERIFIED, "skip")}
    (reach, *_) = json.loads(done.stdout)["checks"]
    assert reach["got"].startswith(said)
    assert reach["advice"]
