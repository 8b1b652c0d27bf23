"""The four steps of Secrets Manager's rotation, on the strict stand-in, with boto3."""

from __future__ import annotations

import importlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from edges.secretsmanager import Call, Fault
from mcp_faas.documents import RETRY_SECONDS
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.probe import Answer, Probe
from mcp_faas.lifecycle.rotator import RunFailed
from mcp_faas.lifecycle.settings import RotationSettingsError
from mcp_faas.stores import Access, StoreError, open_store
from mcp_faas.tokens import Marks, Token, marks, mint
from rotating.clock import FastClock
from rotating.secret_rotation import CLIENT, REGION, ClientSecret, Rotation
from rotating.services import SECRET, service

FOREIGN = Token("printer", True, "foreign-" + "v" * 40)
DENIED = Fault.error(400, "AccessDeniedException")


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


@pytest.fixture
def client(rotation: Rotation, monkeypatch: pytest.MonkeyPatch) -> ClientSecret:
    """A place to deliver to, still empty."""
    monkeypatch.setenv("ROTATION_DELIVER", f"aws://{REGION}/{CLIENT}")
    rotation.region.create_secret({"Name": CLIENT})
    return ClientSecret(rotation.region)


@pytest.mark.parametrize("known_by", ["name", "whole ARN", "ARN without its end"])
def test_the_document_is_no_place_for_its_own_token(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch, known_by: str
) -> None:
    arn = rotation.region.describe_secret({"SecretId": SECRET})["ARN"]
    name = {"name": SECRET, "whole ARN": arn, "ARN without its end": arn[:-7]}[known_by]
    monkeypatch.setenv("ROTATION_DELIVER", f"aws://{REGION}/{name}")
    before = rotation.place.truth()
    with pytest.raises(RotationSettingsError, match="the secret that is being rotated"):
        rotation.rotate()
    assert rotation.place.truth() == before


def test_with_one_it_walks_through_the_whole_rotation(
    rotation: Rotation, client: ClientSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_OVERLAP", "0s")
    old = aged(timedelta(days=40))
    rotation.place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    states: list[list[str]] = []
    until = time.monotonic() + 30
    while states[-1:] != [["foreign", "current"]] and time.monotonic() < until:
        rotation.rotate()
        found = rotation.states()
        states += [found] if states[-1:] != [found] else []
        time.sleep(0.2)  # a second must pass: that is the resolution of the marks
    assert states == [
        ["foreign", "current", "added"],
        ["foreign", "retiring", "current"],
        ["foreign", "disabled", "current"],
        ["foreign", "current"],
    ]
    assert client.holds() == rotation.document().tokens[1].data != old.data


def test_a_new_token_is_delivered_in_the_rotation_that_adds_it(rotation: Rotation, client: ClientSecret) -> None:
    old = aged(timedelta(days=40))
    rotation.place.put({"tokens": [FOREIGN.dump(), old.dump()]})
    token = almost_finished(rotation)
    assert client.holds() is None, "it was delivered before the authorizer could know it"
    rotation.step("finishSecret", token)
    assert rotation.states() == ["foreign", "current", "added"]
    assert client.holds() == rotation.document().tokens[2].data


def test_the_overlap_counts_from_the_delivery_or_later(rotation: Rotation, client: ClientSecret) -> None:
    rotation.place.put({"tokens": [aged(timedelta(days=40)).dump()]})
    rotation.rotate()
    delivered_at = datetime.now(timezone.utc)
    assert client.holds()
    rotation.rotate()
    said = marks(rotation.document().tokens[1].name)
    assert said
    assert said.delivered
    assert said.delivered >= delivered_at


def test_a_delivery_that_fails_is_made_good_when_the_step_comes_again(rotation: Rotation, client: ClientSecret) -> None:
    rotation.place.put({"tokens": [FOREIGN.dump(), aged(timedelta(days=40)).dump()]})
    token = almost_finished(rotation)
    manager = rotation.place.manager
    manager.fault = lambda call: DENIED if call.parameters.get("SecretId") == CLIENT else None
    with pytest.raises(RunFailed, match="No token was disabled"):
        rotation.step("finishSecret", token)
    assert rotation.stages()[token] == ["AWSCURRENT", "AWSPENDING"]
    assert rotation.states() == ["foreign", "current", "added"]
    assert client.holds() is None
    manager.fault = lambda call: None
    rotation.step("finishSecret", token)
    assert client.holds() == rotation.document().tokens[2].data
    rotation.step("finishSecret", token)
    rotation.rotate()
    assert rotation.states() == ["foreign", "retiring", "current"]


def test_a_rotation_that_never_delivered_is_made_good_by_the_next(rotation: Rotation, client: ClientSecret) -> None:
    rotation.place.put({"tokens": [aged(timedelta(days=40)).dump()]})
    token = almost_finished(rotation)
    rotation.place.manager.fault = lambda call: DENIED if call.parameters.get("SecretId") == CLIENT else None
    with pytest.raises(RunFailed):
        rotation.step("finishSecret", token)
    rotation.place.manager.fault = lambda call: None
    rotation.rotate()
    assert rotation.states() == ["retiring", "current"]
    assert client.holds() == rotation.document().tokens[1].data


def almost_finished(rotation: Rotation) -> str:
    """A rotation of which only finishSecret is missing."""
    token = rotation.begin()
    for step in ("createSecret", "setSecret", "testSecret"):
        rotation.step(step, token)
    return token


class Door(Probe):
    """A door that says these things in turn, and then the last one for ever."""

    def __init__(self, clock: FastClock, *statuses: int) -> None:
        super().__init__("http://127.0.0.1/mcp", 1.0)
        self.clock = clock
        self.statuses = [*statuses]
        self.asked = 0
        self.asked_at = -1.0  # the first time
        self.known: Callable[[], set[str]] = set

    def ask(self, token: str | None) -> Answer:
        if token and token not in self.known():
            return Answer(403)  # a stranger
        self.asked_at = self.asked_at if self.asked else self.clock.ahead
        self.asked += 1
        return Answer(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


@pytest.fixture
def clock(rotation: Rotation, monkeypatch: pytest.MonkeyPatch) -> FastClock:
    fast = FastClock()
    monkeypatch.setattr(rotation.function, "clock", fast)
    return fast


def probing(rotation: Rotation, monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    monkeypatch.setenv("ROTATION_PROBE", door.url)
    door.known = lambda: {token.data for token in rotation.document().tokens}
    monkeypatch.setattr(rotation.function, "Probe", lambda url, timeout: door)


def test_the_door_is_asked_first_and_not_before_it_can_know(
    rotation: Rotation, client: ClientSecret, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation.place.put({"tokens": [aged(timedelta(days=40)).dump()]})
    door = Door(clock, 403, 200, 200, 403, 200)  # its nodes do not learn at the same moment
    probing(rotation, monkeypatch, door)
    token = almost_finished(rotation)
    assert door.asked == 0
    rotation.step("finishSecret", token)
    assert door.asked_at > RETRY_SECONDS, "an authorizer that has just read the document does not read it again"
    assert door.asked == 4 + 5
    assert client.holds() == rotation.document().tokens[1].data


def test_what_the_door_refuses_is_not_delivered_and_the_time_is_lambdas(
    rotation: Rotation, client: ClientSecret, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation.place.put({"tokens": [aged(timedelta(days=40)).dump()]})
    probing(rotation, monkeypatch, Door(clock, 403))
    began = clock.ahead
    rotation.context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000 - (clock.ahead - began) * 1000)
    token = almost_finished(rotation)
    with pytest.raises(RunFailed, match="does not accept"):
        rotation.step("finishSecret", token)
    assert clock.ahead - began < 60
    assert client.holds() is None
    assert rotation.states() == ["current", "added"]
    assert rotation.is_complete()
    probing(rotation, monkeypatch, Door(clock, 200))
    rotation.step("finishSecret", token)
    assert client.holds() == rotation.document().tokens[1].data


def test_without_time_nothing_is_delivered(
    rotation: Rotation, client: ClientSecret, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation.place.put({"tokens": [aged(timedelta(days=40)).dump()]})
    probing(rotation, monkeypatch, Door(clock, 200))
    token = almost_finished(rotation)
    rotation.context = SimpleNamespace(get_remaining_time_in_millis=lambda: 4_000)
    with pytest.raises(RunFailed, match="used up"):
        rotation.step("finishSecret", token)
    assert clock.ahead == 0
    assert client.holds() is None


def test_a_version_that_somebody_makes_current_meanwhile_is_not_replaced(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look and the move, which Secrets Manager then refuses."""
    changed = {"tokens": [FOREIGN.dump(), Token("scanner", True, "s" * 40).dump()]}
    token = rotation.begin()
    rotation.step("createSecret", token)

    def somebody(call: Call) -> None:
        moved = call.parameters.get("VersionStage") == "AWSCURRENT"
        if call.operation == "UpdateSecretVersionStage" and moved and rotation.place.truth() != changed:
            rotation.place.put(changed)

    rotation.place.manager.fault = somebody
    with pytest.raises(RunFailed, match="changed"):
        rotation.step("finishSecret", token)
    assert rotation.place.truth() == changed
    assert "AWSPENDING" not in str(rotation.stages())
    rotation.rotate()
    assert len(rotation.document().tokens) == 3


@pytest.mark.parametrize("again", [True, False])
def test_a_new_token_waits_to_be_fetched_and_the_log_says_so(
    rotation: Rotation, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    rotation.place.put({"tokens": [aged(timedelta(days=40)).dump()]})
    for _ in range(2 if again else 1):
        caplog.clear()
        rotation.rotate()
    [warning] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.startswith(rotation.document().tokens[1].name)
    assert "tokens.py rotate" in warning


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


def test_a_change_by_hand_after_a_rotation_does_not_look_like_one_under_way(rotation: Rotation) -> None:
    first = rotation.rotate()
    store = open_store(f"aws://{REGION}/{SECRET}", Access(5.0))
    snapshot = store.read()
    store.write(snapshot, snapshot.document.adding(Token("scanner", True, "s" * 40)))
    assert rotation.begin() != first
    assert rotation.stages()[first] == ["AWSPREVIOUS"]
    rotation.rotate()


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


def test_a_pending_document_that_lets_nobody_in_does_not_pass(rotation: Rotation) -> None:
    """Somebody else may have laid it there, as no plan of ours would."""
    token = rotation.begin()
    value = json.dumps({"tokens": [{**FOREIGN.dump(), "enable": False}]})
    rotation.region.put_secret_value(
        {"SecretId": SECRET, "SecretString": value, "ClientRequestToken": token, "VersionStages": ["AWSPENDING"]}
    )
    with pytest.raises(RunFailed, match="let nobody in"):
        rotation.step("testSecret", token)


def test_no_value_is_logged(rotation: Rotation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="token_guard")
    caplog.set_level(logging.DEBUG, logger="mcp_faas")
    rotation.rotate()
    shown = "\n".join(record.getMessage() for record in caplog.records)
    for token in rotation.document().tokens:
        assert token.data[:12] not in shown
