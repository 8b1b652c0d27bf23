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
        """The tokens that open the door; `newer` asks for a read even though the last one is fresh, within limits.

        Raises `DocumentUnavailable`. A document that was read and is not one closes the door at once; a store that
        does not answer closes it after `GRACE_SECONDS`.
        """
        now = self.clock()
        age = now - self._read_at
        due = self._tokens is None or not 0 <= age <= FRESH_SECONDS or newer
        if due and not 0 <= now - self._tried_at < RETRY_SECONDS:
            self._tried_at = now
            self._refresh(now)
        if self._tokens is None or not 0 <= now - self._read_at <= GRACE_SECONDS:
            raise DocumentUnavailable
        return self._tokens

    def _refresh(self, now: float) -> None:
        try:
            self._tokens, self._read_at = self.read().live(), now
        except DocumentError as error:
            self._tokens = None
            logger.error("the token document is not one: %s", error)  # noqa: TRY400 - a traceback would add nothing
        except StoreError as error:
            logger.error("the token document could not be read: %s", error)  # noqa: TRY400
