"""The Secrets Manager stand-in, asked by the official SDK, and compared with a mock where that mock keeps the rules."""

from __future__ import annotations

import http.client
import re
import time
import uuid
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from moto import mock_aws

from edges.secretsmanager import Call, Fault, SecretsManager
from edges.serving import running

NAME = "stack/tokens"
TOKENS = [str(uuid.UUID(int=number)) for number in range(8)]
FIRST, SECOND, THIRD = TOKENS[1:4]
SIGNED = {
    "authorization": "AWS4-HMAC-SHA256 Credential=local/20261122/eu-west-1/secretsmanager/aws4_request",
    "content-type": "application/x-amz-json-1.1",
}


def client_of(url: str | None, *, region: str = "eu-west-1", timeout: float = 20) -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=timeout, proxies={})
    session = boto3.session.Session("local", "local", "local", region)
    return session.client("secretsmanager", endpoint_url=url, config=config)


def refusal_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture(name="manager")
def _manager() -> Iterator[SecretsManager]:
    with running(SecretsManager()) as manager:
        yield manager


@pytest.fixture
def client(manager: SecretsManager) -> Any:
    """A client of a service that holds one secret with one version."""
    client = client_of(manager.url)
    client.create_secret(Name=NAME, SecretString="one", ClientRequestToken=FIRST)
    return client


def put(client: Any, token: str, value: str, *labels: str) -> Any:
    more = {"VersionStages": list(labels)} if labels else {}
    return client.put_secret_value(SecretId=NAME, SecretString=value, ClientRequestToken=token, **more)


def labels_of(client: Any) -> dict[str, list[str]]:
    stages: dict[str, list[str]] = client.describe_secret(SecretId=NAME)["VersionIdsToStages"]
    return stages


def value_of(client: Any, **which: str) -> str:
    return str(client.get_secret_value(SecretId=NAME, **which)["SecretString"])


# --- Finding and reading ----------------------------------------------------------------------------------------------


def test_a_secret_is_found_by_name_arn_and_partial_arn(client: Any) -> None:
    found = client.get_secret_value(SecretId=NAME)
    assert re.fullmatch(r"arn:aws:secretsmanager:eu-west-1:\d{12}:secret:stack/tokens-[A-Za-z0-9]{6}", found["ARN"])
    assert (found["Name"], found["VersionId"], found["VersionStages"]) == (NAME, FIRST, ["AWSCURRENT"])
    for id_ in (found["ARN"], found["ARN"][:-7]):
        assert client.get_secret_value(SecretId=id_)["SecretString"] == "one"


def test_binary_values_come_back_as_they_were(client: Any) -> None:
    client.put_secret_value(SecretId=NAME, SecretBinary=b"\x00\xff", ClientRequestToken=SECOND)
    assert client.get_secret_value(SecretId=NAME)["SecretBinary"] == b"\x00\xff"


def test_regions_do_not_see_each_other(manager: SecretsManager, client: Any) -> None:
    elsewhere = client_of(manager.url, region="eu-central-1")
    assert refusal_of(lambda: elsewhere.get_secret_value(SecretId=NAME)) == "ResourceNotFoundException"


def test_every_answer_carries_the_services_clock() -> None:
    with running(SecretsManager(now=lambda: 1_800_000_000.0)) as manager:
        client = client_of(manager.url)
        made = client.create_secret(Name=NAME, SecretString="one")
        with pytest.raises(ClientError) as caught:
            client.get_secret_value(SecretId="no-such-secret")
        for metadata in (made["ResponseMetadata"], caught.value.response["ResponseMetadata"]):
            assert parsedate_to_datetime(metadata["HTTPHeaders"]["date"]).timestamp() == 1_800_000_000
        assert client.describe_secret(SecretId=NAME)["CreatedDate"].timestamp() == 1_800_000_000


def test_a_secret_without_a_value_has_no_current_version(manager: SecretsManager) -> None:
    client = client_of(manager.url)
    client.create_secret(Name=NAME)
    assert refusal_of(lambda: client.get_secret_value(SecretId=NAME)) == "ResourceNotFoundException"
    assert "VersionIdsToStages" not in client.describe_secret(SecretId=NAME)


@pytest.mark.parametrize(
    ("which", "refusal"),
    [
        ({"VersionStage": "AWSPREVIOUS"}, "ResourceNotFoundException"),
        ({"VersionId": SECOND}, "ResourceNotFoundException"),
        ({"VersionId": FIRST, "VersionStage": "AWSPENDING"}, "InvalidRequestException"),
    ],
)
def test_what_is_not_there_is_not_read(client: Any, which: dict[str, str], refusal: str) -> None:
    assert refusal_of(lambda: client.get_secret_value(SecretId=NAME, **which)) == refusal


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_create_is_refused_for_a_name_in_use_but_not_for_the_same_call_again(client: Any) -> None:
    again = client.create_secret(Name=NAME, SecretString="one", ClientRequestToken=FIRST)
    assert again["VersionId"] == FIRST
    for token, value in ((FIRST, "two"), (SECOND, "one")):
        call = {"Name": NAME, "SecretString": value, "ClientRequestToken": token}
        assert refusal_of(lambda call=call: client.create_secret(**call)) == "ResourceExistsException"  # type: ignore[misc]
    assert value_of(client) == "one"


def test_a_used_token_never_changes_a_value(client: Any) -> None:
    """AWS documents the refusal; a mock overwrites here."""
    put(client, SECOND, "two", "AWSPENDING")
    assert refusal_of(lambda: put(client, SECOND, "three", "AWSPENDING")) == "ResourceExistsException"
    assert value_of(client, VersionId=SECOND) == "two"


def test_a_put_repeated_with_the_same_value_does_nothing(client: Any) -> None:
    put(client, SECOND, "two", "AWSPENDING")
    again = put(client, SECOND, "two", "AWSCURRENT")
    assert again["VersionStages"] == ["AWSPENDING"]
    assert labels_of(client) == {FIRST: ["AWSCURRENT"], SECOND: ["AWSPENDING"]}


def test_a_put_without_labels_moves_current_blindly_and_previous_follows(client: Any) -> None:
    put(client, SECOND, "two")
    assert labels_of(client) == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]}
    put(client, THIRD, "three")
    assert labels_of(client) == {SECOND: ["AWSPREVIOUS"], THIRD: ["AWSCURRENT"]}


def test_the_first_value_becomes_current_whatever_its_labels(manager: SecretsManager) -> None:
    client = client_of(manager.url)
    client.create_secret(Name=NAME)
    put(client, FIRST, "one", "AWSPENDING")
    assert labels_of(client) == {FIRST: ["AWSCURRENT", "AWSPENDING"]}


def test_a_second_pending_version_takes_the_label(client: Any) -> None:
    put(client, SECOND, "two", "AWSPENDING")
    put(client, THIRD, "three", "AWSPENDING")
    assert labels_of(client) == {FIRST: ["AWSCURRENT"], THIRD: ["AWSPENDING"]}


def test_versions_without_a_label_are_listed_only_when_asked_for(client: Any) -> None:
    put(client, SECOND, "two")
    put(client, THIRD, "three")

    def listed(**more: bool) -> list[str]:
        return [version["VersionId"] for version in client.list_secret_version_ids(SecretId=NAME, **more)["Versions"]]

    assert listed() == [SECOND, THIRD]
    assert listed(IncludeDeprecated=True) == [FIRST, SECOND, THIRD]
    assert value_of(client, VersionId=FIRST) == "one"


# --- Moving labels ----------------------------------------------------------------------------------------------------


def move(client: Any, label: str = "AWSCURRENT", *, to: str | None = None, from_: str | None = None) -> None:
    where = {"MoveToVersionId": to, "RemoveFromVersionId": from_}
    given = {name: id_ for name, id_ in where.items() if id_ is not None}
    client.update_secret_version_stage(SecretId=NAME, VersionStage=label, **given)


@pytest.fixture
def pending(client: Any) -> Any:
    """Current is the first version, pending the second."""
    put(client, SECOND, "two", "AWSPENDING")
    return client


def test_current_moves_from_the_version_that_has_it_and_previous_follows(pending: Any) -> None:
    move(pending, to=SECOND, from_=FIRST)
    assert labels_of(pending) == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT", "AWSPENDING"]}
    move(pending, to=FIRST, from_=SECOND)  # and back, which leaves previous on the one that lost it
    assert labels_of(pending) == {FIRST: ["AWSCURRENT"], SECOND: ["AWSPENDING", "AWSPREVIOUS"]}


@pytest.mark.parametrize(
    ("to", "from_", "refusal"),
    [
        (SECOND, None, "InvalidParameterException"),
        (SECOND, SECOND, "InvalidParameterException"),
        (SECOND, THIRD, "ResourceNotFoundException"),
        (THIRD, FIRST, "ResourceNotFoundException"),
        (FIRST, SECOND, "InvalidParameterException"),
        (None, FIRST, "InvalidParameterException"),
        (None, None, "InvalidParameterException"),
    ],
    ids=["without from", "wrong from", "unknown from", "unknown to", "already there", "never removed", "nothing said"],
)
def test_current_does_not_move(pending: Any, to: str | None, from_: str | None, refusal: str) -> None:
    before = labels_of(pending)
    assert refusal_of(lambda: move(pending, to=to, from_=from_)) == refusal
    assert labels_of(pending) == before


def test_any_label_in_use_moves_only_from_its_holder(pending: Any) -> None:
    """A mock asks for this of AWSCURRENT alone."""
    assert refusal_of(lambda: move(pending, "AWSPENDING", to=FIRST)) == "InvalidParameterException"
    move(pending, "AWSPENDING", to=FIRST, from_=SECOND)
    assert labels_of(pending) == {FIRST: ["AWSCURRENT", "AWSPENDING"]}
    move(pending, "AWSPENDING", from_=FIRST)
    move(pending, "mine", to=SECOND)
    assert labels_of(pending) == {FIRST: ["AWSCURRENT"], SECOND: ["mine"]}


# --- Rotation ---------------------------------------------------------------------------------------------------------

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:rotation"


def test_a_rotation_takes_the_four_steps_and_starts_with_an_empty_pending_version() -> None:
    steps: list[dict[str, str]] = []
    seen: list[dict[str, list[str]]] = []

    async def rotate(event: dict[str, str]) -> None:
        region = manager.region("eu-west-1")
        steps.append(event)
        id_, token = {"SecretId": event["SecretId"]}, event["ClientRequestToken"]
        if event["Step"] == "createSecret":
            seen.append(region.describe_secret(id_)["VersionIdsToStages"])
            value = {"ClientRequestToken": token, "SecretString": "two", "VersionStages": ["AWSPENDING"]}
            region.put_secret_value({**id_, **value})
        if event["Step"] == "finishSecret":
            move = {"VersionStage": "AWSCURRENT", "MoveToVersionId": token, "RemoveFromVersionId": FIRST}
            region.update_secret_version_stage({**id_, **move})

    manager = SecretsManager(rotate=rotate)
    with running(manager):
        client = client_of(manager.url)
        client.create_secret(Name=NAME, SecretString="one", ClientRequestToken=FIRST)
        assert "RotationEnabled" not in client.describe_secret(SecretId=NAME)
        client.rotate_secret(SecretId=NAME, RotationLambdaARN=FUNCTION, ClientRequestToken=SECOND)
        deadline = time.monotonic() + 20
        while len(steps) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [event["Step"] for event in steps] == ["createSecret", "setSecret", "testSecret", "finishSecret"]
        assert {event["ClientRequestToken"] for event in steps} == {SECOND}
        assert steps[0]["SecretId"].startswith("arn:aws:secretsmanager:eu-west-1:")
        assert seen == [{FIRST: ["AWSCURRENT"], SECOND: ["AWSPENDING"]}]
        assert client.describe_secret(SecretId=NAME)["RotationEnabled"] is True
        assert value_of(client) == "two"


def test_a_rotation_is_refused_without_a_function_and_while_another_is_pending(client: Any) -> None:
    assert refusal_of(lambda: client.rotate_secret(SecretId=NAME)) == "InvalidRequestException"
    client.rotate_secret(SecretId=NAME, RotationLambdaARN=FUNCTION, ClientRequestToken=SECOND)
    assert refusal_of(lambda: value_of(client, VersionStage="AWSPENDING")) == "ResourceNotFoundException"
    assert refusal_of(lambda: client.rotate_secret(SecretId=NAME)) == "InvalidRequestException"
    put(client, SECOND, "two", "AWSPENDING")
    move(client, to=SECOND, from_=FIRST)
    assert client.rotate_secret(SecretId=NAME, ClientRequestToken=THIRD)["VersionId"] == THIRD


# --- The protocol -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "status", "kind"),
    [
        ({"authorization": "Bearer x"}, "{}", 403, "MissingAuthenticationTokenException"),
        ({"x-amz-target": "secretsmanager.DropTables"}, "{}", 400, "UnknownOperationException"),
        ({"x-amz-target": "GetSecretValue"}, "{}", 400, "UnknownOperationException"),
        ({}, "{", 400, "SerializationException"),
        ({}, "[]", 400, "SerializationException"),
        ({}, "{}", 400, "ValidationException"),
        (
            {"x-amz-target": "secretsmanager.PutSecretValue"},
            '{"SecretId": "stack/tokens"}',
            400,
            "InvalidParameterException",
        ),
    ],
)
def test_a_call_that_is_none_is_refused(
    manager: SecretsManager, client: Any, headers: dict[str, str], body: str, status: int, kind: str
) -> None:
    sent = {**SIGNED, "x-amz-target": "secretsmanager.GetSecretValue", **headers}
    answer = httpx2.post(manager.url, headers=sent, content=body, trust_env=False)
    assert (answer.status_code, answer.json()["__type"]) == (status, kind)
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


def test_a_taken_port_is_named(manager: SecretsManager) -> None:
    with pytest.raises(OSError, match=str(manager.port)), running(SecretsManager(port=manager.port)):
        pass


# --- Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "applied"),
    [
        (Fault.error(500), ClientError, False),
        (Fault.error(503, "ServiceUnavailable", applied=True), ClientError, True),
        (Fault.throttle(), ClientError, False),
        (Fault.reset(applied=False), ConnectionClosedError, False),
        (Fault.reset(applied=True), ConnectionClosedError, True),
        (Fault.hang(30, applied=False), ReadTimeoutError, False),
        (Fault.hang(30, applied=True), ReadTimeoutError, True),
    ],
    ids=lambda case: f"{case.effect}{' applied' if case.applied else ''}" if isinstance(case, Fault) else "",
)
def test_a_write_goes_wrong_as_told(
    manager: SecretsManager, client: Any, fault: Fault, error: type[Exception], applied: bool
) -> None:
    manager.fault = lambda call: fault if call.operation == "PutSecretValue" else None
    impatient = client_of(manager.url, timeout=0.5)
    with pytest.raises(error):
        put(impatient, SECOND, "two")
    assert value_of(client) == ("two" if applied else "one")


def test_a_reset_is_one(manager: SecretsManager) -> None:
    manager.fault = lambda call: Fault.reset(applied=False)
    connection = http.client.HTTPConnection("127.0.0.1", manager.port, timeout=20)
    connection.request("POST", "/", "{}", {**SIGNED, "x-amz-target": "secretsmanager.GetSecretValue"})
    with pytest.raises(ConnectionResetError) as caught:
        connection.getresponse()
    connection.close()
    assert caught.type is ConnectionResetError  # not http.client's own, which a plain close raises


def test_a_truncated_answer_arrives_in_part(manager: SecretsManager, client: Any) -> None:
    manager.fault = lambda call: Fault.truncated()
    connection = http.client.HTTPConnection("127.0.0.1", manager.port, timeout=20)
    headers = {**SIGNED, "x-amz-target": "secretsmanager.DescribeSecret"}
    connection.request("POST", "/", f'{{"SecretId": "{NAME}"}}', headers)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    connection.close()
    assert caught.value.partial.startswith(b'{"ARN"')


@pytest.mark.parametrize("fault", [Fault.truncated(), Fault.malformed()], ids=["truncated", "malformed"])
def test_an_answer_that_is_no_json_is_an_empty_one_to_the_sdk(
    manager: SecretsManager, client: Any, fault: Fault
) -> None:
    """Not a wish but a warning to whoever writes a store: boto3 raises nothing."""
    manager.fault = lambda call: fault
    assert "VersionId" not in put(client, SECOND, "two")
    manager.fault = lambda call: None
    assert value_of(client) == "two"


def test_a_fault_sees_each_call_and_can_spare_all_but_one(manager: SecretsManager, client: Any) -> None:
    calls: list[Call] = []

    def fault(call: Call) -> Fault | None:
        calls.append(call)
        return Fault.throttle() if call.number == 3 else None

    manager.fault = fault
    value_of(client)
    assert refusal_of(lambda: value_of(client)) == "ThrottlingException"
    value_of(client)
    assert [(call.number, call.operation) for call in calls] == [(number, "GetSecretValue") for number in (2, 3, 4)]
    assert "SecretId" not in repr(calls[0])


def test_a_stale_read_does_not_see_the_last_writes(manager: SecretsManager, client: Any) -> None:
    put(client, SECOND, "two")
    put(client, THIRD, "three")
    for writes, value in ((1, "two"), (2, "one")):
        manager.fault = lambda call, writes=writes: Fault.stale(writes)  # type: ignore[misc]
        assert value_of(client) == value
    manager.fault = lambda call: Fault.stale(3)  # before the secret was made
    assert refusal_of(lambda: value_of(client)) == "ResourceNotFoundException"
    manager.fault = lambda call: None
    assert value_of(client) == "three"


# --- Against a mock, where it is right --------------------------------------------------------------------------------


def _read_write_and_rotate(client: Any) -> Iterator[Any]:
    yield client.create_secret(Name=NAME, SecretString="one", ClientRequestToken=FIRST, Description="tokens")
    yield client.describe_secret(SecretId=NAME)
    yield client.get_secret_value(SecretId=NAME)
    yield put(client, SECOND, "two", "AWSPENDING")
    yield client.get_secret_value(SecretId=NAME, VersionStage="AWSPENDING")
    yield client.describe_secret(SecretId=NAME)
    move(client, to=SECOND, from_=FIRST)
    # Without the label the mock would go on reading the first version.
    yield client.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
    yield client.get_secret_value(SecretId=NAME, VersionId=FIRST)
    yield client.describe_secret(SecretId=NAME)
    move(client, "AWSPENDING", from_=SECOND)
    yield client.describe_secret(SecretId=NAME)
    yield client.get_secret_value(SecretId=NAME, VersionStage="AWSPREVIOUS")


def _write_without_labels(client: Any) -> Iterator[Any]:
    yield client.create_secret(Name=NAME, SecretString="one", ClientRequestToken=FIRST)
    yield put(client, SECOND, "two")
    yield client.describe_secret(SecretId=NAME)
    yield client.get_secret_value(SecretId=NAME)


def _be_refused(client: Any) -> Iterator[Any]:
    yield refusal_of(lambda: client.get_secret_value(SecretId=NAME))
    yield refusal_of(lambda: client.describe_secret(SecretId=NAME))
    yield client.create_secret(Name=NAME, SecretString="one", ClientRequestToken=FIRST)
    yield refusal_of(lambda: client.create_secret(Name=NAME, SecretString="two", ClientRequestToken=SECOND))
    yield refusal_of(lambda: client.get_secret_value(SecretId=NAME, VersionStage="AWSPENDING"))
    yield refusal_of(lambda: client.get_secret_value(SecretId=NAME, VersionId=FIRST, VersionStage="AWSPENDING"))
    yield put(client, SECOND, "two", "AWSPENDING")
    yield refusal_of(lambda: move(client, to=SECOND))
    yield refusal_of(lambda: move(client, to=SECOND, from_=SECOND))
    yield client.describe_secret(SecretId=NAME)


def _comparable(result: Any) -> Any:
    if not isinstance(result, dict):
        return result
    kept = {name: value for name, value in result.items() if not name.endswith("Date")}
    kept = {name: value for name, value in kept.items() if name not in ("ResponseMetadata", "Tags", "RotationEnabled")}
    if "ARN" in kept:
        kept["ARN"] = kept["ARN"][:-7]
    if "VersionStages" in kept:
        kept["VersionStages"] = sorted(kept["VersionStages"])
    if "VersionIdsToStages" in kept:  # the mock also names versions that have no label left
        kept["VersionIdsToStages"] = {
            id_: sorted(labels) for id_, labels in kept["VersionIdsToStages"].items() if labels
        }
    return kept


@pytest.mark.parametrize("conversation", [_read_write_and_rotate, _write_without_labels, _be_refused])
def test_the_stand_in_and_the_mock_say_the_same(
    manager: SecretsManager, conversation: Callable[[Any], Iterator[Any]]
) -> None:
    ours = [_comparable(result) for result in conversation(client_of(manager.url))]
    with mock_aws():
        theirs = [_comparable(result) for result in conversation(client_of(None))]
    assert ours == theirs
