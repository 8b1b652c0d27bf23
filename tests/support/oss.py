"""A bucket of Alibaba Cloud OSS as the official SDK reaches it by path. Judges each request, and can fail on purpose.

Knows PutObject and GetObject, versions with delete markers, and who may read: a signature is looked at, not computed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edges.listener import Answer, HangUp, Listener, Request

BUCKET, KEY, REGION = "team-secrets", "mcp/token", "cn-hangzhou"
ADDRESS = f"oss://{REGION}/{BUCKET}/{KEY}"
SIGNATURE = re.compile(
    r"OSS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/[0-9]{8}/(?P<region>[a-z0-9-]+)/oss/aliyun_v4_request,"
    r"(AdditionalHeaders=[a-z0-9;-]+,)?Signature=[0-9a-f]{64}"
)
ACLS = ("private", "public-read", "public-read-write", "default")


@dataclass(frozen=True)
class Version:
    """One put, or where `body` is None one delete without a version: the marker that it leaves."""

    body: bytes | None
    acl: str = "default"
    encryption: str = ""


class Oss:
    """One bucket in one region. `fail` sees each request first and may answer in the service's place."""

    def __init__(self, copy_to: Path | None = None) -> None:
        self.bucket = BUCKET
        self.bucket_acl = "private"
        self.versions: dict[str, list[Version]] = {}
        self.requests: list[Request] = []
        self.session: tuple[str, str] | None = None  # id and STS token of the only credentials that are taken
        self.wait_seconds = 0.0  # before each answer
        self.fail: Callable[[Request], Answer | HangUp | None] = lambda request: None
        self._copy_to = copy_to  # a file that holds what the last put has put, for a client that can only read files
        self._listener = Listener(self._answer, body_limit_bytes=65536)

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def held(self) -> str | None:
        """What a reader of the object gets."""
        newest = self.versions.get(KEY, [Version(None)])[-1]
        return None if newest.body is None else newest.body.decode()

    @property
    def puts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "PUT"]

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    def put(self, body: bytes | None, acl: str = "default", encryption: str = "") -> None:
        self.versions.setdefault(KEY, []).append(Version(body, acl, encryption))

    async def _answer(self, request: Request) -> Answer | HangUp:
        self.requests.append(request)
        await asyncio.sleep(self.wait_seconds)
        instead = self.fail(request)
        if instead is not None:
            return instead
        bucket, _, key = request.path.removeprefix("/").partition("/")
        if bucket != self.bucket:
            return error(404, "NoSuchBucket")
        newest = self.versions.get(key, [None])[-1]
        if request.header("authorization") is None:
            return self._to_stranger(request, newest)
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if request.method == "PUT":
            return self._put(request, key)
        if request.method != "GET" or request.query:
            return error(405, "MethodNotAllowed")
        if newest is None:
            return error(404, "NoSuchKey")
        return _read(newest)

    def _to_stranger(self, request: Request, newest: Version | None) -> Answer:
        acl = self.bucket_acl if newest is None or newest.acl == "default" else newest.acl
        if request.method != "GET" or newest is None or acl == "private":
            return error(403, "AccessDenied")
        return _read(newest)

    def _refusal(self, request: Request) -> Answer | None:
        """What the service says before it looks at the object."""
        signature = SIGNATURE.fullmatch(request.header("authorization") or "")
        if signature is None or request.header("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            return error(403, "SignatureDoesNotMatch")
        if signature["region"] != REGION:
            return error(400, "InvalidArgument")
        if self.session and self.session != (signature["id"], request.header("x-oss-security-token")):
            return error(403, "SecurityTokenExpired", ec="0002-00000007")
        return None

    def _put(self, request: Request, key: str) -> Answer:
        acl = request.header("x-oss-object-acl") or "default"
        if acl not in ACLS or request.query:
            return error(400, "InvalidArgument")
        self.versions.setdefault(key, []).append(
            Version(request.body, acl, request.header("x-oss-server-side-encryption") or "")
        )
        if self._copy_to:
            beside = self._copy_to.with_suffix(".new")
            beside.write_bytes(request.body)
            beside.replace(self._copy_to)
        return Answer(200, (("x-oss-request-id", "1"),))


def _read(version: Version) -> Answer:
    if version.body is None:
        return error(404, "NoSuchKey", ("x-oss-delete-marker", "true"))
    return Answer(200, (("x-oss-request-id", "1"), ("x-oss-object-type", "Normal")), version.body)


def error(status: int, code: str, *headers: tuple[str, str], ec: str = "0003-00000001") -> Answer:
    """As OSS says no. The message stands for all that a log must not repeat."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>canary-message</Message>'
        f"<RequestId>5C3D9175B6FC201293AD4890</RequestId><HostId>{BUCKET}</HostId><EC>{ec}</EC></Error>"
    )
    known = (("content-type", "application/xml"), ("x-oss-request-id", "5C3D9175B6FC201293AD4890"), ("x-oss-ec", ec))
    return Answer(status, (*known, *headers), body.encode())
