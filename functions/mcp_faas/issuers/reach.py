"""Whom the door may call for the keys of one issuer: each host is looked up and judged before it is asked.

Nothing is fetched here. Whoever can choose a host name, or what it resolves to, must not lead the function into the
network that it stands in (server-side request forgery, MCP security best practices).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from mcp_faas.settings.values import is_loopback

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 1918, RFC 6598 and RFC 4193: what MCP_JWT_PRIVATE_ISSUER opens. Never this machine, nor the link-local addresses
# at which clouds keep their credentials.
_PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 §2.4; Python calls some of the rest global, too
_NAT64 = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/96")))  # RFC 6052, RFC 8215
URL_MAX_CHARACTERS = 2048
_PORTS = {"http": 80, "https": 443}


class FetchFailed(Exception):
    """The issuer did not give what it should; the message says what, in words of ours."""


class Unreachable(FetchFailed):
    """There is no use in asking the same issuer at another of its paths."""


class NotOnTheInternet(Unreachable):
    """The host is there, at an address that is never asked."""


def is_public(address: Address) -> bool:
    """An address of the internet, also behind the notations in which IPv6 carries one of IPv4."""
    address = unwrapped(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


def is_private(address: Address) -> bool:
    """An address of somebody's own network."""
    address = unwrapped(address)
    return any(address in network for network in _PRIVATE)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that one of IPv6 stands for (mapped, 6to4, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _NAT64):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


class Reach:
    """Where the keys of one issuer may come from. `private` is the switch MCP_JWT_PRIVATE_ISSUER."""

    def __init__(self, issuer: str, *, private: bool = False) -> None:
        self._issuer = urlsplit(issuer)
        self._local = is_loopback(self._issuer.hostname or "")
        self._private = private

    async def addresses(self, url: str, *, configured: bool) -> list[str]:
        """Where to connect to for `url`; none if a proxy finds that out. Raises `FetchFailed`.

        `configured`: the operator wrote this URL or that of the issuer; any other was named by a document.
        """
        parts = _split(url)
        host = parts.hostname or ""
        if not configured:
            self._check_named(parts)
        if self._local and is_loopback(host):
            return [] if proxy_for(url) else [str(found) for found in await _resolve(parts)]
        # A document's word opens the private network nowhere but on the issuer's own host.
        private = self._private and (configured or host == self._issuer.hostname)
        # A proxy of the environment resolves names by itself, and may be the only one who can: then only an address
        # that the URL spells out is judged.
        found = _spelt_out(host) if proxy_for(url) else await _resolve(parts)
        for address in found:
            if not is_public(address) and not (private and is_private(address)):
                raise NotOnTheInternet(self._refusal(host, address, configured))
        return [] if proxy_for(url) else [str(address) for address in found]

    def _check_named(self, parts: SplitResult) -> None:
        host = parts.hostname or ""
        if parts.scheme not in (("http", "https") if self._local else ("https",)):
            raise Unreachable("jwks_uri is not an https URL")
        if is_loopback(host) is not self._local:
            raise Unreachable("jwks_uri and issuer disagree on whether they are local")

    def _refusal(self, host: str, address: Address, configured: bool) -> str:
        what = "" if configured else "jwks_uri leads to "
        text = f"{what}{host} has the address {address}, which is not on the internet"
        if not is_private(address):
            return f"{text} and never fetched from"
        if self._private:
            return f"{text}; MCP_JWT_PRIVATE_ISSUER is for the issuer's own host: serve the keys there"
        return f"{text}; if your issuer is in a private network, set MCP_JWT_PRIVATE_ISSUER=on"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:
        usable, parts = None, urlsplit("")
    if not usable or not re.fullmatch(rf"[\x21-\x7e]{{1,{URL_MAX_CHARACTERS}}}", url):
        raise Unreachable("jwks_uri is not an https URL")
    return parts


def proxy_for(url: str) -> str | None:
    """The proxy that the environment demands for this URL, if any."""
    parts = urlsplit(url)
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _spelt_out(host: str) -> list[Address]:
    """The address that a host is, if it is one; of its odd spellings only resolvers know what they mean."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        if re.fullmatch(r"[0-9a-fx.]+", host) or host.endswith(".") or is_loopback(host):
            raise Unreachable(f"{host} is no name and no address that a proxy may be asked for") from None
        return []


async def _resolve(parts: SplitResult) -> list[Address]:
    """Bounded by whoever waits for the fetch, as everything else of it is."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        entries = []
    found = dict.fromkeys(ipaddress.ip_address(str(entry[4][0])) for entry in entries)
    if not found:
        raise Unreachable(f"{host} has no address: the name is wrong, or unknown to the DNS of the function's network")
    return list(found)
