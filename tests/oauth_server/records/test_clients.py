"""Registered clients: how long they are kept, and how many may come."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorization_server.records import Refused, dump, parse
from authorization_server.records.clients import (
    HOUR_SECONDS,
    UNUSED_SECONDS,
    USE_NOTED_SECONDS,
    USED_SECONDS,
    Quota,
    RegisteredClient,
    hour,
    look,
    take,
    use,
)
from authorization_server.records.handles import digest

NOW = 1_795_000_000
CLIENT = RegisteredClient({"client_name": "x", "redirect_uris": ["https://x/"]}, NOW, digest("secret"))


def test_an_unused_client_is_gone_after_a_day() -> None:
    assert look(CLIENT, NOW + UNUSED_SECONDS - 1) == CLIENT
    assert look(CLIENT, NOW + UNUSED_SECONDS) == Refused("invalid_client", "client_expired")
    assert CLIENT.keep_until == NOW + UNUSED_SECONDS
    assert look(None, NOW) == Refused("invalid_client", "client_unknown")


def test_a_used_client_stays_for_ninety_days_after_its_last_use() -> None:
    used, outcome = use(CLIENT, NOW + 100)
    assert used == outcome
    assert used is not None
    assert used.keep_until == NOW + 100 + USED_SECONDS
    later, _ = use(used, NOW + 50 * 24 * 3600)
    assert later is not None
    assert later.keep_until == NOW + 50 * 24 * 3600 + USED_SECONDS
    assert isinstance(use(later, later.keep_until)[1], Refused), "an expired client is not brought back by a use"


def test_not_every_use_is_a_write() -> None:
    used, _ = use(CLIENT, NOW)
    assert use(used, NOW + USE_NOTED_SECONDS - 1)[0] is used
    assert use(used, NOW + USE_NOTED_SECONDS)[0] != used


def test_a_client_is_not_printed_with_its_secret() -> None:
    assert digest("secret") not in repr(CLIENT)
    assert parse(RegisteredClient, json.loads(json.dumps(dump(CLIENT)))) == CLIENT


def test_a_quota_ends_with_its_hour() -> None:
    quota: Quota | None = None
    for _ in range(3):
        quota, wait = take(quota, 3, NOW)
        assert wait == 0
    after, wait = take(quota, 3, NOW)
    assert after is quota
    assert wait == (hour(NOW) + 1) * HOUR_SECONDS - NOW
    assert quota is not None
    assert quota.keep_until == NOW + wait
    assert take(quota, 3, NOW + wait) == (Quota(hour(NOW) + 1, 1), 0)


@pytest.mark.parametrize("quota", [None, Quota(hour(NOW), 0)])
def test_a_quota_of_none_lets_nobody_in(quota: Quota | None) -> None:
    after, wait = take(quota, 0, NOW)
    assert after is quota
    assert wait > 0


@given(st.lists(st.integers(0, 3 * HOUR_SECONDS), max_size=60), st.integers(0, 5))
def test_no_hour_has_more_than_its_quota(moments: list[int], most: int) -> None:
    quota: Quota | None = None
    let_in: dict[int, int] = {}
    for moment in sorted(moments):
        quota, wait = take(quota, most, moment)
        if not wait:
            let_in[hour(moment)] = let_in.get(hour(moment), 0) + 1
    assert all(number <= most for number in let_in.values())
