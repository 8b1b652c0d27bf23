"""The FC timer function, on the FC OpenAPI's stand-in and an OSS of its own, with both official SDKs."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from edges.listener import Answer, HangUp, Listener, Request
from edges.serving import running
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.rotator import RunFailed, RunRefused
from mcp_faas.lifecycle.settings import RotationSettingsError
from mcp_faas.tokens import Marks, Token, TokenDocument, from_object, marks, mint
from rotating.clock import FastClock
from rotating.services import FcService, service

FOREIGN = Token("printer", True, "foreign-" + "v" * 40)
EVENT = b'{"triggerTime": "2026-11-22T07:49:00Z", "triggerName": "hourly", "payload": "{}"}'


class Oss:
    """A bucket with objects, as the SDK reads and writes them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.denied = False
        self._listener = Listener(self._answer, body_limit_bytes=65536)

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _answer(self, request: Request) -> Answer | HangUp:
        if self.denied or not (request.header("authorization") or "").startswith("OSS4-HMAC-SHA256 "):
            return self._error(403, "AccessDenied")
        if request.method == "PUT":
            self.objects[request.path] = request.body
            self.headers[request.path] = dict(request.headers)
            return Answer(200, (("x-oss-request-id", "1"),))
        if request.path not in self.objects:
            return self._error(404, "NoSuchKey")
        return Answer(200, (("x-oss-request-id", "1"),), self.objects[request.path])

    @staticmethod
    def _error(status: int, code: str) -> Answer:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>m</Message><RequestId>1</RequestId></Error>'
        return Answer(status, (("content-type", "application/xml"), ("x-oss-request-id", "1")), body.encode())


@pytest.fixture
def oss() -> Iterator[Oss]:
    with running(Oss()) as bucket:
        yield bucket


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FcService]:
    with service("fc_trigger", FastClock(), monkeypatch, tmp_path) as found:
        yield found


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, place: FcService, oss: Oss) -> ModuleType:
    module = importlib.import_module("token_guard.fc_rotation")
    monkeypatch.setenv("MCP_TOKENS", place.address)
    monkeypatch.setenv("ROTATION_FC_ENDPOINT", f"http://127.0.0.1:{place.port}")
    monkeypatch.setenv("OSS_ENDPOINT", f"http://127.0.0.1:{oss.port}")
    monkeypatch.setenv("ROTATION_DELIVER", "oss://cn-hangzhou/team-secrets/mcp/token")
    for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN"):
        monkeypatch.setenv(f"ALIBABA_CLOUD_{name}", name.lower())
    return module


def aged(age: timedelta) -> Token:
    token = mint(datetime.now(timezone.utc) - age)
    said = marks(token.name)
    assert said
    return Token(Marks(said.created, said.fingerprint, said.created).name(), True, token.data)


def document(place: FcService) -> TokenDocument:
    return from_object(place.truth())


def delivered(oss: Oss) -> str:
    return oss.objects["/team-secrets/mcp/token"].decode()


def test_an_hourly_run_walks_through_the_rotation(
    function: ModuleType, place: FcService, oss: Oss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_OVERLAP", "0s")
    old = aged(timedelta(days=40))
    place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    function.handler(EVENT, None)
    new = Generations(document(place)).current
    assert new
    assert delivered(oss) == new.token.data != old.data
    until = time.monotonic() + 30
    while len(document(place).tokens) > 2 and time.monotonic() < until:
        time.sleep(0.2)  # a second must pass: that is the resolution of the marks
        function.handler(EVENT, None)
    assert [token.data for token in document(place).tokens] == [FOREIGN.data, new.token.data]


def test_a_run_with_nothing_due_writes_nothing(function: ModuleType, place: FcService, oss: Oss) -> None:
    current = aged(timedelta(days=1))
    place.put({"tokens": [current.dump()]})
    oss.objects["/team-secrets/mcp/token"] = current.data.encode()
    function.handler(EVENT, None)
    assert place.writes == 0
    assert not oss.headers


def test_the_object_is_private_and_encrypted(function: ModuleType, place: FcService, oss: Oss) -> None:
    place.put({"tokens": [FOREIGN.dump()]})
    function.handler(EVENT, None)
    headers = oss.headers["/team-secrets/mcp/token"]
    assert headers["x-oss-object-acl"] == "private"
    assert headers["x-oss-server-side-encryption"] == "AES256"


def test_a_place_that_refuses_stops_the_rotation_before_the_old_token(
    function: ModuleType, place: FcService, oss: Oss
) -> None:
    old = aged(timedelta(days=40))
    place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    oss.denied = True
    with pytest.raises(RunFailed, match="AccessDenied") as caught:
        function.handler(EVENT, None)
    assert old.data in {token.data for token in document(place).live()}
    assert old.data[:12] not in str(caught.value)


def test_another_trigger_is_refused(function: ModuleType, place: FcService) -> None:
    place.account.put_trigger("mcp-server", "http", {"methods": ["GET"], "authType": "anonymous"})
    with pytest.raises(RunRefused, match="authType"):
        function.handler(EVENT, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROTATION_DELIVER", "file:/tmp/x"),
        ("ROTATION_DELIVER", "oss://region/bucket"),
        ("ROTATION_MAX_AGE", "30"),
        ("ROTATION_OVERLAP", "1 day"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", ""),
    ],
)
def test_a_wrong_setting_is_named(function: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RotationSettingsError, match=name if name.startswith("ROTATION") else "credentials"):
        function.handler(EVENT, None)


def test_credentials_are_read_anew_for_each_run(
    function: ModuleType, place: FcService, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put({"tokens": [FOREIGN.dump()]})
    real, used = function.open_store, []

    def noting(address: str, access: Any) -> Any:
        used.append(access.fc_key[0])
        return real(address, access)

    monkeypatch.setattr(function, "open_store", noting)
    function.handler(EVENT, None)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "renewed")
    function.handler(EVENT, None)
    assert used == ["access_key_id", "renewed"]


def test_a_job_with_a_role_delivers_with_what_the_sdk_finds(oss: Oss, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp_faas.lifecycle.sinks import oss as sinks
    from mcp_faas.stores import Access

    class Role:
        def get_credential(self) -> Any:
            return SimpleNamespace(access_key_id="role-id", access_key_secret="secret", security_token="sts")

    monkeypatch.setattr(sinks, "credentials", Role)
    place = ("cn-hangzhou", "team-secrets", "mcp/token")
    sink = sinks.ObjectSink("oss", *place, Access(oss_endpoint=f"http://127.0.0.1:{oss.port}"))
    assert sink.holds() is None
    sink.deliver("t" * 40)
    assert sink.holds() == "t" * 40
    headers = oss.headers["/team-secrets/mcp/token"]
    assert "Credential=role-id/" in headers["authorization"]
    assert headers["x-oss-security-token"] == "sts"
