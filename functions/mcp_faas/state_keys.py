"""The keys that protect `requestState` across instances, as the SDK takes them. Knows no policy and no request."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from importlib.util import find_spec
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec, RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from mcp_types.methods import INPUT_REQUIRED_METHODS, is_input_required

from mcp_faas.settings.values import SettingsError
from mcp_faas.stores import Access, AddressError, StoreError, read_secret
from mcp_faas.tokens import DocumentError

logger = logging.getLogger(__name__)

KEY_MIN_BYTES = 32
READ_SECONDS = 4.0  # of one network call; a user's answer waits for it
PAUSE_SECONDS = 30.0  # after a failure: who sends any state at all would have the service asked at each call
MAKE_KEY = "Make one with: openssl rand -hex 32"

# A region as AWS names them all, and what a secret's name or ARN may consist of.
_AWS = re.compile(r"aws://[a-z]{2,}(-[a-z]+)+-[0-9]+/[A-Za-z0-9/_+=.@:-]{1,2048}")


class StateKeys:
    """The SDK's own codec, with keys that are read when the first one is needed.

    Few calls ask the user something, and a client for Secrets Manager is a quarter of a cold start: so the first call
    that needs them has the service asked. A file is cheap, and read at once.
    """

    def __init__(self, address: str) -> None:
        """Raises `SettingsError` where it is certain already that no key will be there."""
        self._address = address
        self._reading = threading.Lock()
        self._failure, self._asked_again = "", 0.0
        self._codec = _codec(address) if address.startswith("file:") and address != "file:" else None
        if self._codec is not None:
            return
        if not _AWS.fullmatch(address):
            raise SettingsError(
                f"MCP_REQUEST_STATE_KEY is {address}, but the forms are aws://REGION/SECRET and file:PATH."
            )
        if find_spec("boto3") is None:
            raise SettingsError(f"MCP_REQUEST_STATE_KEY is {address}, but this artifact has no boto3.")

    @property
    def known(self) -> bool:
        return self._codec is not None

    def read(self) -> str:
        """Have the keys there, or the reason why they are not. May wait for the service."""
        try:
            self._keyed()
        except SettingsError as error:
            return str(error)
        return ""

    def seal(self, payload: bytes) -> str:
        return self._keyed().seal(payload)

    def unseal(self, token: str) -> bytes:
        return self._keyed().unseal(token)

    def _keyed(self) -> AESGCMRequestStateCodec:
        with self._reading:
            if self._codec is None:
                if time.monotonic() < self._asked_again:
                    raise SettingsError(self._failure)
                try:
                    self._codec = _codec(self._address)
                except SettingsError as error:
                    self._failure, self._asked_again = str(error), time.monotonic() + PAUSE_SECONDS
                    raise
            return self._codec


class KeyedBoundary(RequestStateBoundary):
    """The SDK's own boundary, which has the keys read outside the event loop.

    It takes a codec that fails for a state that is forged, and a client throws away what it is told to be expired. A
    state that nobody could look at may be good: that is an internal error.
    """

    def __init__(self, keys: StateKeys, *, default_audience: str | None) -> None:
        super().__init__(RequestStateSecurity(codec=keys), default_audience=default_audience)
        self._keys = keys

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if self._keys.known or ctx.method not in INPUT_REQUIRED_METHODS:
            return await super().__call__(ctx, call_next)
        if (ctx.params or {}).get("requestState") is not None:
            reason = await asyncio.to_thread(self._keys.read)
            if reason:
                logger.error("requestState on %s is left unread: %s", ctx.method, reason)
                raise MCPError(INTERNAL_ERROR, "Internal error")

        async def then_read(ctx: ServerRequestContext[Any, Any]) -> HandlerResult:
            result = await call_next(ctx)
            if is_input_required(result):
                await asyncio.to_thread(self._keys.read)  # a failure is the codec's to tell, if there is a state at all
            return result

        return await super().__call__(ctx, then_read)


def _codec(address: str) -> AESGCMRequestStateCodec:
    """With the keys at the address, one a line: the first seals, all open, so that they can be rotated."""
    try:
        keys = read_secret(address, Access(timeout=READ_SECONDS)).split()
    except (AddressError, DocumentError, StoreError) as error:
        raise SettingsError(f"MCP_REQUEST_STATE_KEY leads to no key: {error}. {MAKE_KEY}") from None
    if not keys or any(len(key.encode()) < KEY_MIN_BYTES for key in keys):
        raise SettingsError(
            f"MCP_REQUEST_STATE_KEY leads to {len(keys)} key(s), of which each must have at least {KEY_MIN_BYTES} "
            f"bytes, one a line. {MAKE_KEY}"
        )
    try:
        return AESGCMRequestStateCodec(keys)
    except ValueError as error:  # the same key twice; the SDK names its place, not the key
        raise SettingsError(f"MCP_REQUEST_STATE_KEY leads to keys that cannot be used: {error}.") from None
