"""Deliver a token to a private, encrypted object of Alibaba Cloud OSS, as plain text, through the official SDK."""

from __future__ import annotations

from typing import Any

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2.exceptions import BaseError

from mcp_faas.lifecycle.sinks import SinkError
from mcp_faas.stores import Access
from mcp_faas.stores.fc_client import credentials

MISSING = "NoSuchKey"


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
                retry_max_attempts=1,
                connect_timeout=access.timeout,
                readwrite_timeout=access.timeout,
                **elsewhere,
            )
        )

    def holds(self) -> str | None:
        try:
            answer = self._client.get_object(oss.GetObjectRequest(**self._place))
            with answer.body as body:
                text: str = body.content.decode()
        except BaseError as error:
            if _code(error) == MISSING:
                return None
            raise SinkError(f"cannot be read: {_code(error)}") from None
        except UnicodeDecodeError:
            raise SinkError("holds something that is not text") from None
        return text

    def deliver(self, token: str) -> None:
        request = oss.PutObjectRequest(
            **self._place,
            body=token.encode(),
            content_type="text/plain",
            object_acl="private",
            server_side_encryption="AES256",
            cache_control="no-store",
        )
        try:
            self._client.put_object(request)
        except BaseError as error:
            raise SinkError(f"cannot be written: {_code(error)}") from None


class _Chain(oss.credentials.CredentialsProvider):  # type: ignore[misc] # the SDK has no types
    """The credentials that the FC client would find, for a job whose identity is a role."""

    def __init__(self) -> None:
        self._found = credentials()

    def get_credentials(self) -> Any:
        now = self._found.get_credential()
        return oss.credentials.Credentials(now.access_key_id, now.access_key_secret, now.security_token)


def _code(error: BaseError) -> str:
    """What went wrong in a word: the SDK's own text quotes the whole answer."""
    cause: Any = error
    while cause is not None:
        code = getattr(cause, "code", None)
        if isinstance(code, str) and code:
            return code
        cause = getattr(cause, "unwrap", lambda: None)()
    return type(error).__name__
