"""The four steps of Secrets Manager's rotation, on the strict stand-in, with boto3."""

from __future__ import annotations

import importlib
import json
import logging
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mcp_faas.generations import Generations
from mcp_faas.lifecycle.rotator import RunFailed
from mcp_faas.stores import StoreError
from mcp_faas.tokens import Marks, Token, TokenDocument, from_object, marks, mint
from rotating.clock import FastClock
from rotating.services import SECRET, AwsService, service

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
REGION = "eu-west-1"
FOREIGN = Token("printer", True, "foreign-" + "v" * 40)


class Rotation:
    """One secret, its function, and a client's secret beside it."""

    def __init__(self, place: AwsService, function: ModuleType) -> None:
        self.place = place
        self.function = function
        self.region: Any = place.manager.region(REGION)

    def begin(self) -> str:
        token = str(uuid.uuid4())
        self.region.rotate_secret({"SecretId": SECRET, "RotationLambdaARN": "arn:f", "ClientRequestToken": token})
        return token

    def step(self, name: str, token: str) -> None:
        arn = self.region.describe_secret({"SecretId": SECRET})["ARN"]
        self.function.handler(
            {"Step": name, "SecretId": arn, "ClientRequestToken": token, "RotationToken": str(uuid.uuid4())}, None
        )

    def rotate(self, times: int = 1) -> str:
        token = self.begin()
        for name in STEPS:
            for _ in range(times):
                self.step(name, token)
        return token

    def document(self) -> TokenDocument:
        return from_object(self.place.truth())

    def stages(self) -> dict[str, list[str]]:
        stages: dict[str, list[str]] = self.region.describe_secret({"SecretId": SECRET})["VersionIdsToStages"]
        return stages

    def pending(self, token: str) -> dict[str, Any]:
        found = self.region.get_secret_value({"SecretId": SECRET, "VersionId": token})
        document: dict[str, Any] = json.loads(found["SecretString"])
        return document


@pytest.fixture
def rotation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Rotation]:
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    function = importlib.import_module("token_guard.aws_rotation")
    with service("secretsmanager", FastClock(), monkeypatch, tmp_path) as place:
        place.put({"tokens": [FOREIGN.dump()], "kept": 1})
        yield Rotation(place, function)


def aged(age: timedelta) -> Token:
    token = mint(datetime.now(timezone.utc) - age)
    said = marks(token.name)
    assert said
    return Token(Marks(said.created, said.fingerprint, said.created).name(), True, token.data)


@pytest.mark.parametrize("times", [1, 2])
def test_a_rotation_adds_a_token_beside_the_others_and_each_step_may_come_twice(rotation: Rotation, times: int) -> None:
    old = aged(timedelta(days=40))
    rotation.place.put({"tokens": [FOREIGN.dump(), old.dump()], "kept": 1})
    token = rotation.rotate(times)
    document = rotation.document()
    assert list(rotation.place.truth()) == ["tokens", "kept"]
    assert document.tokens[:2] == (FOREIGN, old) or [t.data for t in document.tokens[:2]] == [FOREIGN.data, old.data]
    assert len(document.live()) == 3
    assert "AWSCURRENT" in rotation.stages()[token]


def test_a_step_with_nothing_due_still_leaves_a_valid_version(rotation: Rotation) -> None:
    rotation.place.put({"tokens": [FOREIGN.dump(), aged(timedelta(days=1)).dump()]})
    before = rotation.place.truth()
    token = rotation.rotate()
    assert rotation.place.truth() == before
    assert "AWSCURRENT" in rotation.stages()[token]
    assert rotation.rotate()


def test_without_a_place_to_deliver_to_no_old_token_ever_goes(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_OVERLAP", "0s")
    old = aged(timedelta(days=40))
    rotation.place.put({"tokens": [old.dump()]})
    for _ in range(4):
        rotation.rotate()
    document = rotation.document()
    assert len(document.tokens) == 2
    assert old.data in {token.data for token in document.live()}
    assert Generations(document).pending


def test_with_one_it_walks_through_the_whole_rotation(rotation: Rotation, monkeypatch: pytest.MonkeyPatch) -> None:
    rotation.region.create_secret({"Name": "client", "ClientRequestToken": "c" * 32})
    monkeypatch.setenv("ROTATION_DELIVER", f"aws://{REGION}/client")
    monkeypatch.setenv("ROTATION_OVERLAP", "0s")
    old = aged(timedelta(days=40))
    rotation.place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    states: list[list[str]] = []
    until = time.monotonic() + 30
    while states[-1:] != [["foreign", "current"]] and time.monotonic() < until:
        rotation.rotate()
        generations = Generations(rotation.document())
        found: list[str] = [generations.state(token) for token in rotation.document().tokens]
        states += [found] if states[-1:] != [found] else []
        time.sleep(0.2)  # a second must pass: that is the resolution of the marks
    assert states == [
        ["foreign", "current", "added"],
        ["foreign", "retiring", "current"],
        ["foreign", "disabled", "current"],
        ["foreign", "current"],
    ]
    given = rotation.region.get_secret_value({"SecretId": "client"})["SecretString"]
    assert given == rotation.document().tokens[1].data != old.data


def test_a_pending_value_is_kept(rotation: Rotation) -> None:
    token = rotation.begin()
    rotation.step("createSecret", token)
    first = rotation.pending(token)
    rotation.step("createSecret", token)
    assert rotation.pending(token) == first


def test_a_document_that_changed_meanwhile_wins_and_the_next_rotation_begins_anew(rotation: Rotation) -> None:
    token = rotation.begin()
    rotation.step("createSecret", token)
    changed = {"tokens": [FOREIGN.dump(), Token("scanner", True, "s" * 40).dump()]}
    rotation.place.put(changed)
    with pytest.raises(RunFailed, match="changed"):
        rotation.step("finishSecret", token)
    assert rotation.place.truth() == changed
    assert "AWSPENDING" not in {label for labels in rotation.stages().values() for label in labels}
    rotation.rotate()
    assert len(rotation.document().tokens) == 3


def test_a_token_revoked_meanwhile_does_not_come_back(rotation: Rotation) -> None:
    old = aged(timedelta(days=1))
    rotation.place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    token = rotation.begin()
    rotation.step("createSecret", token)
    rotation.place.put({"tokens": [FOREIGN.dump(), {**old.dump(), "enable": False}]})
    with pytest.raises(RunFailed):
        rotation.step("finishSecret", token)
    assert old.data not in {each.data for each in rotation.document().live()}


@pytest.mark.parametrize(
    "text", ["[]", '{"tokens": [{"tokenName": "a", "enable": true, "tokenData": "****"}]}', "{", '{"tokens": 1}']
)
def test_a_document_it_does_not_understand_is_not_touched(rotation: Rotation, text: str) -> None:
    rotation.region.put_secret_value(
        {"SecretId": SECRET, "SecretString": text, "ClientRequestToken": str(uuid.uuid4())}
    )
    token = rotation.begin()
    with pytest.raises(Exception, match="Nothing was changed"):
        rotation.step("createSecret", token)
    assert rotation.region.get_secret_value({"SecretId": SECRET})["SecretString"] == text


def test_what_secrets_manager_did_not_begin_is_refused(rotation: Rotation) -> None:
    with pytest.raises(StoreError, match="rotation"):
        rotation.step("createSecret", str(uuid.uuid4()))
    rotation.begin()
    with pytest.raises(StoreError, match="no version"):
        rotation.step("createSecret", str(uuid.uuid4()))


@pytest.mark.parametrize("name", ["create_secret", "createSecret"])
def test_both_spellings_of_a_step_are_understood(rotation: Rotation, name: str) -> None:
    token = rotation.begin()
    rotation.step(name, token)
    assert rotation.pending(token)


def test_finish_comes_after_create(rotation: Rotation) -> None:
    token = rotation.begin()
    with pytest.raises(RunFailed, match="createSecret"):
        rotation.step("finishSecret", token)


def test_no_value_is_logged(rotation: Rotation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="token_guard")
    caplog.set_level(logging.DEBUG, logger="mcp_faas")
    rotation.rotate()
    shown = "\n".join(record.getMessage() for record in caplog.records)
    for token in rotation.document().tokens:
        assert token.data[:12] not in shown
