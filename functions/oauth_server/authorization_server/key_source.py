"""The signing keys as the server sees them: read where they are kept, kept for a bounded time. Changes none."""

from __future__ import annotations

import logging
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from authorization_server.signing_keys import (
    OLDEST_DOCUMENT_SECONDS,
    KeyDocument,
    KeyDocumentError,
    SigningKey,
    parse,
)
from mcp_faas.stores import Access, StoreError, read_secret
from mcp_faas.tokens import DocumentError

FRESH_SECONDS = 60  # a key that was taken out is used no longer than this, while its place can be read
RETRY_SECONDS = 5

logger = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """There is no document of keys that may be used now: nothing is signed, and no key set is shown."""


@dataclass(frozen=True)
class _Found:
    """A document, and when it was read."""

    document: KeyDocument
    read_at: float


class KeySource:
    """Reads and keeps one document, for all threads of the process."""

    def __init__(
        self, read: Callable[[], str], clock: Callable[[], float] = time.time, address: str = "ADDRESS"
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._found: _Found | None = None
        make = f"scripts/signing_keys.py rotate {shlex.quote(address)}"
        self._empty = f"there is no signing key yet; make one with {make}"
        self._why = self._empty  # of the last attempt, for as long as no document counts
        self._tried_at = float("-inf")

    @classmethod
    def at(cls, address: str, access: Access | None = None) -> KeySource:
        """The keys at a `file:` or `aws://` address."""
        return cls(lambda: read_secret(address, access), address=address)

    def signer(self) -> SigningKey:
        """The key to sign with now. Raises `KeysUnavailable`."""
        key = self._current().signer(self._clock())
        if key is None:
            raise KeysUnavailable(self._empty)
        return key

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """The public set (RFC 7517) as it is now. Raises `KeysUnavailable`."""
        return {"keys": [key.public_jwk() for key in self._current().published(self._clock())]}

    def _current(self) -> KeyDocument:
        found, now = self._found, self._clock()  # in this order: what was read later than `now` would count as too old
        # One thread reads. Whoever has a document that counts goes on with it; only who has none waits.
        counts = _counts(found, now)
        if (self._is_due(found, now) or not counts) and self._lock.acquire(blocking=not counts):
            try:
                now = self._clock()
                if self._is_due(self._found, now):
                    self._read_now(now)
                found = self._found
            finally:
                self._lock.release()
        if found is None or not _counts(found, now):
            raise KeysUnavailable(self._why)
        return found.document

    def _is_due(self, found: _Found | None, now: float) -> bool:
        fresh = found is not None and found.document.keys and 0 <= now - found.read_at <= FRESH_SECONDS
        return not fresh and not 0 <= now - self._tried_at < RETRY_SECONDS

    def _read_now(self, now: float) -> None:
        self._tried_at = now
        try:
            self._found = _Found(parse(self._read()), now)
            self._why = self._empty
        except (StoreError, DocumentError, KeyDocumentError) as error:
            self._cannot_be_read(str(error))
        # A broken answer makes each client library raise something of its own; its text might quote the answer.
        except Exception as error:  # noqa: BLE001
            self._cannot_be_read(type(error).__name__)

    def _cannot_be_read(self, why: str) -> None:
        self._why = f"the signing keys could not be read: {why}"
        logger.error("%s", self._why)


def _counts(found: _Found | None, now: float) -> bool:
    """May this one be used now? One without a key is none: the first is looked for again after RETRY_SECONDS."""
    return found is not None and bool(found.document.keys) and 0 <= now - found.read_at <= OLDEST_DOCUMENT_SECONDS
