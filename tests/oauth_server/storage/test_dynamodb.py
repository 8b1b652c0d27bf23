"""A DynamoDB that refuses, stays silent or whose answers get lost: no write counts twice, none is taken for another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from authorization_server import keeping
from authorization_server.records import Refused, grants, handles
from authorization_server.records.grants import Grant, Granted, Redemption
from authorization_server.storage import StorageUnavailable, Stored
from authorization_server.storage import dynamodb as module
from authorization_server.storage.dynamodb import DynamoDbStorage
from dynamodb.road import DEFINITE, LOST_AFTER, LOST_BEFORE, Fault, Road
from dynamodb.servers import REGION, TABLE, dynamodb, make_table
from edges.serving import running
from mcp_faas.stores import AddressError

NOW, LATER = 1_795_000_000, 1_795_003_600
SECRET = "what-nobody-may-read"
VERIFIER = handles.derive("test", "verifier")
RECORD = {"secret": SECRET}


@pytest.fixture(scope="module", params=["moto", "dynalite"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with dynamodb(request.param) as url:
        make_table(url)
        yield url


@pytest.fixture
def road(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setattr(module, "READ_SECONDS", 1.0)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.0)
    with running(Road(url)) as road:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{road.port}")
        yield road


@pytest.fixture
def storage(road: Road) -> Iterator[DynamoDbStorage]:
    storage = DynamoDbStorage(REGION, TABLE)
    yield storage
    storage.close()


@pytest.fixture
def key() -> str:
    return handles.mint("code").key


def on(operation: str, fault: Fault, times: int = 1000) -> Callable[[str, int], Fault | None]:
    """This fault in the first so many calls of an operation."""
    left = [times]

    def fail(called: str, number: int) -> Fault | None:
        if called != operation or not left[0]:
            return None
        left[0] -= 1
        return fault

    return fail


def create(storage: DynamoDbStorage, key: str) -> bool:
    return storage.create("grant", key, {"n": 2}, LATER)


def replace(storage: DynamoDbStorage, key: str) -> bool:
    found = storage.read("grant", key)
    assert found is not None
    return storage.replace("grant", key, found, {"n": 2}, LATER)


WRITES = {"create": create, "replace": replace}


@pytest.fixture(params=list(WRITES))
def write(request: pytest.FixtureRequest, storage: DynamoDbStorage, key: str) -> Callable[[], bool]:
    if request.param == "replace":
        assert storage.create("grant", key, {"n": 1}, LATER)
    return lambda: WRITES[request.param](storage, key)


def content(storage: DynamoDbStorage, road: Road, key: str) -> Any:
    road.fail = lambda operation, number: None
    found = storage.read("grant", key)
    return found.record["n"] if found else None


@pytest.mark.parametrize("times", [1, 1000], ids=["once", "for ever"])
@pytest.mark.parametrize("fault", LOST_AFTER)
def test_a_write_whose_answer_was_lost_is_found_again(
    storage: DynamoDbStorage, road: Road, key: str, write: Callable[[], bool], fault: Fault, times: int
) -> None:
    road.fail = on("PutItem", fault, times)
    assert write() is True
    assert content(storage, road, key) == 2


@pytest.mark.parametrize("fault", [*LOST_BEFORE, *DEFINITE])
def test_a_write_that_never_arrived_is_neither_yes_nor_no(
    storage: DynamoDbStorage, road: Road, key: str, write: Callable[[], bool], fault: Fault
) -> None:
    road.fail = on("PutItem", fault)
    with pytest.raises(StorageUnavailable):
        write()
    assert content(storage, road, key) in (None, 1)


@pytest.mark.parametrize("fault", ["silent before", "silent after"])
def test_silence_is_a_lost_answer(
    storage: DynamoDbStorage, road: Road, key: str, write: Callable[[], bool], fault: Fault
) -> None:
    road.fail = on("PutItem", fault)
    if fault == "silent after":
        assert write() is True
    else:
        with pytest.raises(StorageUnavailable, match="put_item on the table oauth-records: ReadTimeoutError"):
            write()
    assert content(storage, road, key) in ((2,) if fault == "silent after" else (None, 1))


@pytest.mark.parametrize("fault", ["throttled", "500 before", "reset before"])
def test_a_write_is_tried_again(
    storage: DynamoDbStorage, road: Road, key: str, write: Callable[[], bool], fault: Fault
) -> None:
    road.fail = on("PutItem", fault, 1)
    assert write() is True
    assert content(storage, road, key) == 2
    assert road.calls.count("PutItem") <= 3


@pytest.mark.parametrize("fault", LOST_AFTER)
def test_a_write_that_lost_is_lost_although_its_answer_was(
    storage: DynamoDbStorage, road: Road, key: str, fault: Fault
) -> None:
    storage.create("grant", key, {"n": 1}, LATER)
    stale = Stored({"n": 0}, "a version of before", LATER)
    road.fail = on("PutItem", fault, 1)
    assert storage.replace("grant", key, stale, {"n": 2}, LATER) is False
    assert storage.create("grant", key, {"n": 3}, LATER) is False
    assert content(storage, road, key) == 1


@pytest.mark.parametrize("fault", [*LOST_BEFORE, *LOST_AFTER, *DEFINITE])
@pytest.mark.parametrize("operation", ["read", "create", "replace"])
def test_a_silent_service_is_no_answer(
    storage: DynamoDbStorage, road: Road, key: str, operation: str, fault: Fault
) -> None:
    road.fail = lambda called, number: fault
    acts: dict[str, Callable[[], object]] = {
        "read": lambda: storage.read("grant", key),
        "create": lambda: storage.create("grant", key, RECORD, LATER),
        "replace": lambda: storage.replace("grant", key, Stored(RECORD, "v", LATER), RECORD, LATER),
    }
    with pytest.raises(StorageUnavailable) as caught:
        acts[operation]()
    said = str(caught.value)
    assert TABLE in said
    assert SECRET not in said
    assert key not in said
    assert caught.value.__cause__ is None
    if fault == "refused":
        assert "AccessDeniedException" in said
        assert len(road.calls) == 1, "what is not allowed is not tried again"


@pytest.mark.parametrize("fault", [*LOST_BEFORE, *LOST_AFTER, *DEFINITE])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_a_code_is_redeemed_at_most_once_whatever_is_lost(
    storage: DynamoDbStorage, road: Road, fault: Fault, lasting: bool, cases: Counter[str]
) -> None:
    for position in range(1, 5):
        road.fail = lambda called, number: None
        code = handles.mint("code")
        challenge = handles.s256(VERIFIER)
        assert challenge is not None
        keeping.keep(
            storage,
            code.key,
            Grant("c", "s", "r", (), "u", True, challenge, code.digest, NOW + 60, LATER, NOW, ()),
        )
        began = len(road.calls)

        def fail(called: str, number: int, begun: int = began, position: int = position) -> Fault | None:
            return fault if number - begun == position or (lasting and number - begun > position) else None

        road.fail = fail
        asked = Redemption("c", code.digest, "u", VERIFIER, None, handles.mint("refresh", code.name).digest)

        def redeem(found: Grant | None, asked: Redemption = asked) -> tuple[Grant | None, Granted | Refused]:
            return grants.redeem(found, asked, NOW, lambda grant: grant.scopes)

        won: list[object] = []
        for _ in range(3):
            try:
                outcome = keeping.change(storage, Grant, code.key, redeem)
            except StorageUnavailable:
                road.fail = lambda called, number: None
                continue
            won += [outcome] if isinstance(outcome, Granted) else []
        road.fail = lambda called, number: None
        assert len(won) <= 1
        after = keeping.find(storage, Grant, code.key)
        assert after is not None
        assert after.redeemed_at == NOW, "three tries are enough for one of them to arrive"
        cases["lost answers of a redemption"] += 1


def test_a_table_that_is_not_there_is_said(road: Road) -> None:
    storage = DynamoDbStorage(REGION, "another")
    with pytest.raises(StorageUnavailable, match="get_item on the table another: ResourceNotFoundException"):
        storage.read("grant", "k")
    storage.close()


def test_an_item_of_somebody_else_is_no_record(road: Road, storage: DynamoDbStorage, url: str, key: str) -> None:
    from dynamodb.servers import client

    looking = client(url)
    looking.put_item(TableName=TABLE, Item={"pk": {"S": f"grant#{key}"}, "record": {"S": "[" + SECRET}})
    looking.close()
    with pytest.raises(StorageUnavailable, match="another shape") as caught:
        storage.read("grant", key)
    assert SECRET not in str(caught.value)


def test_an_endpoint_elsewhere_is_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://dynamodb.example.com")
    with pytest.raises(AddressError, match="use https"):
        DynamoDbStorage(REGION, TABLE)
    with pytest.raises(AddressError):
        DynamoDbStorage("no region at all", TABLE)
