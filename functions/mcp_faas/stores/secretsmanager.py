"""A token document in AWS Secrets Manager. AWSCURRENT is the document; it moves from a named version, never blindly.

A new version is put under a label of our own, which disturbs no rotation in progress, and then AWSCURRENT is moved to
it with the version that it is moved from: the one compare-and-swap that the service has.
"""

from __future__ import annotations

import contextlib
import email.utils
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from mcp_faas.stores import (
    Access,
    AddressError,
    Snapshot,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    check_encrypted,
    error_code,
    mend,
    request_id,
)
from mcp_faas.tokens import DocumentError, TokenDocument

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
WRITTEN = "MCPFAAS"  # the label under which a version waits to become current

ENDPOINT = "AWS_ENDPOINT_URL (or endpoint_url of the profile)"
_MISSING = "ResourceNotFoundException"
_LOST_RACE = ("InvalidParameterException", "InvalidRequestException", "ResourceExistsException")
_TRANSIENT = ("Throttl", "TooManyRequests", "RequestLimit", "InternalService", "ServiceUnavailable", "LimitExceeded")
_TELLING = (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
_WITHOUT_CREDENTIALS = (NoCredentialsError, PartialCredentialsError)
_CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine or job a role"


@dataclass(frozen=True)
class SecretVersion:
    """The text of a secret as one read found it."""

    text: str = field(repr=False)
    version: str | None  # None while the secret has no value yet
    time: datetime | None


class SecretText:
    """One secret with a text value, which is replaced only if it still is the one that was read."""

    def __init__(self, region: str | None, name: str, access: Access) -> None:
        self.name = name
        self.access = access
        bounds = Config(
            connect_timeout=access.timeout,
            read_timeout=access.timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        try:
            self.client: Any = boto3.client("secretsmanager", region_name=region, config=bounds)
        except BotoCoreError as error:  # a broken region or profile
            said = f"no client for Secrets Manager in {region}: {str(error).rstrip('.')}"
            raise StoreError(f"{said}; correct the region or AWS_PROFILE") from None
        except ValueError as error:
            raise AddressError(f"{error}; {ENDPOINT} takes a URL, like https://HOST") from None
        check_encrypted(ENDPOINT, self.client.meta.endpoint_url)

    def read(self, stage: str = CURRENT) -> SecretVersion:
        try:
            answer = self.call("get_secret_value", VersionStage=stage)
        except _NoValue as error:
            return SecretVersion("", None, error.time)
        if not isinstance(answer.get("VersionId"), str):  # an answer that is no JSON arrives as an empty one
            raise StoreUnavailable(f"get_secret_value on {self.name}: the answer is not understood")
        if not isinstance(answer.get("SecretString"), str):
            raise DocumentError(f"{self.name} holds bytes, not text; put a text there (SecretString)")
        return SecretVersion(answer["SecretString"], answer["VersionId"], server_time(answer))

    def replace(self, version: str | None, text: str) -> None:
        """Make this text the current one, if `version` still is."""
        new = str(uuid.uuid4())  # becomes the version's id, whatever happens to the answer
        put = self.call("put_secret_value", ClientRequestToken=new, SecretString=text, VersionStages=[WRITTEN])
        if version is None and CURRENT in put.get("VersionStages", ()):
            return  # the first version of a secret gets that label by itself
        self.move_current(new, version)  # which the service refuses without `version`, if any other has the label

    def move_current(self, to: str, version: str | None) -> None:
        moved_from = {"RemoveFromVersionId": version} if version else {}
        self.call("update_secret_version_stage", VersionStage=CURRENT, MoveToVersionId=to, **moved_from)

    def call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self.client, operation)(SecretId=self.name, **arguments)
        except ClientError as error:
            raise self._translate(operation, error) from None
        except _WITHOUT_CREDENTIALS as error:
            raise StoreError(f"{operation} on {self.name}: {str(error).rstrip('.')}; {_CREDENTIALS}") from None
        except BotoCoreError as error:
            raise StoreUnavailable(f"{operation} on {self.name}: {_why(error)}") from None
        except Exception as error:  # noqa: BLE001 - JSON of another shape, or a defect; its text may quote the secret
            kind = type(error).__name__
            raise StoreUnavailable(f"{operation} on {self.name}: the answer is not understood ({kind})") from None

    def _translate(self, operation: str, error: ClientError) -> StoreError:
        """The service's words are not repeated: a message may quote what was sent."""
        answer = error.response
        code = error_code(answer.get("Error", {}).get("Code"))
        meta = answer.get("ResponseMetadata", {})
        status = meta.get("HTTPStatusCode", 0)
        said = f"{operation} on {self.name}: {code} (HTTP {status}, request {request_id(meta.get('RequestId'))})"
        said += mend(code)
        if code == _MISSING and operation == "get_secret_value" and self._exists():
            return _NoValue(said, server_time(answer))
        if status >= 500 or status == 429 or any(mark in code for mark in _TRANSIENT):
            return StoreUnavailable(said)
        if operation == "update_secret_version_stage" and code in _LOST_RACE:
            return StoreConflict(said)
        return StoreError(said)

    def _exists(self) -> bool:
        """Tell a secret without a value from no secret: both are ResourceNotFoundException to a reader."""
        try:
            self.client.describe_secret(SecretId=self.name)
        except (ClientError, BotoCoreError):
            return False
        return True


class SecretsManagerStore:
    """Compares and swaps by the version that AWSCURRENT moves from."""

    settle_seconds = 0.0

    def __init__(self, address: str, region: str, name: str, access: Access) -> None:
        self.address = address
        self.secret = SecretText(region, name, access)

    @classmethod
    def of(cls, secret: SecretText) -> SecretsManagerStore:
        """The store of a secret that somebody has a client for already."""
        store = cls.__new__(cls)
        store.address, store.secret = f"the secret {secret.name}", secret
        return store

    def read(self) -> Snapshot:
        found = self.secret.read()
        text = found.text if found.version else TokenDocument().dump()
        return Snapshot(text, found.time, found.version)

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        self.secret.replace(snapshot.basis, document.dump())


class RotatingSecret:
    """A secret during a rotation of Secrets Manager's own: one version is being made, under the id that it names."""

    def __init__(self, secret_id: str, token: str, access: Access) -> None:
        self.token = token
        self.text = SecretText(None, secret_id, access)

    def check(self) -> bool:
        """Is there something to do? Raises if this is no rotation that Secrets Manager has begun."""
        found = self.text.call("describe_secret")
        if not found.get("RotationEnabled"):
            raise StoreError(f"{self.text.name} is not set up for rotation")
        stages = found.get("VersionIdsToStages", {}).get(self.token)
        if stages is None:
            raise StoreError(f"{self.text.name} has no version {self.token}")
        if CURRENT in stages:
            return False
        if PENDING not in stages:
            raise StoreError(f"version {self.token} of {self.text.name} is not the pending one")
        return True

    def pending(self) -> str | None:
        """The text of the version that is being made, if it has one yet."""
        try:
            answer = self.text.call("get_secret_value", VersionId=self.token, VersionStage=PENDING)
        except _NoValue:
            return None
        text = answer.get("SecretString")
        return text if isinstance(text, str) else None

    def lay(self, text: str) -> None:
        """Give the version its text. A version takes one text only: who comes second keeps the first one's."""
        try:
            self.text.call(
                "put_secret_value", ClientRequestToken=self.token, SecretString=text, VersionStages=[PENDING]
            )
        except StoreError:
            if self.pending() is None:
                raise

    def release(self) -> None:
        """Take AWSPENDING from the version. Left there it would stop the next rotation, at once or once AWSCURRENT has
        moved on by somebody's change: Secrets Manager would take this one for unfinished.
        """
        with contextlib.suppress(StoreConflict):  # the version has the label no more
            self.text.call("update_secret_version_stage", VersionStage=PENDING, RemoveFromVersionId=self.token)


class _NoValue(StoreError):
    def __init__(self, said: str, time: datetime | None) -> None:
        super().__init__(said)
        self.time = time


def _why(error: BotoCoreError) -> str:
    """The SDK's words where they name an endpoint or what is missing; others may quote a header or a parameter."""
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
        return f"{str(error).rstrip('.')}; see that the region is right and that this network reaches it"
    return str(error) if isinstance(error, _TELLING) else f"no usable answer ({type(error).__name__})"


def server_time(answer: Any) -> datetime | None:
    """The clock of the service, from the answer's Date."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
