"""Why a key set does not come, in words that a person can act on; and that the address that was judged is asked."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mcp_faas.auth.errors import KeysUnavailable
from mcp_faas.jwks import KeySource
from support.jwts import jwk, key_set, rsa_key

pytestmark = pytest.mark.anyio

METADATA = "/.well-known/oauth-authorization-server"


@contextlib.asynccontextmanager
async def serving(answers: dict[str, Any], tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """A server's port, and the Host headers that came."""
    hosts: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            head = await reader.readline()
            if b" HTTP/" not in head:
                return  # somebody began TLS
            path = head.split()[1].decode()
            while line := (await reader.readline()).strip():
                if line.lower().startswith(b"host:"):
                    hosts.append(line[5:].strip().decode())
            body = json.dumps(answers[path]).encode() if path in answers else b""
            status = b"200 OK" if path in answers else b"404 Not Found"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], hosts
    finally:
        server.close()


async def said(source: KeySource, caplog: pytest.LogCaptureFixture) -> str:
    """The one line in the log about a set that does not come."""
    caplog.clear()
    with pytest.raises(KeysUnavailable):
        await source.keys_for("first", "RS256")
    (record,) = [record for record in caplog.records if record.name == "mcp_faas.jwks"]
    return record.getMessage()


def a_certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("issuer.localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    encoding, kept = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(made.public_bytes(encoding))
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, kept))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **given: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


async def test_no_tls_no_trust_and_nobody_there_are_told_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving({}, a_certificate(tmp_path)) as (port, _):
        assert "a certificate that is not trusted here (self" in await said(
            KeySource(f"https://127.0.0.1:{port}"), caplog
        )
    async with serving({}) as (port, _):
        assert "does not speak TLS at this port" in await said(KeySource(f"https://127.0.0.1:{port}"), caplog)
    assert "127.0.0.1 refuses the connection" in await said(KeySource(f"https://127.0.0.1:{port}"), caplog)


async def test_name_without_an_address(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    resolve(monkeypatch)
    assert "login.example.com has no address" in await said(KeySource("https://login.example.com"), caplog)


async def test_issuer_in_a_private_network_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    resolve(monkeypatch, "10.0.0.7")
    for source in (
        KeySource("https://login.example.com"),
        KeySource("https://other.example", jwks_url="https://login.example.com/jwks"),
    ):
        line = await said(source, caplog)
        assert "login.example.com has the address 10.0.0.7" in line
        assert "set MCP_JWT_PRIVATE_ISSUER=on" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": "{url}/"}, "only the slash at the end differs"),
        ({"issuer": "https://other.example"}, "its issuer is 'https://other.example', and MCP_JWT_ISSUER is http://"),
        ({"issuer": "a\nb\u202e" + "c" * 9999}, "its issuer is 'a\\nb\\u202ecccc"),
        ({"issuer": None}, "its issuer is None"),
        ({"jwks_uri": None}, "it has no jwks_uri"),
    ],
)
async def test_metadata_that_does_not_fit_says_what_it_holds(
    change: dict[str, str | None], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers: dict[str, Any] = {}
    async with serving(answers) as (port, _):
        url = f"http://127.0.0.1:{port}"
        changed = {name: value.replace("{url}", url) if value else value for name, value in change.items()}
        answers[METADATA] = {"issuer": url, "jwks_uri": f"{url}/jwks", **changed}
        line = await said(KeySource(url), caplog)
    assert words in line
    assert line.isprintable()
    assert len(line) < 1000


async def test_judged_address_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means something else a moment later gains nothing; an address that is down leaves the others."""
    answers: dict[str, Any] = {}
    async with serving(answers) as (port, hosts):
        url = f"http://issuer.localhost:{port}"
        answers[METADATA] = {"issuer": url, "jwks_uri": f"{url}/jwks"}
        answers["/jwks"] = json.loads(key_set(jwk(rsa_key(), kid="first")))
        asked = resolve(monkeypatch, "127.0.0.2", "127.0.0.1")
        keys = await KeySource(url).keys_for("first", "RS256")
    assert [key.kid for key in keys.keys] == ["first"]
    assert asked == ["issuer.localhost"] * 2, "once for each document"
    assert hosts == [f"issuer.localhost:{port}"] * 2


async def test_certificate_is_held_to_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {"/jwks": json.loads(key_set(jwk(rsa_key(), kid="first")))}
    async with serving(answers, a_certificate(tmp_path)) as (port, _):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        resolve(monkeypatch, "127.0.0.1")
        issuer = f"https://issuer.localhost:{port}"
        assert (await KeySource(issuer, jwks_url=f"{issuer}/jwks").keys_for("first", "RS256")).keys
        other = f"https://other.localhost:{port}"
        line = await said(KeySource(other, jwks_url=f"{other}/jwks"), caplog)
    assert "a certificate that is not trusted here (Hostname mismatch" in line


async def test_resolver_that_hangs_is_one_refusal_within_five_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(*given: Any, **more: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    began = time.monotonic()
    assert "no answer in time" in await said(KeySource("https://login.example.com"), caplog)
    assert time.monotonic() - began < 5


async def test_proxy_of_the_environment_is_asked_by_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).strip())
        writer.write(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    try:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        line = await said(KeySource("https://login.example.com"), caplog)
    finally:
        server.close()
    assert asked == [b"CONNECT login.example.com:443 HTTP/1.1"]
    assert "the proxy of the environment does not lead to login.example.com" in line
