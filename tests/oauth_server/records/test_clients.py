"""Registered clients: how long they are kept, and in whose place."""

from __future__ import annotations

import json
from dataclasses import replace

from authorization_server.records import dump, parse
from authorization_server.records.clients import (
    COPY_SECONDS,
    SECRET_SECONDS,
    UNUSED_SECONDS,
    USE_NOTED_SECONDS,
    USED_SECONDS,
    RegisteredClient,
    look,
    place,
    see,
    stands_in,
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
    assert use(replace(used, used_at=NOW + 10**6), CLIENT, NOW).used_at == NOW, "a clock that was wrong is mended"


def test_a_copy_is_of_what_its_document_said_last_and_stands_in_for_a_week() -> None:
    copy = use(None, CLIENT, NOW)
    assert see(None, METADATA, NOW) is None, "of a client that nobody has logged in with there is none"
    assert see(copy, METADATA, NOW + USE_NOTED_SECONDS - 1) is copy, "not every look is a write"
    assert stands_in(copy, NOW + COPY_SECONDS - 1)
    assert not stands_in(use(copy, copy, NOW + COPY_SECONDS), NOW + COPY_SECONDS)
    seen = see(copy, METADATA, NOW + USE_NOTED_SECONDS)
    assert seen is not None
    assert stands_in(seen, NOW + COPY_SECONDS)
    assert seen.keep_until == copy.keep_until, "a look is no use"
    changed = see(copy, {"redirect_uris": ["https://y/"]}, NOW + 1)
    assert changed == replace(copy, metadata={"redirect_uris": ["https://y/"]}, registered_at=NOW + 1)
    withdrawn = see(copy, None, NOW + 1)
    assert withdrawn is not None
    assert not stands_in(withdrawn, NOW + 1)
    assert see(withdrawn, METADATA, NOW + 2) == replace(copy, registered_at=NOW + 2)
    assert see(withdrawn, None, NOW + 2) is withdrawn, "not every look is a write"


def test_a_look_that_a_newer_one_has_overtaken_changes_nothing() -> None:
    copy = use(None, CLIENT, NOW)
    for document in ({"redirect_uris": ["https://y/"]}, None):
        newer = see(copy, document, NOW + 5)
        assert newer is not None
        assert see(newer, METADATA, NOW + 4) is newer
        assert see(newer, METADATA, NOW + 5) == replace(copy, registered_at=NOW + 5)
    ahead = replace(copy, registered_at=NOW + 3600)
    changed = see(ahead, None, NOW)
    assert changed is not None
    assert changed.withdrawn, "a clock that was wrong is mended"


def test_a_client_is_not_printed_with_its_secret() -> None:
    assert digest("secret") not in repr(SECRET)
    assert parse(RegisteredClient, json.loads(json.dumps(dump(SECRET)))) == SECRET
