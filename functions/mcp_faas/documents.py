"""The token document as a door sees it: read from its store, kept for a bounded time, closed when it cannot be read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mcp_faas.stores import StoreError
from mcp_faas.tokens import DocumentError, Token, TokenDocument

FRESH_SECONDS = 60  # a revoked token lives no longer than this
GRACE_SECONDS = 300  # how long the last good document serves while its store does not answer
RETRY_SECONDS = 5  # how often an unknown token may cause a read, so that a new token works within seconds

logger = logging.getLogger(__name__)


class DocumentUnavailable(Exception):
    """There is no document that may be trusted now: nobody is let in."""


@dataclass
class TokenDocuments:
    """Reads and keeps the one document of a store. Not thread-safe: a caller that uses threads takes a lock."""

    read: Callable[[], TokenDocument]
    clock: Callable[[], float] = time.time
    _tokens: tuple[Token, ...] | None = field(default=None, init=False, repr=False)
    _read_at: float = field(default=0.0, init=False)
    _tried_at: float = field(default=float("-inf"), init=False)

    def tokens(self, *, newer: bool = False) -> tuple[Token, ...]:
        """The tokens that open the door, read first where that is due. Raises `DocumentUnavailable`."""
        if self.due(newer=newer):
            self.read_now()
        return self.current()

    def due(self, *, newer: bool = False) -> bool:
        """Is it time for a read? `newer` asks for one although the last is fresh, within limits."""
        now = self.clock()
        stale = self._tokens is None or not 0 <= now - self._read_at <= FRESH_SECONDS
        return (stale or newer) and not 0 <= now - self._tried_at < RETRY_SECONDS

    def usable(self) -> bool:
        """Is there a document that may be trusted now?"""
        return self._tokens is not None and 0 <= self.clock() - self._read_at <= GRACE_SECONDS

    def current(self) -> tuple[Token, ...]:
        """The tokens of the last document that was read. Raises `DocumentUnavailable`."""
        if self._tokens is None or not self.usable():
            raise DocumentUnavailable
        return self._tokens

    def read_now(self) -> None:
        """Read the document. One that is none closes the door at once, a silent store after `GRACE_SECONDS`."""
        now = self._tried_at = self.clock()
        try:
            self._tokens, self._read_at = self.read().live(), now
        except DocumentError as error:
            self._tokens = None
            logger.error("the token document is not one: %s", error)  # noqa: TRY400 - a traceback would add nothing
        except StoreError as error:
            logger.error("the token document could not be read: %s", error)  # noqa: TRY400
        # A broken answer makes each client library raise something of its own; its text might quote the answer.
        except Exception as error:  # noqa: BLE001
            logger.error("the token document could not be read: %s", type(error).__name__)  # noqa: TRY400
