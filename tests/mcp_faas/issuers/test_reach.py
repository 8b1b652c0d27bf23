"""Whom the door may call for keys: every address is judged, whoever wrote the name."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from mcp_faas.issuers.reach import FetchFailed, Reach, is_private, is_public, proxy_for

pytestmark = pytest.mark.anyio

ISSUER = "https://login.example.com/realms/a"


class Resolver:
    """The DNS of a network that this machine does not stand in."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def getaddrinfo(self, host: str, port: int, **given: Any) -> list[Any]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(None, None, 0, "", (address, port)) for address in self.names[host]]


def resolve(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> Resolver:
    resolver = Resolver(**names)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
    return resolver


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, False),
        ("2606:4700::1111", True, False),
        ("64:ff9b::808:808", True, False),
        ("2002:808:808::", True, False),
        ("10.0.0.1", False, True),
        ("172.16.9.9", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::a00:1", False, True),
        ("2002:a00:1::", False, True),
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("::ffff:127.0.0.1", False, False),
        ("::127.0.0.1", False, False),
        ("64:ff9b::7f00:1", False, False),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b:1::a9fe:a9fe", False, False),
        ("fe80::1", False, False),
        ("fec0::1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104 - an address to judge, not one to listen on
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff0e::1", False, False),
        ("255.255.255.255", False, False),
    ],
)
async def test_what_an_address_is(address: str, public: bool, private: bool) -> None:
    found = ipaddress.ip_address(address)
    assert (is_public(found), is_private(found)) == (public, private)


@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["8.8.8.8", "10.0.0.7"], ["::ffff:10.0.0.7"]])
async def test_private_address_is_refused_whoever_named_it(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], configured: bool
) -> None:
    resolve(monkeypatch, **{"login.example.com": addresses})
    with pytest.raises(FetchFailed, match="MCP_JWT_PRIVATE_ISSUER=on"):
        await Reach(ISSUER).addresses("https://login.example.com/jwks", configured=configured)


async def test_public_addresses_are_those_to_connect_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, **{"login.example.com": ["8.8.8.8", "2606:4700::1111"]})
    found = await Reach(ISSUER).addresses("https://login.example.com/jwks", configured=False)
    assert found == ["8.8.8.8", "2606:4700::1111"]


async def test_switch_is_for_what_the_operator_wrote_and_for_the_issuers_own_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve(
        monkeypatch,
        **{
            "login.example.com": ["10.0.0.7"],
            "keys.example.com": ["10.0.0.8"],
            "here.example.com": ["127.0.0.1"],
            "credentials.example.com": ["169.254.169.254"],
        },
    )
    reach = Reach(ISSUER, private=True)
    assert await reach.addresses("https://login.example.com/jwks", configured=True) == ["10.0.0.7"]
    assert await reach.addresses("https://keys.example.com/jwks", configured=True) == ["10.0.0.8"]
    assert await reach.addresses("https://login.example.com/jwks", configured=False) == ["10.0.0.7"]
    with pytest.raises(FetchFailed, match="the issuer's own host"):
        await reach.addresses("https://keys.example.com/jwks", configured=False)
    for host in ("here", "credentials"):
        with pytest.raises(FetchFailed, match="never fetched"):
            await reach.addresses(f"https://{host}.example.com/jwks", configured=True)


@pytest.mark.parametrize(
    ("url", "from_issuer"),
    [
        ("http://8.8.8.8/jwks", "https://8.8.4.4"),
        ("https://127.0.0.1/jwks", "https://8.8.4.4"),
        ("https://localhost/jwks", "https://8.8.4.4"),
        ("https://[::1]/jwks", "https://8.8.4.4"),
        ("https://8.8.8.8/jwks", "http://127.0.0.1:8789"),
        ("file:///etc/passwd", "https://8.8.4.4"),
        ("ftp://127.0.0.1/jwks", "http://127.0.0.1:8789"),
        ("https:///jwks", "https://8.8.4.4"),
        ("https://10.0.0.1/jwks", "https://8.8.4.4"),
        ("https://169.254.169.254/jwks", "https://8.8.4.4"),
        ("https://0.0.0.0/jwks", "https://8.8.4.4"),
        ("https://127.1/jwks", "https://8.8.4.4"),
        ("https://2130706433/jwks", "https://8.8.4.4"),
        ("https://0x7f.1/jwks", "https://8.8.4.4"),
        ("https://localhost./jwks", "https://8.8.4.4"),
        ("https://[::1/jwks", "https://8.8.4.4"),
        ("https://8.8.8.8:99999/jwks", "https://8.8.4.4"),
        ("https://user:password@8.8.8.8/jwks", "https://8.8.4.4"),
        ("https://8.8.8.8/" + "j" * 3000, "https://8.8.4.4"),
    ],
)
async def test_key_set_that_metadata_may_not_name(url: str, from_issuer: str) -> None:
    """By the machine's own resolver, which knows the odd spellings of an address."""
    with pytest.raises(FetchFailed):
        await Reach(from_issuer).addresses(url, configured=False)
    with pytest.raises(FetchFailed):
        await Reach(from_issuer, private=True).addresses(url, configured=False)
    assert await Reach("https://8.8.4.4").addresses("https://8.8.8.8/jwks", configured=False) == ["8.8.8.8"]


async def test_name_without_an_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch)
    with pytest.raises(FetchFailed, match=r"login\.example\.com has no address"):
        await Reach(ISSUER).addresses(ISSUER, configured=True)


async def test_proxy_resolves_and_what_is_spelt_out_is_judged_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    resolver = resolve(monkeypatch, **{"inside.example.com": ["10.0.0.7"]})
    reach = Reach(ISSUER)
    assert proxy_for(ISSUER) == "http://proxy.example:3128"
    assert await reach.addresses("https://login.example.com/jwks", configured=True) == []
    assert resolver.asked == []
    for host in ("10.0.0.1", "[::1]", "127.1", "localhost", "2130706433", "localhost."):
        with pytest.raises(FetchFailed):
            await reach.addresses(f"https://{host}/jwks", configured=True)
    with pytest.raises(FetchFailed, match="MCP_JWT_PRIVATE_ISSUER"):  # no proxy for this one
        await reach.addresses("https://inside.example.com/jwks", configured=True)
