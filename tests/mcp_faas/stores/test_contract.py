"""What every store of a token document promises, asked of all four through their official clients."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edges.fc_state import Unproven
from edges.secretsmanager import Call
from mcp_faas.stores import (
    Access,
    AddressError,
    Snapshot,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    open_store,
    read_secret,
)
from mcp_faas.stores.fc_client import FcClient
from mcp_faas.stores.private_file import locked
from mcp_faas.tokens import DocumentError, TokenDocument, mint
from rotating.clock import FastClock
from rotating.services import FUNCTION, SERVICES, SETTINGS, AwsService, FileService, service

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
VALUE = "foreign-" + "v" * 40
RICH: dict[str, Any] = {
    "before": {"deep": [1, 2.5, None, "é"]},
    "tokens": [{"x": 1, "tokenName": "printer", "tokenData": VALUE, "enable": True, "tail": {"b": 1, "a": 2}}],
    "after": "kept",
}


class StoreContract:
    """Inherited once per store."""

    name: str

    @pytest.fixture
    def place(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
        with service(self.name, FastClock(), monkeypatch, tmp_path) as place:
            place.put(RICH)
            yield place

    def test_reads_what_is_there(self, place: Any) -> None:
        document = place.open().read().document
        assert [(token.name, token.enabled, token.data) for token in document.tokens] == [("printer", True, VALUE)]

    def test_writes_back_what_it_does_not_understand_in_place_and_order(self, place: Any) -> None:
        store = place.open()
        snapshot = store.read()
        token = mint(NOW)
        store.write(snapshot, snapshot.document.adding(token))
        truth = place.truth()
        assert list(truth) == ["before", "tokens", "after"]
        assert json.dumps(truth["tokens"][0]) == json.dumps(RICH["tokens"][0])
        assert {key: truth[key] for key in ("before", "after")} == {key: RICH[key] for key in ("before", "after")}
        assert truth["tokens"][1:] == [{"tokenName": token.name, "enable": True, "tokenData": token.data}]

    def test_a_write_is_read_back(self, place: Any) -> None:
        store = place.open()
        snapshot = store.read()
        after = snapshot.document.adding(mint(NOW))
        store.write(snapshot, after)
        assert store.read().document.same_as(after)

    def test_a_document_that_is_not_one_is_said_so_without_quoting_it(self, place: Any) -> None:
        if isinstance(place, AwsService | FileService):
            place.put([VALUE])
            with pytest.raises(DocumentError) as caught:
                _ = place.open().read().document
            assert VALUE not in str(caught.value)

    def test_nothing_that_is_printed_shows_a_value(self, place: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        store = place.open()
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        assert VALUE not in f"{store!r} {snapshot!r} {snapshot.document!r} {snapshot.document.tokens!r}"
        ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("mcp_faas"))
        assert VALUE not in ours


class CompareAndSwapContract(StoreContract):
    """A store that notices by itself that the document has changed since it was read."""

    def test_a_document_that_changed_since_is_not_written(self, place: Any) -> None:
        first, second = place.open(), place.open()
        ours, theirs = first.read(), second.read()
        second.write(theirs, theirs.document.adding(mint(NOW)))
        truth = place.truth()
        with pytest.raises(StoreConflict):
            first.write(ours, ours.document.adding(mint(NOW)))
        assert place.truth() == truth
        assert first.settle_seconds == 0


class TimedContract(StoreContract):
    """A store whose service has no compare-and-swap: what protects is that a write follows its read at once."""

    def test_a_write_too_long_after_its_read_does_not_go_out(self, place: Any) -> None:
        store = place.open()
        snapshot = store.read()
        snapshot.basis.timer._began -= 2.1
        with pytest.raises(StoreConflict):
            store.write(snapshot, snapshot.document.adding(mint(NOW)))
        assert place.writes == 0

    @pytest.mark.parametrize("fault", ["500", "throttled", "reset before", "timeout before"])
    def test_each_call_goes_out_once(self, place: Any, fault: str) -> None:
        place.fail = lambda kind, number: fault
        with pytest.raises(StoreUnavailable):
            place.open(1.0).read()
        assert place.calls == 1

    def test_the_time_is_the_servers(self, place: Any) -> None:
        moment = place.open().read().time
        assert moment is not None
        assert abs((moment - datetime.now(timezone.utc)).total_seconds()) < 60

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            ("throttled", StoreUnavailable),
            ("500", StoreUnavailable),
            ("503", StoreUnavailable),
            ("reset before", StoreUnavailable),
            ("malformed", StoreUnavailable),
            ("truncated", StoreUnavailable),
            ("not json", StoreUnavailable),
            ("empty", StoreUnavailable),
            ("conflict", StoreConflict),
            ("denied", StoreError),
            ("expired", StoreError),
        ],
    )
    def test_failures_are_told_apart(self, place: Any, fault: str, kind: type[StoreError]) -> None:
        place.fail = lambda kind, number: fault
        with pytest.raises(kind) as caught:
            place.open().read()
        assert type(caught.value) is kind
        assert VALUE not in str(caught.value)

    def test_debug_of_the_sdk_prints_nothing(
        self, place: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("DEBUG", "sdk")
        store = place.open()
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        out, err = capfd.readouterr()
        assert (out, err) == ("", "")
        assert os.environ["DEBUG"] == "sdk"

    def test_a_proxy_is_not_used_for_this_machine(self, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert place.open().read().document.tokens


class TestFile(CompareAndSwapContract):
    name = "file"

    def test_document_and_lock_are_their_owners(self, place: Any) -> None:
        place.path.chmod(0o644)
        store = place.open()
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        for path in place.path.parent.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path

    def test_a_lock_that_is_kept_for_long_is_no_refusal(self, place: Any) -> None:
        store = open_store(place.address, Access(timeout=0.1))
        snapshot = store.read()
        with (
            locked(place.path.with_name(f".{place.path.name}.lock"), 1.0),
            pytest.raises(StoreUnavailable, match="stays"),
        ):
            store.write(snapshot, snapshot.document.adding(mint(NOW)))
        store.write(snapshot, snapshot.document.adding(mint(NOW)))

    def test_a_link_stays_a_link(self, place: Any, tmp_path: Path) -> None:
        link = tmp_path / "link.json"
        link.symlink_to(place.path)
        store = open_store(f"file:{link}")
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        assert link.is_symlink()
        assert len(place.truth()["tokens"]) == 2
        assert [lock.name for lock in tmp_path.glob(".*.lock")] == [f".{place.path.name}.lock"], (
            "two locks lock nothing"
        )

    def test_what_a_killed_run_left_is_overwritten(self, place: Any) -> None:
        left = place.path.with_name(f".{place.path.name}.tmp")
        left.write_text("half of a docu")
        store = place.open()
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        assert not left.exists()
        assert len(place.truth()["tokens"]) == 2

    def test_a_missing_file_is_an_error_and_not_a_document(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"tokens\.py mint"):
            open_store(f"file:{tmp_path / 'none.json'}").read()
        assert not list(tmp_path.iterdir())

    def test_an_empty_file_is_no_document(self, place: Any) -> None:
        place.path.write_text("")
        with pytest.raises(DocumentError):
            _ = place.open().read().document


class TestSecretsManager(CompareAndSwapContract):
    name = "secretsmanager"

    def test_current_moves_from_a_named_version_and_other_labels_stay(self, place: Any) -> None:
        region = place.manager.region("eu-west-1")
        pending = "11111111-1111-1111-1111-111111111111"
        region.put_secret_value(
            {
                "SecretId": "team/mcp-tokens",
                "SecretString": "{}",
                "ClientRequestToken": pending,
                "VersionStages": ["AWSPENDING"],
            }
        )
        store = place.open()
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        stages = region.describe_secret({"SecretId": "team/mcp-tokens"})["VersionIdsToStages"]
        assert stages[pending] == ["AWSPENDING"]
        assert stages[snapshot.basis] == ["AWSPREVIOUS"]

    def test_a_secret_without_a_value_is_an_empty_document(self, place: Any) -> None:
        place.manager.region("eu-west-1").create_secret({"Name": "empty", "ClientRequestToken": "e" * 32})
        store = open_store("aws://eu-west-1/empty")
        snapshot = store.read()
        assert snapshot.document.tokens == ()
        store.write(snapshot, TokenDocument((mint(NOW),)))
        assert len(store.read().document.tokens) == 1

    def test_the_second_of_two_first_writes_finds_that_it_is_not_the_first(self, place: Any) -> None:
        place.manager.region("eu-west-1").create_secret({"Name": "empty", "ClientRequestToken": "e" * 32})
        first, second = open_store("aws://eu-west-1/empty"), open_store("aws://eu-west-1/empty")
        ours, theirs = first.read(), second.read()
        winner = TokenDocument((mint(NOW),))
        first.write(ours, winner)
        with pytest.raises(StoreConflict):
            second.write(theirs, TokenDocument((mint(NOW),)))
        assert first.read().document.same_as(winner)

    def test_somebodys_first_write_between_the_two_calls_of_ours_stays(self, place: Any) -> None:
        region = place.manager.region("eu-west-1")
        region.create_secret({"Name": "empty", "ClientRequestToken": "e" * 32})
        store = open_store("aws://eu-west-1/empty")
        snapshot = store.read()
        winner = TokenDocument((mint(NOW),))
        calls: list[str] = []

        def late(call: Call) -> None:
            calls.append(call.operation)
            if calls == ["PutSecretValue"]:
                value = {"SecretString": winner.dump(), "ClientRequestToken": "f" * 32}
                region.put_secret_value({"SecretId": "empty", **value})

        place.manager.fault = late
        with pytest.raises(StoreConflict):
            store.write(snapshot, TokenDocument((mint(NOW),)))
        assert calls == ["PutSecretValue", "UpdateSecretVersionStage"]
        assert store.read().document.same_as(winner)

    @pytest.mark.parametrize("fault", ["500", "throttled", "reset before"])
    def test_each_call_goes_out_once(self, place: Any, fault: str) -> None:
        place.fail = lambda kind, number: fault
        with pytest.raises(StoreUnavailable):
            place.open().read()
        assert place.calls == 1

    def test_no_secret_is_an_error(self, place: Any) -> None:
        with pytest.raises(StoreError) as caught:
            open_store("aws://eu-west-1/none").read()
        assert not isinstance(caught.value, StoreUnavailable)


class TestTrigger(TimedContract):
    name = "fc_trigger"

    def test_the_triggers_other_settings_stay(self, place: Any) -> None:
        store = place.open()
        snapshot = store.read()
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        config = place.config()
        assert {key: value for key, value in config.items() if key != "authConfig"} == SETTINGS

    def test_what_stands_beside_the_configuration_goes_back(self, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        store = place.open()
        snapshot = store.read()
        trigger = snapshot.basis.trigger
        trigger.description, trigger.qualifier, trigger.invocation_role = "mine", "prod", "acs:ram::1:role/x"
        sent: list[Any] = []
        monkeypatch.setattr(FcClient, "call", lambda client, *arguments: sent.append(arguments[-1].body))
        store.write(snapshot, snapshot.document.adding(mint(NOW)))
        (body,) = sent
        assert (body.description, body.qualifier, body.invocation_role) == ("mine", "prod", "acs:ram::1:role/x")

    def test_says_who_does_not_answer(self) -> None:
        with pytest.raises(StoreUnavailable, match=r"no answer from 127\.0\.0\.1:9; start it first$"):
            open_store("fc://local/mcp-server/http", Access(2.0, "http://127.0.0.1:9")).read()

    def test_says_where_the_door_is(self, place: Any) -> None:
        assert place.open().read().url == "https://mcp-server-local.local.fcapp.run"
        place.api.public_url = "https://mcp-server-abcdefghij.cn-hangzhou.fcapp.run"
        assert place.open().read().url == place.api.public_url

    @pytest.mark.parametrize("literal", ["bearer", "Bearer", "BEARER"])
    @pytest.mark.parametrize("type_", ["string", "object"])
    def test_type_and_spelling_go_back_as_they_came(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, literal: str, type_: Any
    ) -> None:
        unproven = Unproven(bearer_literal=literal, auth_config=type_)
        with service(self.name, FastClock(), monkeypatch, tmp_path, unproven) as place:
            place.put(RICH)
            store = place.open()
            snapshot = store.read()
            store.write(snapshot, snapshot.document.adding(mint(NOW)))
            assert isinstance(place.config()["authConfig"], str) is (type_ == "string")
            assert place.config()["authType"] == literal

    def test_a_configuration_that_cannot_go_back_is_refused_at_once(self, place: Any) -> None:
        nested: list[Any] = []
        for _ in range(150):
            nested = [nested]
        place.account.put_trigger(FUNCTION, "http", {**place.config(), "new": nested})
        with pytest.raises(DocumentError, match="nested"):
            place.open().read()

    @pytest.mark.parametrize("type_", ["string", "object"])
    def test_a_number_that_python_writes_in_another_way_stays_as_it_was(
        self, place: Any, monkeypatch: pytest.MonkeyPatch, type_: str
    ) -> None:
        store = place.open()
        snapshot = store.read()
        tokens = '{"limit":1e999,"tokens":[]}'
        auth = tokens if type_ == "object" else json.dumps(tokens)
        text = f'{{"burst":1.10,"authType":"bearer","authConfig":{auth}}}'
        trigger = snapshot.basis.trigger
        trigger.trigger_config = text
        sent: list[Any] = []

        def call(client: FcClient, operation: str, *arguments: Any) -> Any:
            if operation == "get_trigger":
                return SimpleNamespace(body=trigger, headers={})
            return sent.append(arguments[-1].body.trigger_config)

        monkeypatch.setattr(FcClient, "call", call)
        snapshot = store.read()
        store.write(snapshot, snapshot.document)
        assert sent == [text]

    @pytest.mark.parametrize(
        "change",
        [{"authType": "anonymous"}, {"authType": "function"}],
        ids=lambda change: str(change["authType"]),
    )
    def test_another_kind_of_trigger_is_refused(self, place: Any, change: dict[str, Any]) -> None:
        place.account.put_trigger(FUNCTION, "http", {"methods": ["GET"], **change})
        with pytest.raises(DocumentError, match="authType"):
            place.open().read()

    def test_no_trigger_is_an_error(self, place: Any) -> None:
        with pytest.raises(StoreError, match="TriggerNotFound") as caught:
            open_store("fc://local/mcp-server/none", Access(fc_endpoint=f"http://127.0.0.1:{place.port}")).read()
        assert not isinstance(caught.value, StoreUnavailable)


class TestDomain(TimedContract):
    name = "fc_domain"


def test_every_store_has_its_contract() -> None:
    assert {TestFile.name, TestSecretsManager.name, TestTrigger.name, TestDomain.name} == set(SERVICES)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "file:",
        "aws://eu-west-1",
        "aws:///x",
        "fc://r/f",
        "fc://r/f/t/x",
        "fc-domain://r/d/x",
        "s3://r/b",
        "/tokens.json",
    ],
)
def test_an_address_of_no_form_names_itself_and_the_forms(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        open_store(address)
    assert repr(address) in str(caught.value)
    for form in ("fc://REGION/FUNCTION/TRIGGER", "fc-domain://REGION/DOMAIN", "aws://REGION/SECRET", "file:PATH"):
        assert form in str(caught.value)


def test_a_plain_secret_is_read_from_a_file_and_from_secrets_manager(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("k" * 40 + "\n")
    assert read_secret(f"file:{path}") == "k" * 40
    path.write_bytes(b"k" * 40 + b"\r\n")
    assert read_secret(f"file:{path}") == "k" * 40
    with service("secretsmanager", FastClock(), monkeypatch, tmp_path) as place:
        place.manager.region("eu-west-1").create_secret(
            {"Name": "a/b", "SecretString": "one\ntwo", "ClientRequestToken": "a" * 32}
        )
        assert read_secret("aws://eu-west-1/a/b") == "one\ntwo"
    with pytest.raises(AddressError):
        read_secret("fc://r/f/t")


def test_a_snapshot_hides_its_text() -> None:
    assert VALUE not in repr(Snapshot(json.dumps(RICH)))
