"""What the doctor sends and what it follows: bounded, and never led into this machine's network by a stranger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from diagnosis.addresses import Reach, reach_of
from diagnosis.endpoint import Endpoint
from diagnosis.examination import examine
from diagnosis.wire import BODY_BYTES, TimeIsUp, Wire
from edges.serving import running
from flawed.correct import Answer, Correct, Request

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("2606:4700::1111", Reach.PUBLIC),
        ("10.0.0.1", Reach.PRIVATE),
        ("192.168.1.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd00::1", Reach.PRIVATE),
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.8.8.8", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("::ffff:10.0.0.1", Reach.PRIVATE),
        ("64:ff9b::7f00:1", Reach.LOOPBACK),
        ("64:ff9b:1::7f00:1", Reach.LOOPBACK),
        ("2002:a00:1::", Reach.PRIVATE),
        ("169.254.169.254", Reach.NEVER),
        ("::ffff:169.254.169.254", Reach.NEVER),
        ("fe80::1%eth0", Reach.NEVER),
        ("0.0.0.0", Reach.NEVER),  # noqa: S104 - an address to judge, not one to listen on
        ("224.0.0.1", Reach.NEVER),
        ("::", Reach.NEVER),
    ],
)
def test_how_near_an_address_is(address: str, reach: Reach) -> None:
    assert reach_of(address) is reach


class Odd(Correct):
    """Answers that no client should have to bear."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/large":
            return Answer(200, [], b"x" * (3 * BODY_BYTES))
        if request.path == "/endless":
            return Answer(200, [], b"x", endless=True)
        if request.path == "/silent":
            return Answer(None)
        if request.path == "/redirect":
            return Answer(302, [("location", f"{self.base}/followed")])
        return super().answer(request)


@pytest.fixture(scope="module")
def odd() -> Iterator[Odd]:
    with running(Odd()) as server:
        yield server


def wire(server: Correct, **settings: Any) -> Wire:
    return Wire(urlsplit(server.url), **{"timeout": 30, "whole": 100, **settings})


def test_an_answer_has_a_size(odd: Odd) -> None:
    reply = wire(odd).exchange("GET", odd.base + "/large")
    assert (reply.status, reply.ended) == (200, False)
    assert len(reply.body) <= 2 * BODY_BYTES


def test_an_answer_has_an_end(odd: Odd) -> None:
    began = time.monotonic()
    reply = wire(odd).exchange("GET", odd.base + "/endless", patience=0.3)
    assert (reply.status, reply.body, reply.ended) == (200, b"x", False)
    silent = wire(odd).exchange("GET", odd.base + "/silent", patience=0.3)
    assert (silent.status, "no end after" in silent.why) == (None, True)
    assert time.monotonic() - began < 20


def test_a_redirect_is_told_and_not_followed(odd: Odd) -> None:
    reply = wire(odd).exchange("GET", odd.base + "/redirect")
    assert (reply.status, str(reply)) == (302, f"HTTP 302, location: {odd.base}/followed")
    assert not [request for request in odd.sent if request.path == "/followed"]


def test_what_is_sent_is_sent_as_it_is(odd: Odd) -> None:
    headers = [("Host", "a.example"), ("Authorization", "Bearer\ta"), ("Authorization", "Bearer \xe9")]
    wire(odd).exchange("POST", odd.base + "/mcp/..;/?a=%20b", headers, b"{}", note="x")
    seen = odd.sent[-1]
    assert (seen.method, seen.path, seen.query, seen.body) == ("POST", "/mcp/..;/", "a=%20b", b"{}")
    assert seen.all("authorization") == ["Bearer\ta", "Bearer \xe9"]
    assert seen.all("host") == ["a.example"]
    assert seen.all("user-agent") == ["mcp-faas-doctor/1"]


def test_the_run_as_a_whole_has_an_end(odd: Odd) -> None:
    with pytest.raises(TimeIsUp):
        wire(odd, whole=0).exchange("GET", odd.url)


def test_nobody_there_is_no_exception(odd: Odd) -> None:
    assert wire(odd).exchange("GET", "http://127.0.0.1:1/").why == "Connection refused"


@pytest.mark.parametrize(
    ("named", "followed"),
    [
        (PUBLIC, True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
    ],
)
def test_a_public_endpoint_leads_to_public_addresses_alone(named: str, followed: bool) -> None:
    hosts = {"mcp.example.com": [PUBLIC], "issuer.example.com": [named]}
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return hosts[host]

    made = Wire(urlsplit("https://mcp.example.com/mcp"), timeout=0.2, whole=100, resolve=resolve)
    reply = made.exchange("GET", "https://issuer.example.com/.well-known/openid-configuration")
    assert reply.status is None
    assert ("not fetched" in reply.why) is not followed
    assert asked == ["issuer.example.com", "mcp.example.com"]


def test_a_private_endpoint_leads_to_private_addresses_but_not_to_this_machine() -> None:
    hosts = {"mcp.corp": ["10.0.0.1"], "issuer.corp": ["10.0.0.2"], "trap.corp": ["127.0.0.1"]}
    made = Wire(urlsplit("https://mcp.corp/mcp"), timeout=0.2, whole=100, resolve=lambda host, port: hosts[host])
    assert "not fetched" not in made.exchange("GET", "https://issuer.corp/").why
    assert "not fetched" in made.exchange("GET", "https://trap.corp/").why


def test_a_name_with_two_kinds_of_addresses_counts_as_the_farther() -> None:
    hosts = {"mcp.example.com": [PUBLIC, "127.0.0.1"], "trap.example.com": ["127.0.0.1"]}
    made = Wire(urlsplit("https://mcp.example.com/mcp"), timeout=0.2, whole=100, resolve=lambda host, port: hosts[host])
    assert "not fetched" in made.exchange("GET", "https://trap.example.com/").why


def test_the_answer_of_a_name_server_is_kept() -> None:
    """A second answer that leads elsewhere comes too late."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    made = Wire(urlsplit("https://mcp.example.com/mcp"), timeout=0.2, whole=100, resolve=resolve)
    for _ in range(2):
        assert made.exchange("GET", "https://mcp.example.com/mcp").status is None
    assert asked == ["mcp.example.com"]


class Canary(Correct):
    """Somebody else's service on this machine."""

    def answer(self, request: Request) -> Answer:
        return Answer(200, [("content-type", "application/json")], b"{}")


class LeadsInside(Correct):
    """Metadata that names a service of the doctor's own machine as issuer, and as the place of the metadata."""

    inside = ""

    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "authorization_servers": [self.inside]}

    def metadata_url(self, request: Request) -> str:
        return self.inside + "/metadata"


def test_a_finding_is_made_of_it_and_no_request() -> None:
    """The endpoint is taken for a public one: its name has a public address, to which nothing here connects."""
    with running(Canary()) as canary, running(LeadsInside()) as server:
        server.inside = f"http://localhost:{canary.port}"
        made = Wire(urlsplit(server.url), timeout=30, whole=100)
        made._reach = Reach.PUBLIC
        checks = list(examine(Endpoint(server.url, made)))
        assert canary.sent == []
    found = {check.id: check for check in checks}
    for id_ in ("issuer.metadata", "metadata.url"):
        assert found[id_].result == "fail"
        assert "not fetched" in found[id_].got + found[id_].advice
