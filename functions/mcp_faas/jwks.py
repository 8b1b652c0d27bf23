"""Fetch and cache one issuer's JWK set, so that neither an outage nor a stranger can lock good callers out.

A key that is known never waits for the issuer beyond a moment; an unknown one costs at most one fetch in 30 s and a
burst of two more, the issuer up, down or hanging. The policy for the keys themselves is in `auth/keys.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import httpx2

from mcp_faas.auth.errors import KeysUnavailable, KeyUnknown
from mcp_faas.auth.keys import KeySet, KeySetMalformed, parse_key_set
from mcp_faas.issuers import published
from mcp_faas.issuers.reach import FetchFailed, Reach

FETCH_SECONDS = 4.0  # metadata and key set together; a refusal must leave within 5 s whatever the issuer does
WAIT_SECONDS = FETCH_SECONDS + 0.4  # what a call that cannot be answered otherwise waits for it
REFRESH_AFTER_SECONDS = 240  # from this age on a set is fetched again beside the calls
TRUST_SECONDS = 300  # a removed key is refused after this, as long as the issuer answers
PATIENCE_SECONDS = 0.25  # what a call with a known key waits for a set that is older than that ...
LONG_PATIENCE_SECONDS = 2.0  # ... and, in an event function, one in a cool-down after a call that waited in vain
STALE_SECONDS = 24 * 3600  # how long a set outlives an issuer that does not answer; then the door closes
COOLDOWN_SECONDS = 30  # one attempt in this time for each reason to make one ...
BURST = 3  # ... and this many at once after a quiet time, where callers cannot be answered without

logger = logging.getLogger(__name__)


class _Allowance:
    """How often a fetch may be tried. Attempts count, not successes, so an outage cannot be used to amplify."""

    def __init__(self, most: int, now: float) -> None:
        self._most, self._left, self._at = float(most), float(most), now

    def take(self, now: float) -> bool:
        """Take one attempt, if one is left."""
        gained = max(0.0, now - self._at) / COOLDOWN_SECONDS
        self._left, self._at = min(self._most, self._left + gained), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class KeySource:
    """The keys of one issuer, from a URL, from its metadata, or given once and for all.

    `private` says that the issuer may be in a private network; `background` whether the loop runs between
    calls; in an event function it does not.
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None = None,
        jwks: bytes | None = None,
        private: bool = False,
        background: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._url = jwks_url
        self._configured = jwks_url is not None  # else what the metadata names is used
        self._reach = Reach(issuer, private=private)
        # Wall clock, because a frozen instance's monotonic clock may stand still while keys grow old.
        self._clock = clock
        self._fixed = parse_key_set(jwks) if jwks is not None else None
        self._keys: KeySet | None = None
        self._loaded_at = 0.0
        self._background = background
        self._began = 0.0
        # Each reason has its own: strangers with unknown keys cannot use up what keeps the known ones fresh, and a key
        # that is published right after the first fetch still works at its first use.
        self._first = _Allowance(BURST, clock())
        self._unknown = _Allowance(BURST, clock())
        self._aged = _Allowance(1, clock())
        self._fetch: asyncio.Task[None] | None = None
        self._in_vain = False

    async def keys_for(self, kid: str | None, algorithm: str) -> KeySet:
        """A set in which to look for `kid`; the caller finds out whether it is there.

        Raises `KeysUnavailable` while no set was ever loaded, or the last one is too old, and the issuer is silent.
        """
        if self._fixed is not None:
            return self._fixed
        keys = self._keys
        if keys is not None and 0 <= self._age() <= REFRESH_AFTER_SECONDS and _knows(keys, kid, algorithm):
            return keys
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        if self._usable() is None:
            await self._refresh(until, self._first)
        elif not _knows(self._usable(), kid, algorithm):
            joined = self._under_way()
            await self._refresh(until, self._unknown)
            if joined and not _knows(self._usable(), kid, algorithm):
                # That fetch had begun before the key was asked for, perhaps before it was made.
                await self._refresh(until, self._unknown)
        elif self._age() > REFRESH_AFTER_SECONDS and not self._background:
            await self._refresh_during_a_call()
        elif self._age() > TRUST_SECONDS:
            await self._refresh(asyncio.get_running_loop().time() + PATIENCE_SECONDS, self._aged)
        elif self._age() > REFRESH_AFTER_SECONDS:
            await self._refresh(0, self._aged)
        keys = self._usable()
        if keys is None:
            raise KeysUnavailable("no key set, and the issuer does not answer")
        return keys

    def _age(self) -> float:
        return self._clock() - self._loaded_at

    def _usable(self) -> KeySet | None:
        """The last good set, unless it is too old or the clock went back behind it."""
        return self._keys if 0 <= self._age() <= STALE_SECONDS else None

    def _under_way(self) -> bool:
        fetch = self._fetch
        return fetch is not None and not fetch.done() and fetch.get_loop() is asyncio.get_running_loop()

    async def _refresh_during_a_call(self) -> None:
        """Refresh in an event function, where a fetch goes on only while there are calls.

        A fetch that takes longer than a call's patience would never end where calls are rare, and a removed key would
        live as long as a stale set may. So the next call begins it anew, because what stood still since has lost its
        connection by now, and waits longer.
        """
        patience, loaded_at = PATIENCE_SECONDS, self._loaded_at
        if self._in_vain and self._aged.take(self._clock()):
            self._begin()
            patience = LONG_PATIENCE_SECONDS
        await self._refresh(asyncio.get_running_loop().time() + patience, self._aged)
        self._in_vain = self._loaded_at == loaded_at

    def _begin(self) -> None:
        if self._fetch is not None and self._under_way():
            self._fetch.cancel()
        self._began = self._clock()
        self._fetch = asyncio.get_running_loop().create_task(self._load())

    async def _refresh(self, until: float, allowance: _Allowance) -> None:
        """See that a fetch is under way if one is allowed, and wait for it until that time of the loop.

        The fetch has no timer of its own: an event function stands still between calls, and a timer that ran out
        meanwhile would say nothing about the issuer. Whoever waits ends one that takes too long.
        """
        loop = asyncio.get_running_loop()
        if not self._under_way():
            if not allowance.take(self._clock()):
                return
            self._begin()
        fetch = self._fetch
        if fetch is None or until <= loop.time():
            return
        # A caller that gives up or is cut off leaves the fetch to the others.
        await asyncio.wait({fetch}, timeout=until - loop.time())
        if not fetch.done() and not 0 <= self._clock() - self._began < FETCH_SECONDS:
            logger.warning("the key set of %s could not be loaded: no answer in time", self._issuer)
            fetch.cancel()

    async def _load(self) -> None:
        try:
            keys = await self._read()
        except (FetchFailed, KeySetMalformed, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as why:
            detail = str(why) if isinstance(why, FetchFailed | KeySetMalformed) else type(why).__name__
            logger.warning("the key set of %s could not be loaded: %s", self._issuer, detail)
            return
        self._keys, self._loaded_at = keys, self._clock()
        for reason in keys.left_out:
            logger.warning("the key set of %s: left out %s", self._issuer, reason)

    async def _read(self) -> KeySet:
        tls = httpx2.create_ssl_context()  # with SSL_CERT_FILE, as a private network's own authority needs it
        url = self._url or await published.jwks_uri(self._reach, self._issuer, tls)
        keys = parse_key_set(await published.get(self._reach, url, tls, configured=self._configured))
        self._url = url
        return keys


def _knows(keys: KeySet | None, kid: str | None, algorithm: str) -> bool:
    if keys is None:
        return False
    try:
        keys.find(kid, algorithm)
    except KeyUnknown:
        return False
    return True
