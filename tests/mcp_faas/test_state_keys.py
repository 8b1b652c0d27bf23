"""The keys of `requestState`: a file is read at once, a service when the first key is needed, and then kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from mcp.server.request_state import InvalidRequestState

from edges.secretsmanager import SecretsManager
from edges.serving import running
from mcp_faas.settings.values import SettingsError
from mcp_faas.state_keys import StateKeys

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


def test_what_has_no_answer_is_asked_again(manager: SecretsManager) -> None:
    keys = StateKeys(ADDRESS)
    with pytest.raises(SettingsError, match=r"leads to no key: .*Make one with: openssl rand -hex 32"):
        keys.seal(b"plan")
    put(manager, KEY)
    assert keys.unseal(keys.seal(b"plan")) == b"plan"


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
