"""What every storage promises, asked of SQLite, of DynamoDB on moto's server and of DynamoDB on dynalite.

The contests are a sample by default. The long form is 1,000 rounds of each, here and at the endpoints, some minutes on
SQLite and half an hour on each DynamoDB:

    MCP_REDEMPTIONS=1000 .venv/bin/python -m pytest tests/oauth_server/storage/test_contract.py \\
        tests/oauth_server/test_contests.py -k "at_once or lost_answer or used_again or fifty"
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from authorization_server import keeping
from authorization_server.records import Refused, grants, handles
from authorization_server.records.grants import Grant, Granted, Redemption, Renewal
from authorization_server.storage import Json, Storage, StorageUnavailable, open_storage
from authorization_server.storage import dynamodb as dynamodb_storage
from dynamodb.servers import REGION, TABLE, dynamodb, items, make_table
from mcp_faas.stores import AddressError

NOW = 1_795_000_000
LATER = NOW + 600
LONG = int(os.environ.get("MCP_REDEMPTIONS", "0"))
AT_ONCE = {"sqlite": 100, "moto": 3, "dynalite": 8}  # rounds: what some seconds are enough for
IN_A_ROW = {"sqlite": 200, "moto": 20, "dynalite": 50}
PARTIES = 50
RECORD: dict[str, Json] = {
    "text": "é中\U0001f511",
    "list": [1, "two", None, True],
    "deep": {"empty": {}, "big": 2**53 + 1},
    "none": None,
}
T = TypeVar("T")


class Place:
    """Where records are: `open` gives one more process's view of it, `truth` all that is really stored, as text."""

    def __init__(self, address: str, truth: Callable[[], str]) -> None:
        self.address = address
        self.truth = truth
        self._opened: list[Storage] = []

    def open(self) -> Storage:
        storage = open_storage(self.address, lambda: NOW)
        self._opened.append(storage)
        return storage

    def close(self) -> None:
        for storage in self._opened:
            storage.close()


@pytest.fixture(scope="module", params=["sqlite", "moto", "dynalite"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a server, if this side has one."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    with dynamodb(request.param) as url:
        make_table(url)
        yield url


@pytest.fixture
def place(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if url == "sqlite":
        file = tmp_path / "records.db"
        place = Place(f"sqlite:{file}", lambda: "".join(path.read_bytes().decode("latin-1") for path in _all(file)))
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        monkeypatch.setattr(dynamodb_storage, "READ_SECONDS", 60.0)  # fifty calls at once, on a busy machine
        place = Place(f"dynamodb://{REGION}/{TABLE}", lambda: json.dumps(items(url)))
    yield place
    place.close()


def _all(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}*"))


@pytest.fixture
def storage(place: Place) -> Storage:
    return place.open()


@pytest.fixture
def side(request: pytest.FixtureRequest) -> str:
    """Which storage it is."""
    found: str = request.node.callspec.params["url"]
    return found


@pytest.fixture
def key() -> str:
    """One that no other test has: a server's table outlives a test."""
    return handles.mint("code").key


def at_once(number: int, act: Callable[[int], T]) -> list[T]:
    """What each of so many gets who begin at the same moment."""
    barrier = threading.Barrier(number)

    def begin(which: int) -> T:
        barrier.wait()
        return act(which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


def test_a_record_comes_back_as_it_was(storage: Storage, key: str) -> None:
    assert storage.read("grant", key) is None
    assert storage.create("grant", key, RECORD, LATER) is True
    found = storage.read("grant", key)
    assert found is not None
    assert (found.record, found.expires_at) == (RECORD, LATER)


def test_a_record_is_created_once(storage: Storage, key: str) -> None:
    assert storage.create("grant", key, RECORD, LATER)
    before = storage.read("grant", key)
    assert storage.create("grant", key, {"another": 1}, LATER + 1) is False
    assert storage.read("grant", key) == before


def test_a_record_that_has_expired_is_there_until_it_is_removed(storage: Storage, key: str) -> None:
    assert storage.create("grant", handles.mint("code").key, RECORD, LATER)  # SQLite has purged now
    assert storage.create("grant", key, RECORD, NOW - 1)
    found = storage.read("grant", key)
    assert found is not None
    assert found.expires_at == NOW - 1
    assert storage.create("grant", key, {}, LATER) is False


def test_a_record_is_replaced_by_whoever_knows_it_as_it_is(storage: Storage, key: str) -> None:
    storage.create("grant", key, {"n": 1}, LATER)
    first = storage.read("grant", key)
    assert first is not None
    assert storage.replace("grant", key, first, {"n": 2}, LATER + 5) is True
    second = storage.read("grant", key)
    assert second is not None
    assert (second.record, second.expires_at) == ({"n": 2}, LATER + 5)
    assert storage.replace("grant", key, first, {"n": 3}, LATER) is False
    assert storage.read("grant", key) == second
    assert storage.replace("grant", key, second, {"n": 1}, LATER) is True
    assert storage.replace("grant", key, first, {"n": 3}, LATER) is False, "the same content is not the same version"


def test_a_record_that_is_not_there_is_not_replaced(storage: Storage, key: str) -> None:
    other = f"{key}-other"
    storage.create("grant", other, {"n": 1}, LATER)
    found = storage.read("grant", other)
    assert found is not None
    assert storage.replace("grant", key, found, {"n": 2}, LATER) is False
    assert storage.read("grant", key) is None
    storage.create("grant", key, {"n": 1}, LATER)
    assert storage.replace("grant", key, found, {"n": 2}, LATER) is False, "another record of the same content"


def test_kinds_do_not_meet(storage: Storage, key: str) -> None:
    assert storage.create("grant", key, {"n": 1}, LATER)
    assert storage.create("client", key, {"n": 2}, LATER)
    found = storage.read("client", key)
    assert found is not None
    assert found.record == {"n": 2}
    assert storage.replace("grant", key, found, {"n": 3}, LATER) is False
    assert storage.replace("client", key, found, {"n": 3}, LATER) is True
    grant = storage.read("grant", key)
    assert grant is not None
    assert grant.record == {"n": 1}


def test_what_one_process_writes_another_reads_at_once(place: Place, key: str) -> None:
    here, there = place.open(), place.open()
    for number in range(20):
        found = there.read("grant", key)
        if found is None:
            assert there.create("grant", key, {"n": number}, LATER)
        else:
            assert found.record == {"n": number - 1}
            assert there.replace("grant", key, found, {"n": number}, LATER)
        here, there = there, here


def test_a_large_record_fits(storage: Storage, key: str) -> None:
    assert storage.create("client", key, {"metadata": "x" * 100_000}, LATER)
    found = storage.read("client", key)
    assert found is not None
    assert found.record == {"metadata": "x" * 100_000}


def test_of_fifty_who_create_one_does(place: Place, key: str) -> None:
    views = [place.open() for _ in range(5)]
    won = at_once(PARTIES, lambda which: views[which % 5].create("grant", key, {"by": which}, LATER))
    assert Counter(won) == {True: 1, False: PARTIES - 1}
    found = views[0].read("grant", key)
    assert found is not None
    assert found.record == {"by": won.index(True)}


def test_of_fifty_who_replace_one_does(place: Place, key: str) -> None:
    views = [place.open() for _ in range(5)]
    views[0].create("grant", key, {"by": -1}, LATER)
    before = views[0].read("grant", key)
    assert before is not None
    won = at_once(PARTIES, lambda which: views[which % 5].replace("grant", key, before, {"by": which}, LATER))
    assert Counter(won) == {True: 1, False: PARTIES - 1}
    found = views[0].read("grant", key)
    assert found is not None
    assert found.record == {"by": won.index(True)}


@dataclass(frozen=True)
class Tally:
    """A record without a meaning."""

    KIND: ClassVar[str] = "tally"

    number: int

    @property
    def keep_until(self) -> int:
        return LATER


def grant(code: handles.Handle, verifier: str) -> Grant:
    challenge = handles.s256(verifier)
    assert challenge is not None
    return Grant(
        client_id="client",
        subject="somebody",
        resource="https://mcp.example.com/mcp",
        scopes=("read", "write"),
        auth_time=NOW,
        redirect_uri="https://client.example.com/callback",
        redirect_uri_asked=True,
        code_challenge=challenge,
        code=code.digest,
        code_expires_at=NOW + 60,
        expires_at=NOW + 3600,
        given_at=NOW,
        marks=(),
    )


def redemption(code: handles.Handle, verifier: str, fresh: handles.Handle) -> Redemption:
    return Redemption(
        "client", code.digest, "https://client.example.com/callback", verifier, None, fresh.digest, fresh.line_digest
    )


def redeem(storage: Storage, key: str, asked: Redemption) -> Granted | Refused:
    return keeping.change(
        storage, Grant, key, lambda found: grants.redeem(found, asked, NOW, lambda grant: grant.scopes)
    )


def redeemed(storage: Storage) -> tuple[str, handles.Handle]:
    """The key of a grant whose code was redeemed, and its refresh token."""
    code, verifier = handles.mint("code"), handles.derive("x", "verifier")
    first = handles.mint("refresh", code.name)
    keeping.keep(storage, code.key, grant(code, verifier))
    assert isinstance(redeem(storage, code.key, redemption(code, verifier, first)), Granted)
    return code.key, first


def renewed(storage: Storage, key: str, token: handles.Handle) -> handles.Handle | str:
    """What somebody gets who shows this token: another one, or the reason why not."""
    fresh = handles.mint("refresh", token.name, token.line)
    asked = Renewal("client", token.line_digest, token.digest, fresh.digest)

    def renew(found: Grant | None) -> tuple[Grant | None, Granted | Refused]:
        return grants.renew(found, asked, NOW, lambda grant: grant.scopes)

    outcome = keeping.change(storage, Grant, key, renew)
    return fresh if isinstance(outcome, Granted) else outcome.reason


@pytest.mark.timeout(7200)
def test_a_code_is_redeemed_once_by_fifty_at_once(
    place: Place, side: str, cases: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LONGEST_PAUSE_SECONDS", 0.005)  # the losers meet again the sooner
    views = [place.open() for _ in range(5)]
    for number in range(LONG or AT_ONCE[side]):
        code, verifier = handles.mint("code"), handles.derive(str(number), "verifier")
        fresh = [handles.mint("refresh", code.name) for _ in range(PARTIES)]
        assert keeping.keep(views[0], code.key, grant(code, verifier))

        asked = [redemption(code, verifier, each) for each in fresh]

        def present(which: int, key: str = code.key, asked: list[Redemption] = asked) -> Granted | Refused:
            return redeem(views[which % 5], key, asked[which])

        outcomes = at_once(PARTIES, present)
        told = Counter("granted" if isinstance(outcome, Granted) else outcome.reason for outcome in outcomes)
        assert told["granted"] == 1, told
        assert told["granted"] + told["code_replayed"] + told["grant_ended"] == PARTIES, told
        assert told["code_replayed"] >= 1
        after = keeping.find(views[0], Grant, code.key)
        assert after is not None
        assert (after.ended, after.current) == ("code_replayed", None), "the replay ends what the code has brought"
        cases[f"code redemptions on {side}, {PARTIES} at once"] += 1


def test_of_many_refreshes_at_once_one_token_lives_on(place: Place) -> None:
    """Eight processes of one client: each gets a token, and only the last of them and the one they had still count."""
    views = [place.open() for _ in range(4)]
    key, first = redeemed(views[0])
    got = at_once(8, lambda which: renewed(views[which % 4], key, first))
    tokens = [token.digest for token in got if isinstance(token, handles.Handle)]
    assert len(tokens) == 8
    after = keeping.find(views[0], Grant, key)
    assert after is not None
    assert after.previous == first.digest
    assert after.current in tokens


@pytest.mark.timeout(7200)
def test_a_lost_answer_locks_nobody_out_and_a_reuse_ends_all(place: Place, side: str, cases: Counter[str]) -> None:
    storage = place.open()
    for _ in range(LONG or IN_A_ROW[side]):
        key, first = redeemed(storage)
        lost = renewed(storage, key, first)
        second = renewed(storage, key, first)  # once more, because that answer never came
        assert isinstance(lost, handles.Handle)
        assert isinstance(second, handles.Handle)
        third = renewed(storage, key, second)
        assert isinstance(third, handles.Handle)
        dead = (lost, first)[cases[f"refresh tokens used again on {side}"] % 2]
        assert renewed(storage, key, dead) == "refresh_token_replayed"
        assert renewed(storage, key, third) == "grant_ended"
        cases[f"refresh tokens used again on {side}"] += 1


def test_of_two_parties_at_once_whoever_has_a_dead_token_gets_none(place: Place) -> None:
    views = [place.open() for _ in range(4)]
    key, dead = redeemed(views[0])
    second = renewed(views[0], key, dead)
    assert isinstance(second, handles.Handle)
    third = renewed(views[0], key, second)
    assert isinstance(third, handles.Handle)
    tokens = [dead, third, second]
    got = at_once(12, lambda which: renewed(views[which % 4], key, tokens[which % 3]))
    assert not any(isinstance(got[which], handles.Handle) for which in range(0, 12, 3))
    after = keeping.find(views[0], Grant, key)
    assert after is not None
    assert after.ended == "refresh_token_replayed"


def test_a_count_is_kept_by_many_at_once(place: Place, key: str) -> None:
    views = [place.open() for _ in range(4)]

    def take(tally: Tally | None) -> tuple[Tally | None, bool]:
        number = tally.number if tally else 0
        return (Tally(number + 1), True) if number < 5 else (tally, False)

    took = at_once(8, lambda which: keeping.change(views[which % 4], Tally, key, take))
    assert took.count(True) == 5
    assert keeping.find(views[0], Tally, key) == Tally(5)


def test_no_secret_is_in_what_is_stored(place: Place) -> None:
    storage = place.open()
    code, verifier = handles.mint("code"), handles.derive("x", "verifier")
    fresh = handles.mint("refresh", code.name)
    keeping.keep(storage, code.key, grant(code, verifier))
    redeem(storage, code.key, redemption(code, verifier, fresh))
    truth = place.truth()
    assert code.key in truth, "this looks in the right place"
    for secret in (code.text, code.name, fresh.text, fresh.line, fresh.text.rpartition(".")[2], verifier):
        assert secret not in truth
    stored = storage.read("grant", code.key)
    assert fresh.digest not in repr(stored), "a record is not printed"


@pytest.mark.parametrize("record", [{"unknown": 1}, {}, [], "text", None, 7], ids=range(6))
def test_a_record_of_another_shape_counts_as_none(
    storage: Storage, key: str, record: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A version that was rolled back meets those of the newer one: 503 would never end."""
    storage.create("tally", key, record, LATER)
    assert keeping.find(storage, Tally, key) is None
    assert "a stored Tally" in caplog.text
    before = storage.read("tally", key)
    assert keeping.change(storage, Tally, key, lambda found: (found, "looked")) == "looked"
    assert storage.read("tally", key) == before, "what nobody asked to write stays for the version that can read it"
    assert keeping.change(storage, Tally, key, lambda found: (Tally(1), found)) is None
    assert keeping.find(storage, Tally, key) == Tally(1)


def test_a_rule_that_never_gets_its_turn_says_so(place: Place, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LONGEST_PAUSE_SECONDS", 0.0)
    storage, rival = place.open(), place.open()

    def rule(tally: Tally | None) -> tuple[Tally, int]:
        stored = rival.read("tally", key)  # somebody else is always faster
        record = {"number": (tally.number if tally else 0) + 1}
        if stored is None:
            rival.create("tally", key, record, LATER)
        else:
            rival.replace("tally", key, stored, record, LATER)
        return Tally(-1), 0

    with pytest.raises(StorageUnavailable, match="12 times"):
        keeping.change(storage, Tally, key, rule)
    assert keeping.find(storage, Tally, key) == Tally(keeping.ATTEMPTS)


def test_a_rule_that_changes_nothing_writes_nothing(storage: Storage, key: str) -> None:
    keeping.keep(storage, key, Tally(1))
    before = storage.read("tally", key)
    assert keeping.change(storage, Tally, key, lambda tally: (tally, "seen")) == "seen"
    assert storage.read("tally", key) == before
    assert keeping.change(storage, Tally, f"{key}0", lambda tally: (tally, "none")) == "none"
    assert storage.read("tally", f"{key}0") is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "sqlite",
        "sqlite:",
        "file:x",
        "dynamodb:eu-west-1/t",
        "dynamodb://eu-west-1",
        "dynamodb:///t",
        "dynamodb://r/",
        "dynamodb://eu-west-1/a/b",
        "redis://r/t",
    ],
)
def test_another_address_is_refused_with_the_forms_there_are(address: str) -> None:
    with pytest.raises(AddressError, match="sqlite:PATH, dynamodb://REGION/TABLE"):
        open_storage(address)
