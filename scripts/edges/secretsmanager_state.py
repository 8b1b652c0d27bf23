"""Secrets, versions and staging labels, by the rules that the Secrets Manager API reference states. No I/O, no clock.

Strict where a mock is lenient: a version's value never changes, and a label moves only from the version that has it.
"""

from __future__ import annotations

import copy
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
VALUE_LIMIT_BYTES = 65_536
LABELS_LIMIT = 20
SUFFIX_ALPHABET = string.ascii_letters + string.digits

Parameters = Mapping[str, Any]


class Refused(Exception):
    """An error as the service names it. The text quotes ids, never a value."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass
class Version:
    """A value under an id. A rotation begins with one that has no value yet."""

    created: float
    value: dict[str, str] | None = field(default=None, repr=False)  # SecretString or SecretBinary, as sent
    labels: set[str] = field(default_factory=set)


@dataclass
class Secret:
    """One secret. Version ids are in the order of their making."""

    arn: str
    name: str
    created: float
    changed: float
    description: str = ""
    versions: dict[str, Version] = field(default_factory=dict)
    rotation: dict[str, Any] = field(default_factory=dict)

    def holder(self, label: str) -> str | None:
        """The id of the version that has the label: one at most."""
        return next((id_ for id_, version in self.known() if label in version.labels), None)

    def known(self) -> list[tuple[str, Version]]:
        """All versions, as a copy: a caller in this process may look while a client's late call is carried out."""
        return list(self.versions.items())

    def attach(self, label: str, version_id: str) -> None:
        """Take the label from whichever version has it. AWSPREVIOUS follows AWSCURRENT to where that was."""
        holder = self.holder(label)
        if holder == version_id:
            return
        if holder is not None:
            self.versions[holder].labels.discard(label)
        self.versions[version_id].labels.add(label)
        if label == CURRENT and holder is not None:
            self.attach(PREVIOUS, holder)


class Secrets:
    """The secrets of one region. Each method is an operation: parameters in, result out, or Refused."""

    def __init__(self, *, region: str, account_id: str, now: Callable[[], float]) -> None:
        self._region = region
        self._account_id = account_id
        self._now = now
        self._secrets: dict[str, Secret] = {}

    def snapshot(self) -> Secrets:
        """The secrets as they are now, which later writes do not change."""
        past = Secrets(region=self._region, account_id=self._account_id, now=self._now)
        past._secrets = copy.deepcopy(self._secrets)
        return past

    def create_secret(self, parameters: Parameters) -> dict[str, Any]:
        name, value = _text(parameters, "Name", 512), _value(parameters)
        existing = self._secrets.get(name)
        version_id = _token(parameters) if value else None
        if existing is not None:
            version = existing.versions.get(version_id or "")
            if version is not None and version.value == value:  # the same call once more
                return _result(existing, VersionId=version_id)
            raise Refused("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        suffix = "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(6))
        arn = f"arn:aws:secretsmanager:{self._region}:{self._account_id}:secret:{name}-{suffix}"
        secret = Secret(arn, name, self._now(), self._now(), parameters.get("Description", ""))
        self._secrets[name] = secret
        if version_id is None:
            return _result(secret)
        secret.versions[version_id] = Version(self._now(), value, {CURRENT})
        return _result(secret, VersionId=version_id)

    def put_secret_value(self, parameters: Parameters) -> dict[str, Any]:
        secret, version_id, value = self._find(parameters), _token(parameters), _value(parameters)
        if value is None:
            raise Refused("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
        labels = parameters.get("VersionStages", [CURRENT])
        if not isinstance(labels, list) or not 1 <= len(labels) <= LABELS_LIMIT:
            raise Refused("InvalidParameterException", f"VersionStages takes 1 to {LABELS_LIMIT} staging labels.")
        version = secret.versions.get(version_id)
        if version is not None and version.value is not None:
            if version.value != value:
                text = f"You can't modify the value of version {version_id}; use another ClientRequestToken."
                raise Refused("ResourceExistsException", text)
            return _result(secret, VersionId=version_id, VersionStages=sorted(version.labels))
        is_first = not any(other.value for other in secret.versions.values())
        if version is None:
            version = secret.versions.setdefault(version_id, Version(self._now()))
        version.value = value
        secret.changed = self._now()
        for label in labels:
            secret.attach(label, version_id)
        if is_first:
            secret.attach(CURRENT, version_id)
        return _result(secret, VersionId=version_id, VersionStages=sorted(version.labels))

    def get_secret_value(self, parameters: Parameters) -> dict[str, Any]:
        secret = self._find(parameters)
        version_id, label = parameters.get("VersionId"), parameters.get("VersionStage")
        found = version_id or secret.holder(label or CURRENT)
        version = secret.versions.get(found or "")
        if version is None or version.value is None:
            wanted = f"VersionId: {version_id}" if version_id else f"staging label: {label or CURRENT}"
            text = f"Secrets Manager can't find the specified secret value for {wanted}"
            raise Refused("ResourceNotFoundException", text)
        if label and label not in version.labels:
            text = "You provided a VersionStage that is not associated to the provided VersionId."
            raise Refused("InvalidRequestException", text)
        labels = sorted(version.labels)
        return _result(secret, VersionId=found, VersionStages=labels, CreatedDate=version.created, **version.value)

    def describe_secret(self, parameters: Parameters) -> dict[str, Any]:
        secret = self._find(parameters)
        labelled = {id_: sorted(version.labels) for id_, version in secret.known() if version.labels}
        result = _result(secret, CreatedDate=secret.created, LastChangedDate=secret.changed, **secret.rotation)
        if secret.description:
            result["Description"] = secret.description
        if labelled:  # a field without a value is left out, RotationEnabled of a secret that never rotated too
            result["VersionIdsToStages"] = labelled
        return result

    def list_secret_version_ids(self, parameters: Parameters) -> dict[str, Any]:
        secret, deprecated = self._find(parameters), bool(parameters.get("IncludeDeprecated"))
        versions = [
            {"VersionId": id_, "CreatedDate": version.created}
            | ({"VersionStages": sorted(version.labels)} if version.labels else {})
            for id_, version in secret.known()
            if version.value is not None and (version.labels or deprecated)
        ]
        return _result(secret, Versions=versions)

    def update_secret_version_stage(self, parameters: Parameters) -> dict[str, Any]:
        secret, label = self._find(parameters), _text(parameters, "VersionStage", 256)
        to, from_, holder = (
            parameters.get("MoveToVersionId"),
            parameters.get("RemoveFromVersionId"),
            secret.holder(label),
        )
        if to is None and from_ is None:
            raise Refused("InvalidParameterException", "You must provide MoveToVersionId or RemoveFromVersionId.")
        for version_id in (to, from_):
            if version_id is not None and version_id not in secret.versions:
                raise Refused("ResourceNotFoundException", f"Secrets Manager can't find the version {version_id}.")
        if from_ is not None and from_ != holder:
            text = f"The staging label {label} is not attached to version {from_}."
            raise Refused("InvalidParameterException", text)
        if from_ is None and holder not in (None, to):
            text = f"RemoveFromVersionId can't be empty. Staging label {label} is attached to version {holder}."
            raise Refused("InvalidParameterException", text)
        if to is None:
            if label == CURRENT:
                text = f"The staging label {CURRENT} can be moved to another version, but not removed."
                raise Refused("InvalidParameterException", text)
            secret.versions[from_ or ""].labels.discard(label)
        else:
            if label not in secret.versions[to].labels and len(secret.versions[to].labels) >= LABELS_LIMIT:
                raise Refused("LimitExceededException", f"A version has at most {LABELS_LIMIT} staging labels.")
            secret.attach(label, to)
        secret.changed = self._now()
        return _result(secret)

    def rotate_secret(self, parameters: Parameters) -> dict[str, Any]:
        """Store the configuration and begin: an empty version, labelled AWSPENDING, for the function's four steps."""
        secret, version_id = self._find(parameters), _token(parameters)
        function = parameters.get("RotationLambdaARN") or secret.rotation.get("RotationLambdaARN")
        if not function:
            raise Refused("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
        pending = secret.holder(PENDING)
        if pending not in (None, version_id, secret.holder(CURRENT)):
            raise Refused(
                "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted."
            )
        secret.rotation |= {"RotationEnabled": True, "RotationLambdaARN": function}
        if "RotationRules" in parameters:
            secret.rotation["RotationRules"] = parameters["RotationRules"]
        if not parameters.get("RotateImmediately", True):
            return _result(secret)
        secret.versions.setdefault(version_id, Version(self._now()))
        secret.attach(PENDING, version_id)
        return _result(secret, VersionId=version_id)

    def _find(self, parameters: Parameters) -> Secret:
        """By name, by ARN, or by an ARN without its six random characters."""
        id_ = _text(parameters, "SecretId", 2048)
        for secret in list(self._secrets.values()):
            if id_ in (secret.name, secret.arn, secret.arn[:-7]):
                return secret
        raise Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


def _text(parameters: Parameters, name: str, limit: int) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise Refused("ValidationException", f"{name} must be a text of 1 to {limit} characters.")
    return value


def _token(parameters: Parameters) -> str:
    token = parameters.get("ClientRequestToken")
    if not isinstance(token, str) or not 32 <= len(token) <= 64:
        text = "You must provide a ClientRequestToken of 32 to 64 characters. We recommend a UUID-type value."
        raise Refused("InvalidParameterException", text)
    return token


def _value(parameters: Parameters) -> dict[str, str] | None:
    given = {name: parameters[name] for name in ("SecretString", "SecretBinary") if parameters.get(name) is not None}
    if len(given) > 1:
        raise Refused(
            "InvalidParameterException", "You can't specify both a binary secret value and a string secret value."
        )
    for name, value in given.items():
        if not isinstance(value, str) or not 1 <= len(value.encode()) <= VALUE_LIMIT_BYTES:
            raise Refused("ValidationException", f"{name} must have 1 to {VALUE_LIMIT_BYTES} bytes.")
    return given or None


def _result(secret: Secret, **more: object) -> dict[str, Any]:
    return {"ARN": secret.arn, "Name": secret.name, **more}
