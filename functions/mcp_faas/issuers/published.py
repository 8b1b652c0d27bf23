"""Read what an issuer publishes: its metadata and its key set, bounded in size, and each failure in words of ours.

How often that is done, and for how long an answer counts, is the matter of `jwks.py`; whom it may come from, of
`reach.py`.
"""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from mcp_faas.issuers.reach import FetchFailed, Reach, Unreachable, proxy_for

DOCUMENT_MAX_BYTES = 512 * 1024
QUOTED_MAX_CHARACTERS = 200  # of an issuer's own metadata, in the log


class NotAnswered(FetchFailed):
    """A status that is about this moment and about who asks; whether the document is there, nobody has said."""


async def get(
    reach: Reach,
    url: str,
    tls: ssl.SSLContext,
    *,
    configured: bool,
    media_type: re.Pattern[str] | None = None,
    limit: int = DOCUMENT_MAX_BYTES,
) -> bytes:
    """The body of a 200 answer, of this media type if one is asked for. Raises `FetchFailed`."""
    want = _Wanted(media_type, limit)
    addresses = await reach.addresses(url, configured=configured)
    proxy = proxy_for(url)
    # The environment's proxies stay in force: in a private network they may be the only way to the issuer.
    transport = httpx2.AsyncHTTPTransport(verify=tls, proxy=proxy)
    async with httpx2.AsyncClient(transport=transport, follow_redirects=False, timeout=None) as client:
        if proxy is not None:
            return await _ask(client, url, url, want, through_proxy=True)
        # The very addresses that were judged: a name that changes between check and use gains nothing.
        for address in addresses[:-1]:
            try:
                return await _ask(client, url, _at(url, address), want)
            except _NotConnected:
                continue
        return await _ask(client, url, _at(url, addresses[-1]), want)


async def jwks_uri(reach: Reach, issuer: str, tls: ssl.SSLContext) -> str:
    """Where the issuer's own metadata says that the keys are (RFC 8414 §3, OpenID Connect Discovery §4)."""
    reasons = []
    for candidate in metadata_urls(issuer):
        try:
            return _jwks_uri(await get(reach, candidate, tls, configured=True), issuer)
        except Unreachable:
            raise
        except FetchFailed as why:
            reasons.append(f"{candidate}: {why}")
    raise FetchFailed("; ".join(reasons))


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer may publish its metadata: RFC 8414 §3.1 puts the well-known part in front, OpenID behind."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    paths = [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
    ]
    return [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in dict.fromkeys(paths)]


def _jwks_uri(body: bytes, issuer: str) -> str:
    try:
        document: Any = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise FetchFailed("not JSON") from None
    if not isinstance(document, dict):
        raise FetchFailed("not a JSON object")
    said = document.get("issuer")
    if said != issuer:
        # RFC 8414 §3.3: another issuer's metadata must not be used.
        text = f"its issuer is {_quoted(said)}, and MCP_JWT_ISSUER is {issuer}"
        if isinstance(said, str) and said.rstrip("/") == issuer.rstrip("/"):
            text += "; only the slash at the end differs: write it as the issuer does"
        raise FetchFailed(text)
    url = document.get("jwks_uri")
    if not isinstance(url, str):
        raise FetchFailed("it has no jwks_uri")
    return url


def _quoted(value: object) -> str:
    """What somebody else wrote, so that it can stand in a log."""
    text = ascii(value)
    return text if len(text) <= QUOTED_MAX_CHARACTERS else text[:QUOTED_MAX_CHARACTERS] + "..."


def _at(url: str, address: str) -> str:
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))


class _NotConnected(Unreachable):
    """Nobody was reached, so another address of the same host may be tried."""


@dataclass(frozen=True)
class _Wanted:
    """What an answer must be."""

    media_type: re.Pattern[str] | None
    limit: int


async def _ask(
    client: httpx2.AsyncClient, url: str, where: str, want: _Wanted, *, through_proxy: bool = False
) -> bytes:
    """Redirects are not followed and nothing is decompressed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    headers = {"host": parts.netloc.lower(), "accept": "application/json", "accept-encoding": "identity"}
    try:
        # TLS is held to the name, whatever address it is spoken with.
        async with client.stream("GET", where, headers=headers, extensions={"sni_hostname": host}) as response:
            return await _body(response, want)
    except httpx2.ProxyError:
        raise Unreachable(f"the proxy of the environment does not lead to {host}") from None
    except httpx2.ConnectError as error:
        who = f"the proxy of the environment, or {host} through it," if through_proxy else host
        raise _NotConnected(f"{who} {_why(error)}") from None
    except httpx2.RemoteProtocolError:
        raise Unreachable(f"{host} hung up or does not speak HTTP") from None
    except httpx2.TransportError:
        raise Unreachable(f"the connection to {host} broke") from None


async def _body(response: httpx2.Response, want: _Wanted) -> bytes:
    if response.status_code not in (200, 404, 410):
        redirects = ", and redirects are not followed" if response.is_redirect else ""
        raise NotAnswered(f"status {response.status_code}{redirects}")
    if response.status_code != 200:
        raise FetchFailed(f"status {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("a compressed answer that was not asked for")
    found = response.headers.get("content-type", "").partition(";")[0].strip()
    if want.media_type is not None and not want.media_type.fullmatch(found):
        raise FetchFailed("it is of another media type")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > want.limit:
            raise FetchFailed(f"more than {want.limit} bytes")
    return bytes(body)


def _why(error: BaseException | None) -> str:
    """In which way a connection did not come about; the libraries hide that in a chain of causes."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted here ({error.verify_message})"
        if isinstance(error, ssl.SSLError):
            return "does not speak TLS at this port, or none that is safe"
        if isinstance(error, ConnectionRefusedError):
            return "refuses the connection: nothing listens at this port"
        if isinstance(error, ConnectionResetError):
            return "broke the connection off"
        error = error.__cause__ or error.__context__
    return "cannot be reached from the function's network"
