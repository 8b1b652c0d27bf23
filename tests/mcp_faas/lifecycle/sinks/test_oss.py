"""Delivery to an object of OSS: what the official SDK really sends, and what each answer of the service means."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from edges.listener import Answer, HangUp, Request
from edges.serving import running
from mcp_faas.lifecycle.clock import Clock
from mcp_faas.lifecycle.sinks import SinkError
from mcp_faas.lifecycle.sinks import oss as sinks
from mcp_faas.stores import Access
from support.oss import ADDRESS, BUCKET, KEY, REGION, Oss, error

TOKEN = "mcpt-" + "t" * 43 + "-aaaaaa"
SESSION = ("STS.id", "secret", "sts-token")


@pytest.fixture
def oss() -> Iterator[Oss]:
    with running(Oss()) as bucket:
        yield bucket


@pytest.fixture
def sink(oss: Oss) -> sinks.ObjectSink:
    return sinks.ObjectSink(ADDRESS, REGION, BUCKET, KEY, Access(10.0, oss_endpoint=oss.url, fc_key=SESSION))


def anonymous(oss: Oss) -> int:
    return httpx2.get(f"{oss.url}/{BUCKET}/{KEY}", trust_env=False).status_code


def test_a_token_is_put_by_one_request_and_read_back(sink: sinks.ObjectSink, oss: Oss) -> None:
    assert sink.holds() is None
    sink.deliver(TOKEN)
    assert sink.holds() == oss.held == TOKEN
    assert [(request.method, request.target) for request in oss.requests] == [
        ("GET", f"/{BUCKET}/{KEY}"),
        ("PUT", f"/{BUCKET}/{KEY}"),
        ("GET", f"/{BUCKET}/{KEY}"),
    ]


def test_the_object_is_private_in_whatever_bucket_and_encrypted(sink: sinks.ObjectSink, oss: Oss) -> None:
    """`private` goes with the put itself: there is no second request, after which it would be so, and none for the ACL
    alone, which would need a permission of its own."""
    oss.bucket_acl = "public-read"
    oss.put(b"", acl="public-read-write")
    assert anonymous(oss) == 200
    sink.deliver(TOKEN)
    assert anonymous(oss) == 403
    assert oss.versions[KEY][-1].encryption == "AES256"
    (put,) = oss.puts
    assert put.header("x-oss-object-acl") == "private"
    assert put.header("cache-control") == "no-store"
    assert not put.query


def test_a_deleted_object_of_a_versioned_bucket_is_an_empty_place(sink: sinks.ObjectSink, oss: Oss) -> None:
    sink.deliver("old-" + "o" * 40)
    oss.put(None)
    assert sink.holds() is None
    sink.deliver(TOKEN)
    assert sink.holds() == TOKEN


def test_an_empty_object_is_there_to_be_filled(sink: sinks.ObjectSink, oss: Oss) -> None:
    oss.put(b"")
    assert not sink.holds()
    sink.deliver(TOKEN)
    assert sink.holds() == TOKEN


REFUSED = [
    (403, "AccessDenied", "oss:GetObject and oss:PutObject"),
    (404, "NoSuchBucket", "make this bucket"),
    (403, "InvalidObjectState", "storage class Standard"),
    (403, "InvalidAccessKeyId", "not taken"),
    (403, "SecurityTokenExpired", "not taken"),
    (409, "FileImmutable", "HTTP 409"),
    (404, "SymlinkTargetNotExist", "HTTP 404"),
]


def test_a_code_that_quotes_what_was_sent_is_not_repeated(sink: sinks.ObjectSink, oss: Oss) -> None:
    oss.fail = lambda request: error(400, TOKEN, ec=TOKEN)
    with pytest.raises(SinkError, match="unknown error") as caught:
        sink.deliver(TOKEN)
    assert TOKEN[:12] not in str(caught.value)


@pytest.mark.parametrize(("status", "code", "advice"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_refusal_is_no_empty_place_and_says_what_to_do(
    sink: sinks.ObjectSink, oss: Oss, status: int, code: str, advice: str
) -> None:
    oss.fail = lambda request: error(status, code)
    for call in (sink.holds, lambda: sink.deliver(TOKEN)):
        with pytest.raises(SinkError) as caught:
            call()
        said = str(caught.value)
        assert code in said
        assert advice in said
        assert "EC 0003-00000001, request 5C3D9175B6FC201293AD4890" in said
        assert "canary" not in said, "the service's own words may quote what was sent"
        assert TOKEN[:12] not in said
    assert len(oss.requests) == 2, "it would be refused again"


def test_another_bucket_is_no_empty_place(oss: Oss) -> None:
    elsewhere = sinks.ObjectSink("x", REGION, "other-bucket", KEY, Access(10.0, oss_endpoint=oss.url, fc_key=SESSION))
    with pytest.raises(SinkError, match="NoSuchBucket"):
        elsewhere.holds()


BROKEN: list[tuple[str, Answer | HangUp, str]] = [
    ("too long", Answer(200, (), b"x" * 2000), "longer than any token"),
    ("not text", Answer(200, (), b"\xff\xfe" * 20), "not text"),
    ("truncated", Answer(200, (), TOKEN.encode(), cut=20), "no usable answer"),
    ("hangs up", HangUp(), "no usable answer"),
    ("not XML", Answer(502, (), b"<html>bad gateway</html>"), "HTTP 502"),
    ("404 of something else", Answer(404, (), b"not here"), "HTTP 404"),
    ("redirect", Answer(301, (("location", "http://127.0.0.1:9/"),)), "HTTP 301"),
]


@pytest.mark.parametrize(("answer", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_answer_is_no_empty_place(sink: sinks.ObjectSink, oss: Oss, answer: Answer, said: str) -> None:
    oss.fail = lambda request: answer
    with pytest.raises(SinkError, match=said):
        sink.holds()


@pytest.mark.parametrize("answer", [error(503, "ServiceUnavailable"), HangUp()], ids=["503", "reset"])
def test_a_busy_service_is_asked_again(sink: sinks.ObjectSink, oss: Oss, answer: Answer | HangUp) -> None:
    def once(request: Request) -> Answer | HangUp | None:
        return answer if [seen.method for seen in oss.requests].count(request.method) == 1 else None

    oss.fail = once
    sink.deliver(TOKEN)
    assert sink.holds() == TOKEN


def test_a_slow_service_is_not_waited_for_beyond_the_bound(sink: sinks.ObjectSink, oss: Oss) -> None:
    """The SDK catches what ends the call, and must not take it for a reason to go on."""
    oss.wait_seconds = 5.0
    began = time.monotonic()
    with Clock().bounded(0.3), pytest.raises(SinkError, match="no usable answer"):
        sink.holds()
    assert time.monotonic() - began < 3.0


def test_a_job_with_a_role_delivers_with_what_the_sdk_finds(oss: Oss, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for each request, not once: the SDK renews a role's credentials."""

    class Role:
        asked = 0

        def get_credential(self) -> Any:
            self.asked += 1
            found = {"access_key_id": f"STS.{self.asked}", "security_token": f"token-{self.asked}"}
            return SimpleNamespace(access_key_secret="secret", **found)

    monkeypatch.setattr(sinks, "credentials", Role)
    sink = sinks.ObjectSink(ADDRESS, REGION, BUCKET, KEY, Access(oss_endpoint=oss.url))
    oss.session = ("STS.1", "token-1")
    assert sink.holds() is None
    oss.session = ("STS.2", "token-2")
    sink.deliver(TOKEN)
    assert oss.held == TOKEN
