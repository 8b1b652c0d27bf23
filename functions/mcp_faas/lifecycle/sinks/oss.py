"""Deliver a token to a private, encrypted object of Alibaba Cloud OSS, as plain text, through the official SDK."""

from __future__ import annotations

import re
from typing import Any

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2.exceptions import BaseError, ServiceError

from mcp_faas.lifecycle.sinks import SinkError
from mcp_faas.lifecycle.sinks.documents import refuse_document
from mcp_faas.stores import Access, StoreError, error_code, request_id
from mcp_faas.stores.fc_client import credentials

MISSING = "NoSuchKey"  # also where the newest version is a delete marker: there is nothing to be read, and room to put
ATTEMPTS = 3  # of one call: reading, and putting the same token again, may be repeated
LARGEST_BYTES = 1024  # no token is longer, so a longer object is something else and must not be replaced

# What to do about what OSS says, where a person can do something about it.
_NOT_TAKEN = "these credentials are not taken, or no longer"
_MEND = {
    "AccessDenied": "see that these credentials may oss:GetObject and oss:PutObject this object, and that its bucket "
    "is in this region. An object that was never there may look forbidden, too: put an empty one there once",
    "NoSuchBucket": "make this bucket, as a private one, or correct its name",
    "InvalidObjectState": "this bucket archives its objects; choose one of the storage class Standard",
    "InvalidAccessKeyId": _NOT_TAKEN,
    "InvalidSecurityToken": _NOT_TAKEN,
    "SecurityTokenExpired": _NOT_TAKEN,
    "SignatureDoesNotMatch": _NOT_TAKEN,
}
_EC = re.compile(r"[0-9]{4}-[0-9]{8}")  # the vendor's pages about refusals go by this number


class ObjectSink:
    """One object; a put replaces it at once, and a get sees the last put."""

    readable = True
    unasked = False

    def __init__(self, label: str, region: str, bucket: str, key: str, access: Access) -> None:
        self.label = label
        self._place = {"bucket": bucket, "key": key}
        keys = oss.credentials.StaticCredentialsProvider(*access.fc_key) if access.fc_key else _Chain()
        elsewhere = {"endpoint": access.oss_endpoint, "use_path_style": True} if access.oss_endpoint else {}
        self._client: Any = oss.Client(
            oss.Config(
                region=region,
                credentials_provider=keys,
                retry_max_attempts=ATTEMPTS,
                connect_timeout=access.timeout,
                readwrite_timeout=access.timeout,
                **elsewhere,
            )
        )

    def holds(self) -> str | None:
        try:
            answer = self._client.get_object(oss.GetObjectRequest(**self._place))
            with answer.body as body:
                if (answer.content_length or 0) > LARGEST_BYTES:
                    raise SinkError("holds something longer than any token; is it the right object?")
                text: str = body.content.decode()
        except (BaseError, OSError) as error:  # OSError: the SDK leaves the body's end to a library of its own
            if getattr(_innermost(error), "code", None) == MISSING:
                return None
            raise SinkError(f"cannot be read: {_explained(error)}") from None
        except UnicodeDecodeError:
            raise SinkError("holds something that is not text; is it the right object?") from None
        refuse_document(text)
        return text

    def deliver(self, token: str) -> None:
        request = oss.PutObjectRequest(
            **self._place,
            body=token.encode(),
            content_type="text/plain",
            object_acl="private",  # whatever the bucket is; left out, a put would make it the bucket's again
            server_side_encryption="AES256",
            cache_control="no-store",
        )
        try:
            self._client.put_object(request)
        except BaseError as error:
            raise SinkError(f"cannot be written: {_explained(error)}") from None


class _Chain(oss.credentials.CredentialsProvider):  # type: ignore[misc] # the SDK has no types
    """The credentials that the FC client would find, for a job whose identity is a role."""

    def __init__(self) -> None:
        self._found = credentials()

    def get_credentials(self) -> Any:
        now = self._found.get_credential()
        return oss.credentials.Credentials(now.access_key_id, now.access_key_secret, now.security_token)


def _explained(error: Exception) -> str:
    """What went wrong, and what to do. The SDK's own text quotes the whole answer, so it is not passed on."""
    cause = _innermost(error)
    if isinstance(cause, StoreError):  # no credentials
        return str(cause)
    if not isinstance(cause, ServiceError):
        return f"no usable answer ({type(cause).__name__})"
    code, number = error_code(cause.code), cause.ec or ""
    said = f"HTTP {cause.status_code}, EC {number if _EC.fullmatch(number) else 'unknown'}"
    said = f"{code} ({said}, request {request_id(cause.request_id)})"
    return f"{said}; {_MEND[code]}" if code in _MEND else said


def _innermost(error: Any) -> Any:
    cause = error
    while isinstance(inner := getattr(cause, "kwargs", {}).get("error"), Exception):
        cause = inner
    return cause
