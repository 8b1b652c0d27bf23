"""A client ID metadata document on loopback, by https as clients demand it. Knows no client and no server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
PATH = "/client.json"
REDIRECT_PATHS = ("callback", "oauth/callback")


@dataclass
class Document:
    """Where it is, whom to trust for it, and how often it was fetched."""

    url: str
    trusted: Path
    fetched: int = 0

    @property
    def text(self) -> str:
        # The redirects name no port: a program on a desktop listens at whichever is free (RFC 8252 §7.3).
        return json.dumps(
            {
                "client_id": self.url,
                "client_name": "interop",
                "redirect_uris": [
                    f"http://{host}/{path}" for host in (LOOPBACK, "localhost") for path in REDIRECT_PATHS
                ],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }
        )


@contextlib.asynccontextmanager
async def served_document(home: Path) -> AsyncIterator[Document]:
    """The document, for as long as the block runs."""
    trusted, both = certificate(home)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)

    async def serve(request: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await request.readuntil(b"\r\n\r\n")
            found = head.startswith(f"GET {PATH} ".encode())
            document.fetched += found
            body = document.text.encode() if found else b""
            answer.write(
                f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            )
            answer.write(body)
            await answer.drain()
        answer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls) as listener:
        document = Document(f"https://{LOOPBACK}:{listener.sockets[0].getsockname()[1]}{PATH}", trusted)
        yield document


def certificate(home: Path) -> tuple[Path, Path]:
    """A certificate for loopback that vouches for itself, and a file with its key as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "interop")])
    now = datetime.now(timezone.utc)
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), False),
    )
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    public = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    trusted, both = home / "trusted.pem", home / "served.pem"
    trusted.write_bytes(public)
    both.touch(0o600)
    both.write_bytes(private + public)
    return trusted, both
