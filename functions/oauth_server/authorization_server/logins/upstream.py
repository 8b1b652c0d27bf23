"""Call a login provider: bounded in time and size, no redirect followed, failures in words of ours. Knows no provider.

The operator chose the provider, so its addresses are not judged; what it answers is judged like a stranger's.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx2

from authorization_server.logins import LoginFailed, LoginUnavailable
from mcp_faas import strict_json

CALL_SECONDS = 8.0  # GitHub Enterprise hosts can be slow; API Gateway gives up after 30 s
LOGIN_SECONDS = 20.0  # of all calls of one login
BODY_MAX_BYTES = 1024 * 1024
USER_AGENT = "mcp-faas"  # GitHub refuses callers that do not say who they are
TOO_MANY = 429
_ALWAYS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What a provider answered; never shown, it may hold tokens."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return self.status == 200

    def json(self) -> Any:
        """The body as JSON. Raises `LoginFailed`."""
        try:
            return strict_json.loads(self.body.decode())
        except (ValueError, RecursionError):
            raise LoginFailed("provider_answer_malformed") from None

    def document(self) -> dict[str, Any]:
        """The body as a JSON object. Raises `LoginFailed`."""
        found = self.json()
        if not isinstance(found, dict):
            raise LoginFailed("provider_answer_malformed")
        return found


class Deadline:
    """The time that the calls of one login share."""

    def __init__(self, seconds: float = LOGIN_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())


class Upstream:
    """Makes the calls. Its loop has a thread of its own, so that every wait can be given up."""

    def __init__(self, call_seconds: float = CALL_SECONDS) -> None:
        self._call_seconds = call_seconds

    def get(
        self, url: str, deadline: Deadline, *, bearer: str | None = None, accept: str = "application/json"
    ) -> Reply:
        headers = {"Accept": accept}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        return self._call("GET", url, deadline, headers)

    def post(
        self, url: str, deadline: Deadline, form: Mapping[str, str], *, basic: tuple[str, str] | None = None
    ) -> Reply:
        """`basic`: name and secret, encoded already as RFC 6749 §2.3.1 wants it."""
        auth = None if basic is None else httpx2.BasicAuth(*basic)
        return self._call("POST", url, deadline, {"Accept": "application/json"}, form, auth)

    def _call(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        auth: httpx2.BasicAuth | None = None,
    ) -> Reply:
        """Raises `LoginUnavailable` where another try may help, and `LoginFailed` where it will not."""
        seconds = min(self._call_seconds, deadline.left)
        asking = asyncio.wait_for(self._ask(method, url, {**headers, **_ALWAYS}, form, auth), seconds)
        parts = urlsplit(url)
        where = f"{method} {parts.scheme}://{parts.netloc}{parts.path}"
        try:
            reply = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        except asyncio.TimeoutError:
            logger.warning("no whole answer within %.3g s to %s", seconds, where)
            raise LoginUnavailable("provider_unreachable") from None
        except httpx2.HTTPError as error:
            # The type alone: the text of an error may quote an address with a code in it.
            logger.warning("%s came to nothing: %s", where, type(error).__name__)
            raise LoginUnavailable("provider_unreachable") from None
        except _TooLong:
            logger.warning("more than %d bytes, or compressed ones, in the answer to %s", BODY_MAX_BYTES, where)
            raise LoginFailed("provider_answer_malformed") from None
        if not reply.ok:
            logger.warning("status %d in the answer to %s", reply.status, where)
        if reply.status >= 500 or reply.status == TOO_MANY:
            raise LoginUnavailable("provider_unreachable")
        if 300 <= reply.status < 400:
            raise LoginFailed("provider_answer_malformed")
        return reply

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        auth: httpx2.BasicAuth | None,
    ) -> Reply:
        # The environment's proxies stay in force: in a private network they may be the only way to the provider.
        async with (
            httpx2.AsyncClient(verify=self._tls, follow_redirects=False, timeout=None) as client,
            client.stream(method, url, headers=dict(headers), data=form, auth=auth) as response,
        ):
            body = bytearray()
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _TooLong  # nobody asked for it, and a little can become very much
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > BODY_MAX_BYTES:
                    raise _TooLong
            return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body))

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="login-provider", daemon=True).start()
        return loop

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class _TooLong(Exception):
    """An answer over the limit."""


def code_of(answer: Mapping[str, str]) -> str:
    """The code that the browser brought back. Raises `LoginFailed`."""
    code = answer.get("code", "")
    if not code:
        raise LoginFailed("provider_answer_malformed")
    return code
