"""The signing keys as the server sees them: fresh within a minute, gone when their place stays silent for long."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest

from authorization_server.key_source import FRESH_SECONDS, RETRY_SECONDS, KeySource, KeysUnavailable
from authorization_server.signing_keys import OLDEST_DOCUMENT_SECONDS, PUBLISHED_SECONDS, KeyDocument, mint
from edges.secretsmanager import SecretsManager
from edges.serving import running
from mcp_faas.stores import StoreUnavailable

NOW = 1_795_000_000


class Place:
    """A document that a test changes, and a clock."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.text = KeyDocument((mint(NOW - 5000),)).dump()
        self.error: Exception | None = None
        self.reads = 0
        self.source = KeySource(self.read, lambda: self.now)

    def read(self) -> str:
        self.reads += 1
        if self.error:
            raise self.error
        return self.text

    def kids(self) -> list[str]:
        return [key["kid"] for key in self.source.key_set()["keys"]]


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_document_is_read_once_a_minute(place: Place) -> None:
    for _ in range(1000):
        place.source.signer()
        place.source.key_set()
    assert place.reads == 1
    place.now += FRESH_SECONDS + 1
    place.source.signer()
    assert place.reads == 2


def test_a_key_that_was_taken_out_is_gone_within_a_minute(place: Place) -> None:
    before = place.kids()
    place.text = KeyDocument((mint(NOW - 100),)).dump()
    place.now += FRESH_SECONDS + 1
    assert set(place.kids()).isdisjoint(before)
    assert place.source.signer().kid == place.kids()[0]


def test_a_new_key_is_published_and_signs_later(place: Place) -> None:
    old = mint(NOW - 5000)
    new = mint(NOW)
    place.text = KeyDocument((old, new)).dump()
    assert place.kids() == [new.kid, old.kid]
    assert place.source.signer().kid == old.kid
    place.now += PUBLISHED_SECONDS
    assert place.source.signer().kid == new.kid


ERRORS = [StoreUnavailable("silent"), RuntimeError("quotes the key: d=SECRET"), None]


@pytest.mark.parametrize("error", ERRORS, ids=["silent", "a defect", "no document"])
def test_a_place_that_does_not_answer_is_borne_for_five_minutes(
    place: Place, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    kid = place.source.signer().kid
    place.error = error
    place.text = '{"keys": "d=SECRET"}'
    place.now += OLDEST_DOCUMENT_SECONDS
    with caplog.at_level(logging.DEBUG):
        assert place.source.signer().kid == kid
        place.now += 1
        with pytest.raises(KeysUnavailable):
            place.source.signer()
        with pytest.raises(KeysUnavailable):
            place.source.key_set()
    assert "SECRET" not in caplog.text
    assert "signing keys could not be read" in caplog.text
    place.error, place.text = None, KeyDocument((mint(NOW),)).dump()
    place.now += RETRY_SECONDS
    place.source.signer()


def test_a_place_that_does_not_answer_is_not_asked_all_the_time(place: Place) -> None:
    place.error = StoreUnavailable("silent")
    for _ in range(100):
        with pytest.raises(KeysUnavailable):
            place.source.signer()
    assert place.reads == 1
    place.now += RETRY_SECONDS
    with pytest.raises(KeysUnavailable):
        place.source.signer()
    assert place.reads == 2


def test_who_has_keys_does_not_wait_while_newer_ones_are_read(place: Place) -> None:
    kid = place.source.signer().kid
    place.now += FRESH_SECONDS + 1
    reading, go_on = threading.Event(), threading.Event()
    in_time = []

    def slow() -> str:
        reading.set()
        in_time.append(go_on.wait(20))
        return place.text

    place.source._read = slow
    reader = threading.Thread(target=place.source.signer)
    reader.start()
    assert reading.wait(20)
    assert place.source.signer().kid == kid
    place.now += RETRY_SECONDS  # when it would be tried again
    assert place.source.signer().kid == kid
    go_on.set()
    reader.join(20)
    assert in_time == [True]


def test_who_has_no_keys_waits_for_those_that_are_read(place: Place) -> None:
    reading, go_on = threading.Event(), threading.Event()
    found = []

    def slow() -> str:
        reading.set()
        assert go_on.wait(20)
        return place.text

    place.source._read = slow
    threads = [threading.Thread(target=lambda: found.append(place.kids())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert reading.wait(20)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4


def test_a_clock_that_was_set_back_uses_no_old_document(place: Place) -> None:
    place.source.signer()
    place.now -= 10_000
    place.source.signer()
    assert place.reads == 2


def test_a_document_without_keys_signs_nothing_and_its_first_key_is_not_waited_for(place: Place) -> None:
    place.text = '{"keys": []}'
    for ask in (place.source.signer, place.source.key_set, place.source.signer):
        with pytest.raises(KeysUnavailable, match=r"no signing key yet; make one with scripts/.* ADDRESS"):
            ask()
    assert place.reads == 1
    place.text = KeyDocument((mint(NOW),)).dump()
    place.now += RETRY_SECONDS
    assert [place.source.signer().kid] == place.kids()


def test_the_last_attempt_says_why_nothing_is_signed(place: Place) -> None:
    place.text = '{"keys": []}'
    for error, why in (
        (None, "no signing key"),
        (StoreUnavailable("silent"), "read: silent"),
        (None, "no signing key"),
    ):
        place.error = error
        for _ in range(2):
            with pytest.raises(KeysUnavailable, match=why):
                place.source.signer()
        place.now += RETRY_SECONDS
    assert place.reads == 3


def test_keys_from_a_file(tmp_path: Path) -> None:
    document = KeyDocument((mint(NOW),))
    (tmp_path / "keys.json").write_text(document.dump())
    source = KeySource.at(f"file:{tmp_path / 'keys.json'}")
    assert source.signer() == document.keys[0]
    assert json.dumps(source.key_set()).count('"d"') == 0


def test_keys_from_secrets_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    document = KeyDocument((mint(NOW),))
    with running(SecretsManager()) as manager:
        monkeypatch.setenv("AWS_ENDPOINT_URL", manager.url)
        region = manager.region("eu-west-1")
        region.create_secret({"Name": "oauth/keys", "SecretString": document.dump(), "ClientRequestToken": "t" * 36})
        assert KeySource.at("aws://eu-west-1/oauth/keys").signer() == document.keys[0]
