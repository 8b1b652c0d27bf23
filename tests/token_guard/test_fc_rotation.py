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

from edges.serving import running
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.rotator import RunFailed, RunRefused
from mcp_faas.lifecycle.settings import RotationSettingsError
from mcp_faas.stores import AddressError
from mcp_faas.tokens import Marks, Token, TokenDocument, from_object, marks, mint
from rotating.clock import FastClock
from rotating.services import FcService, service
from support.oss import ADDRESS, Oss
from support.oss import error as oss_error

FOREIGN = Token("printer", True, "foreign-" + "v" * 40)
EVENT = b'{"triggerTime": "2026-11-22T07:49:00Z", "triggerName": "hourly", "payload": "{}"}'


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
    monkeypatch.setenv("OSS_ENDPOINT", oss.url)
    monkeypatch.setenv("ROTATION_DELIVER", ADDRESS)
    credentials(monkeypatch, "first")
    return module


def credentials(monkeypatch: pytest.MonkeyPatch, session: str) -> None:
    """What the platform puts into the function's environment."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", f"STS.{session}")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", f"{session}-secret")
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", f"{session}-token")


def only(place: FcService, oss: Oss, session: str) -> None:
    """Both services take the credentials of this session, and no others."""
    place.api.session = oss.session = (f"STS.{session}", f"{session}-token")


def aged(age: timedelta) -> Token:
    token = mint(datetime.now(timezone.utc) - age)
    said = marks(token.name)
    assert said
    return Token(Marks(said.created, said.fingerprint, said.created).name(), True, token.data)


def document(place: FcService) -> TokenDocument:
    return from_object(place.truth())


def test_an_hourly_run_walks_through_the_rotation(
    function: ModuleType, place: FcService, oss: Oss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_OVERLAP", "0s")
    old = aged(timedelta(days=40))
    place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    function.handler(EVENT, None)
    new = Generations(document(place)).current
    assert new
    assert oss.held == new.token.data != old.data
    until = time.monotonic() + 30
    while len(document(place).tokens) > 2 and time.monotonic() < until:
        time.sleep(0.2)  # a second must pass: that is the resolution of the marks
        function.handler(EVENT, None)
    assert [token.data for token in document(place).tokens] == [FOREIGN.data, new.token.data]


def test_a_run_with_nothing_due_writes_nothing(function: ModuleType, place: FcService, oss: Oss) -> None:
    current = aged(timedelta(days=1))
    place.put({"tokens": [current.dump()]})
    oss.put(current.data.encode())
    function.handler(EVENT, None)
    assert place.writes == 0
    assert not oss.puts


def test_a_place_that_refuses_stops_the_rotation_before_the_old_token(
    function: ModuleType, place: FcService, oss: Oss
) -> None:
    old = aged(timedelta(days=40))
    place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    oss.fail = lambda request: oss_error(403, "AccessDenied")
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
        ("ROTATION_PROBE", "127.0.0.1"),
        ("ROTATION_PROBE", "http://mcp.example/mcp"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", ""),
    ],
)
def test_a_wrong_setting_is_named(function: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RotationSettingsError, match=name if name.startswith("ROTATION") else "credentials"):
        function.handler(EVENT, None)


@pytest.mark.parametrize("name", ["ROTATION_FC_ENDPOINT", "OSS_ENDPOINT"])
def test_an_endpoint_elsewhere_is_encrypted(function: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://api.example")
    with pytest.raises(AddressError, match=r"http://api\.example, which would carry tokens in the clear"):
        function.handler(EVENT, None)


def test_a_warm_instance_goes_on_with_renewed_credentials(
    function: ModuleType, place: FcService, oss: Oss, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is kept from one run to the next would go on with credentials that have expired since."""
    place.put({"tokens": [FOREIGN.dump()]})
    only(place, oss, "first")
    function.handler(EVENT, None)
    assert oss.held == document(place).tokens[-1].data
    credentials(monkeypatch, "second")
    only(place, oss, "second")
    place.put({"tokens": [FOREIGN.dump(), aged(timedelta(days=40)).dump()]})
    function.handler(EVENT, None)
    assert oss.held == document(place).tokens[-1].data
    assert len(oss.puts) == 2


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("service", ["oss", "fc"])
def test_an_instance_with_expired_credentials_ends_so_that_the_next_one_gets_new_ones(
    function: ModuleType, place: FcService, oss: Oss, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr("os._exit", end)
    place.put({"tokens": [FOREIGN.dump(), aged(timedelta(days=40)).dump()]})
    (oss if service == "oss" else place.api).session = ("STS.later", "later-token")
    with pytest.raises(Ended, match="1"):
        function.handler(EVENT, None)
    assert place.writes == 0


def test_another_failure_ends_no_instance(
    function: ModuleType, place: FcService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os._exit", lambda code: pytest.fail("the instance ended"))
    place.put({"tokens": [FOREIGN.dump()]})
    place.fail = lambda kind, number: "denied"
    with pytest.raises(RunFailed, match="AccessDenied"):
        function.handler(EVENT, None)


def test_the_time_is_the_functions_own(function: ModuleType, place: FcService, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put({"tokens": [FOREIGN.dump()]})
    asked: list[float] = []

    def watched(*arguments: Any, seconds: float, **more: Any) -> Any:
        asked.append(seconds)
        return rotator(*arguments, seconds=seconds, **more)

    rotator = function.Rotator
    monkeypatch.setattr(function, "Rotator", watched)
    for timeout in (30, 120, 600, None):
        function.handler(EVENT, SimpleNamespace(function=SimpleNamespace(timeout=timeout)))
    assert asked == [25, 110, 110, 55]


def test_a_failure_is_in_the_log(function: ModuleType, place: FcService, caplog: pytest.LogCaptureFixture) -> None:
    place.put({"tokens": [FOREIGN.dump()]})
    place.fail = lambda kind, number: "denied"
    with pytest.raises(RunFailed) as caught:
        function.handler(EVENT, None)
    assert [(line.levelname, line.getMessage()) for line in caplog.records if line.name.endswith("fc_rotation")] == [
        ("ERROR", str(caught.value))
    ]


def test_a_failed_run_tells_how_far_it_came(
    function: ModuleType, place: FcService, oss: Oss, caplog: pytest.LogCaptureFixture
) -> None:
    place.put({"tokens": [FOREIGN.dump()]})
    oss.fail = lambda request: oss_error(403, "AccessDenied") if request.method == "PUT" else None
    with caplog.at_level("INFO"), pytest.raises(RunFailed):
        function.handler(EVENT, None)
    assert [line.split()[1] for line in caplog.messages if line.startswith("done: ")] == ["add", "see"]
