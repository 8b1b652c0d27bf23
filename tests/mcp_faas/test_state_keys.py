"""The keys of `requestState`: a file is read at once, a service when the first key is needed, and then kept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import InvalidRequestState
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from edges.secretsmanager import SecretsManager
from edges.serving import running
from mcp_faas.settings.values import SettingsError
from mcp_faas.state_keys import PAUSE_SECONDS, KeyedBoundary, StateKeys
from mcp_faas.stores import read_secret

ADDRESS = "aws://eu-west-1/stack/request-state-key"
KEY = "k" * 64


@pytest.fixture(name="manager")
def _manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    with running(SecretsManager()) as manager:
        monkeypatch.setenv("AWS_ENDPOINT_URL", manager.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        yield manager


def put(manager: SecretsManager, text: str) -> None:
    session = boto3.session.Session("local", "local", "local", "eu-west-1")
    client = session.client("secretsmanager", endpoint_url=manager.url)
    client.create_secret(Name="stack/request-state-key", SecretString=text)


def test_a_service_is_asked_by_the_first_that_needs_a_key_and_once(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients: list[str] = []
    original = boto3.client

    def client(service: str, **options: Any) -> Any:
        clients.append(service)
        return original(service, **options)

    monkeypatch.setattr("boto3.client", client)
    keys = StateKeys(ADDRESS)
    assert clients == []
    put(manager, KEY)
    assert [keys.unseal(keys.seal(b"plan")) for _ in range(3)] == [b"plan"] * 3
    assert clients == ["secretsmanager"]
    assert StateKeys(ADDRESS).unseal(keys.seal(b"plan")) == b"plan", "another instance opens it"


def test_what_has_no_answer_is_asked_again_after_a_pause(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("mcp_faas.state_keys.time.monotonic", lambda: now[0])
    keys = StateKeys(ADDRESS)
    with pytest.raises(SettingsError, match=r"leads to no key: .*Make one with: openssl rand -hex 32"):
        keys.seal(b"plan")
    put(manager, KEY)
    now[0] += PAUSE_SECONDS - 1
    with pytest.raises(SettingsError, match="leads to no key"):
        keys.seal(b"plan")
    now[0] += 1
    assert keys.unseal(keys.seal(b"plan")) == b"plan"


@pytest.fixture(name="hanging")
def _hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service that takes every connection and never answers; non-blocking, so that a test can count them."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        server.setblocking(False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        monkeypatch.setattr("mcp_faas.state_keys.READ_SECONDS", 0.5)
        yield server


def connections(server: socket.socket) -> int:
    found = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return found
        found += 1


def test_a_service_that_hangs_is_waited_for_once(hanging: socket.socket) -> None:
    keys = StateKeys(ADDRESS)
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(SettingsError, match="leads to no key"):
            keys.unseal("junk")
    assert time.monotonic() - began < 8, "twenty time limits are ten seconds"
    assert connections(hanging) == 1


def context(state: str | None) -> Any:
    params = {"name": "plan", "arguments": {}} | ({} if state is None else {"requestState": state})
    return ServerRequestContext(
        session=Mock(), lifespan_context=None, protocol_version="2026-07-28", method="tools/call", params=params
    )


async def asking(ctx: Any) -> dict[str, Any]:
    return {"resultType": "input_required", "requestState": "the plan"}


async def done(ctx: Any) -> dict[str, Any]:
    return {"state": (ctx.params or {}).get("requestState")}


def test_a_state_that_nobody_could_look_at_is_not_called_expired(hanging: socket.socket) -> None:
    """A client throws away the plan of a state that is expired."""
    boundary = KeyedBoundary(StateKeys(ADDRESS), default_audience="server")

    async def both() -> tuple[int, MCPError]:
        turns = 0
        answer = asyncio.ensure_future(boundary(context("v1.sealed"), done))
        while not answer.done():
            await asyncio.sleep(0.01)
            turns += 1
        error = answer.exception()
        assert isinstance(error, MCPError)
        return turns, error

    turns, error = asyncio.run(both())
    assert error.error.code == INTERNAL_ERROR
    assert turns > 5, "others had their turn while the service was waited for"
    with pytest.raises(MCPError) as sealing:
        asyncio.run(boundary(context(None), asking))
    assert sealing.value.error.code == INTERNAL_ERROR
    assert asyncio.run(boundary(context(None), done)) == {"state": None}, "who needs no key has his answer"
    assert connections(hanging) == 1


@pytest.mark.parametrize(("state", "answer"), [("v1.sealed", done), (None, asking)])
def test_nobody_waits_for_a_service_in_the_event_loop(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch, state: str | None, answer: Any
) -> None:
    put(manager, KEY)
    readers: list[threading.Thread] = []

    def read(*given: Any) -> str:
        readers.append(threading.current_thread())
        return read_secret(*given)

    monkeypatch.setattr("mcp_faas.state_keys.read_secret", read)
    boundary = KeyedBoundary(StateKeys(ADDRESS), default_audience="server")
    with contextlib.suppress(MCPError):  # the state is none of ours
        asyncio.run(boundary(context(state), answer))
    assert len(readers) == 1
    assert threading.current_thread() not in readers


def test_a_state_comes_back_and_a_forged_one_is_refused(manager: SecretsManager) -> None:
    put(manager, KEY)
    asked: Any = asyncio.run(KeyedBoundary(StateKeys(ADDRESS), default_audience="server")(context(None), asking))
    boundary = KeyedBoundary(StateKeys(ADDRESS), default_audience="server")
    assert asyncio.run(boundary(context(asked["requestState"]), done)) == {"state": "the plan"}
    with pytest.raises(MCPError) as forged:
        asyncio.run(boundary(context("junk"), done))
    assert forged.value.error.code == INVALID_PARAMS


@pytest.mark.parametrize(
    "address", ["aws://nowhere/x", "aws://eu-west-1/a b", "aws://eu-west-1/", "AWS://eu-west-1/x", "file:"]
)
def test_an_address_that_leads_nowhere_is_refused_at_once(address: str) -> None:
    with pytest.raises(SettingsError, match="the forms are aws://"):
        StateKeys(address)


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "us-iso-east-1", "cn-north-1", "eusc-de-east-1"])
def test_every_region_s_name_is_taken(region: str) -> None:
    StateKeys(f"aws://{region}/arn:aws:secretsmanager:{region}:123456789012:secret:a/b_c+d=e.f@g-AbCdEf")


def test_the_same_key_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "twice").write_text(f"{KEY}\n{KEY}\n")
    with pytest.raises(SettingsError, match="duplicates an earlier"):
        StateKeys(f"file:{tmp_path / 'twice'}")


def test_a_file_that_has_no_key_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short\n")
    for name, said in (("short", "leads to 1 key"), ("missing", "leads to no key")):
        with pytest.raises(SettingsError, match=said):
            StateKeys(f"file:{tmp_path / name}")


def test_the_first_key_seals_and_all_open(tmp_path: Path) -> None:
    for name, lines in (("old", ["o"]), ("both", ["n", "o"]), ("new", ["n"])):
        (tmp_path / name).write_text("".join(f"{line * 32}\n" for line in lines))
    old, both, new = (StateKeys(f"file:{tmp_path / name}") for name in ("old", "both", "new"))
    assert both.unseal(old.seal(b"plan")) == new.unseal(both.seal(b"plan")) == b"plan"
    with pytest.raises(InvalidRequestState):
        new.unseal(old.seal(b"plan"))


def test_an_artifact_without_aws_s_client_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_faas.state_keys.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="this artifact has no boto3"):
        StateKeys(ADDRESS)
