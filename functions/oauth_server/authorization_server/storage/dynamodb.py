"""Records in one DynamoDB table: partition key `pk`, time to live `expires_at`. No other service and no rule enters.

Every write puts a version of its own making. So a write whose answer was lost, also one that the SDK then repeated, is
found again by reading back: whoever finds that version there has written it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from authorization_server.storage import Json, StorageUnavailable, Stored
from mcp_faas.stores import AddressError, check_encrypted, error_code, mend

KEY, TIME_TO_LIVE = "pk", "expires_at"
CONNECT_SECONDS, READ_SECONDS = 1.0, 2.0  # twice, and twice more to read back: far below a gateway's 30 s
ATTEMPTS = 2
CONNECTIONS = 16  # as many as the server on FC has threads; botocore keeps 10, and throws others away after each use

_CHANGED = "ConditionalCheckFailedException"
_NOT_THERE = "attribute_not_exists(#pk)"
_UNCHANGED = "#version = :version"


class _ConditionFailed(Exception):
    """DynamoDB did not write, because the item was not as the condition has it."""


class _AnswerLost(StorageUnavailable):
    """Nobody knows whether the call was carried out."""


class DynamoDbStorage:
    """One table, shared by all instances of the function. Reads are strongly consistent, writes conditional."""

    def __init__(self, region: str, table: str) -> None:
        self._table = table
        bounds = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        )
        try:
            self._client: Any = boto3.client("dynamodb", region_name=region, config=bounds)
        except (BotoCoreError, ValueError) as error:
            raise AddressError(f"no client for DynamoDB in {region}: {str(error).rstrip('.')}") from None
        check_encrypted("AWS_ENDPOINT_URL", self._client.meta.endpoint_url)

    def create(self, kind: str, key: str, record: Mapping[str, Json], expires_at: int) -> bool:
        return self._put(kind, key, record, expires_at, ConditionExpression=_NOT_THERE, names={"#pk": KEY})

    def read(self, kind: str, key: str) -> Stored | None:
        item = self._call("get_item", Key=_key(kind, key), ConsistentRead=True).get("Item")
        if item is None:
            return None
        try:
            return Stored(json.loads(item["record"]["S"]), item["version"]["S"], int(item[TIME_TO_LIVE]["N"]))
        except (KeyError, TypeError, ValueError):
            raise StorageUnavailable(f"the table {self._table} holds an item of another shape") from None

    def replace(self, kind: str, key: str, stored: Stored, record: Mapping[str, Json], expires_at: int) -> bool:
        return self._put(
            kind,
            key,
            record,
            expires_at,
            ConditionExpression=_UNCHANGED,
            names={"#version": "version"},
            ExpressionAttributeValues={":version": {"S": stored.version}},
        )

    def close(self) -> None:
        self._client.close()

    def _put(
        self,
        kind: str,
        key: str,
        record: Mapping[str, Json],
        expires_at: int,
        *,
        names: dict[str, str],
        **condition: Any,
    ) -> bool:
        version = secrets.token_hex(16)
        item = {
            **_key(kind, key),
            "record": {"S": json.dumps(record)},
            "version": {"S": version},
            TIME_TO_LIVE: {"N": str(expires_at)},
        }
        try:
            self._call("put_item", Item=item, ExpressionAttributeNames=names, **condition)
        except _ConditionFailed:
            return self._is_there(kind, key, version)  # the SDK's second attempt may have met its own first one
        except _AnswerLost:
            if self._is_there(kind, key, version):
                return True
            raise  # it may still arrive, so it is no no
        return True

    def _is_there(self, kind: str, key: str, version: str) -> bool:
        found = self.read(kind, key)
        return found is not None and found.version == version

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            answer = getattr(self._client, operation)(TableName=self._table, **arguments)
        except ClientError as error:
            raise self._translate(operation, error) from None
        except BotoCoreError as error:
            raise _AnswerLost(f"{operation} on the table {self._table}: {type(error).__name__}") from None
        except Exception as error:  # noqa: BLE001 - an answer that is no JSON; its text may quote a record
            kind = type(error).__name__
            raise _AnswerLost(
                f"{operation} on the table {self._table}: the answer is not understood ({kind})"
            ) from None
        if not answer.get("ResponseMetadata", {}).get("RequestId"):
            # a page of something in between, whose status is 200, reaches us as an empty answer
            raise _AnswerLost(f"{operation} on the table {self._table}: the answer is not DynamoDB's")
        return answer

    def _translate(self, operation: str, error: ClientError) -> Exception:
        """The service's words are not repeated: a message may quote what was sent."""
        code = error_code(error.response.get("Error", {}).get("Code"))
        if code == _CHANGED:
            return _ConditionFailed()
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = f"{operation} on the table {self._table}: {code} (HTTP {status}){mend(code)}"
        return _AnswerLost(said) if status >= 500 else StorageUnavailable(said)


def _key(kind: str, key: str) -> dict[str, dict[str, str]]:
    return {KEY: {"S": f"{kind}#{key}"}}
