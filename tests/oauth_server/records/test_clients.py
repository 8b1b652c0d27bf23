"""Registered clients: how long they are kept, and in whose place."""

from __future__ import annotations

import json
from dataclasses import replace

from authorization_server.records import dump, parse
from authorization_server.records.clients import (
    SECRET_SECONDS,
    UNUSED_SECONDS,
    USE_NOTED_SECONDS,
    USED_SECONDS,
    RegisteredClient,
    look,
    place,
    use,
)
from authorization_server.records.handles import digest

NOW = 1_795_000_000
ID = "client-" + "aB-" + "x" * 19
METADATA = {"client_name": "x", "redirect_uris": ["https://x/"]}
CLIENT = RegisteredClient(ID, METADATA, NOW)
SECRET = replace(CLIENT, secret=digest("secret"), secret_expires_at=NOW + SECRET_SECONDS)


def test_an_unused_client_is_gone_after_a_day() -> None:
    assert look(CLIENT, ID, NOW + UNUSED_SECONDS - 1) == CLIENT
    assert look(CLIENT, ID, NOW + UNUSED_SECONDS) is None
    assert CLIENT.keep_until == NOW + UNUSED_SECONDS
    assert look(None, ID, NOW) is None


def test_another_client_in_the_same_place_is_not_the_one_that_is_meant() -> None:
    other = ID[:-1] + "y"
    assert place(other) == place(ID) == "client-aB-"
    assert look(CLIENT, other, NOW) is None


def test_a_used_client_stays_for_ninety_days_after_its_last_use() -> None:
    used = use(None, CLIENT, NOW + 100)
    assert used.keep_until == NOW + 100 + USED_SECONDS
    later = use(used, used, NOW + 50 * 24 * 3600)
    assert later.keep_until == NOW + 50 * 24 * 3600 + USED_SECONDS
    assert look(later, ID, later.keep_until) is None


def test_a_secret_is_good_for_ninety_days_whatever_happens() -> None:
    assert SECRET.keep_until == NOW + UNUSED_SECONDS
    for day in range(90):
        assert use(SECRET, SECRET, NOW + day * 24 * 3600).keep_until <= SECRET.secret_expires_at
    used = use(None, SECRET, NOW + 80 * 24 * 3600)
    assert look(used, ID, SECRET.secret_expires_at - 1) == used
    assert look(used, ID, SECRET.secret_expires_at) is None


def test_not_every_use_is_a_write() -> None:
    used = use(None, CLIENT, NOW)
    assert use(used, CLIENT, NOW + USE_NOTED_SECONDS - 1) is used
    assert use(used, CLIENT, NOW + USE_NOTED_SECONDS) != used
    changed = replace(CLIENT, metadata={"redirect_uris": ["https://y/"]})
    assert use(used, changed, NOW + 1).metadata == changed.metadata, "what a document says now counts"
    assert use(replace(used, used_at=NOW + 10**6), CLIENT, NOW).used_at == NOW, "a clock that was wrong is mended"


def test_a_client_is_not_printed_with_its_secret() -> None:
    assert digest("secret") not in repr(SECRET)
    assert parse(RegisteredClient, json.loads(json.dumps(dump(SECRET)))) == SECRET
