"""The keys that protect `requestState` across instances, as the SDK takes them. Knows no policy and no request."""

from __future__ import annotations

from importlib.util import find_spec

from mcp.server.request_state import AESGCMRequestStateCodec

from mcp_faas.settings.values import SettingsError
from mcp_faas.stores import Access, AddressError, StoreError, read_secret

KEY_MIN_BYTES = 32
READ_SECONDS = 4.0  # of one network call; a user's answer waits for it, once in the life of an instance
MAKE_KEY = "Make one with: openssl rand -hex 32"


class StateKeys:
    """The SDK's own codec, with keys that are read when the first one is needed.

    Few calls ask the user something, and a client for Secrets Manager is a quarter of a cold start: so the first call
    that needs them has the service asked. A file is cheap, and read at once.
    """

    def __init__(self, address: str) -> None:
        """Raises `SettingsError` where it is certain already that no key will be there."""
        self._address = address
        self._codec = _codec(address) if address.startswith("file:") else None
        if self._codec is None and find_spec("boto3") is None:
            raise SettingsError(f"MCP_REQUEST_STATE_KEY is {address}, but this artifact has no boto3.")

    def seal(self, payload: bytes) -> str:
        return self._keyed().seal(payload)

    def unseal(self, token: str) -> bytes:
        return self._keyed().unseal(token)

    def _keyed(self) -> AESGCMRequestStateCodec:
        if self._codec is None:
            self._codec = _codec(self._address)
        return self._codec


def _codec(address: str) -> AESGCMRequestStateCodec:
    """With the keys at the address, one a line: the first seals, all open, so that they can be rotated."""
    try:
        keys = read_secret(address, Access(timeout=READ_SECONDS)).split()
    except (AddressError, StoreError) as error:
        raise SettingsError(f"MCP_REQUEST_STATE_KEY leads to no key: {error}. {MAKE_KEY}") from None
    if not keys or any(len(key.encode()) < KEY_MIN_BYTES for key in keys):
        raise SettingsError(
            f"MCP_REQUEST_STATE_KEY leads to {len(keys)} key(s), of which each must have at least {KEY_MIN_BYTES} "
            f"bytes, one a line. {MAKE_KEY}"
        )
    return AESGCMRequestStateCodec(keys)
