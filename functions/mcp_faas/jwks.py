"""Fetch and cache one issuer's JWK set, so that neither an outage nor a stranger can lock good callers out.

A key that is known never waits for the issuer beyond a moment; an unknown one costs at most one fetch in 30 s, the
issuer up, down or hanging. The policy for the keys themselves is in `auth/keys.py`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import httpx2

from mcp_faas.auth.errors import KeysUnavailable, KeyUnknown
from mcp_faas.auth.keys import KeySet, KeySetMalformed, parse_key_set
from mcp_faas.settings.values import is_loopback

FETCH_SECONDS = 4.0  # metadata and key set together; a refusal must leave within 5 s whatever the issuer does
WAIT_SECONDS = FETCH_SECONDS + 0.4  # what a call that cannot be answered otherwise waits for it
REFRESH_AFTER_SECONDS = 240  # from this age on a set is fetched again beside the calls
TRUST_SECONDS = 300  # a removed key is refused after this, as long as the issuer answers
PATIENCE_SECONDS = 0.25  # what a call with a known key waits for a set that is older than that
STALE_SECONDS = 24 * 3600  # how long a set outlives an issuer that does not answer; then the door closes
COOLDOWN_SECONDS = 30  # one attempt in this time for each reason to make one ...
FIRST_ATTEMPTS = 3  # ... and while there is no set at all, this many at once after a quiet time
DOCUMENT_MAX_BYTES = 512 * 1024

logger = logging.getLogger(__name__)


class FetchFailed(Exception):
    """The issuer did not give what it should; the message says what, without quoting the answer."""


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

    `background` says whether the loop runs between calls; in an event function it does not.
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None = None,
        jwks: bytes | None = None,
        background: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._url = jwks_url
        # Wall clock, because a frozen instance's monotonic clock may stand still while keys grow old.
        self._clock = clock
        self._fixed = parse_key_set(jwks) if jwks is not None else None
        self._keys: KeySet | None = None
        self._loaded_at = 0.0
        self._background = background
        self._began = 0.0
        # Each reason has its own: strangers with unknown keys cannot use up what keeps the known ones fresh, and a key
        # that is published right after the first fetch still works at its first use.
        self._first = _Allowance(FIRST_ATTEMPTS, clock())
        self._aged = _Allowance(1, clock())
        self._unknown = _Allowance(1, clock())
        self._fetch: asyncio.Task[None] | None = None

    async def keys_for(self, kid: str | None, algorithm: str) -> KeySet:
        """A set in which to look for `kid`; the caller finds out whether it is there.

        Raises `KeysUnavailable` while no set was ever loaded, or the last one is too old, and the issuer is silent.
        """
        if self._fixed is not None:
            return self._fixed
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        if self._usable() is None:
            await self._refresh(until, self._first)
        elif not _knows(self._usable(), kid, algorithm):
            joined = self._under_way()
            await self._refresh(until, self._unknown)
            if joined and not _knows(self._usable(), kid, algorithm):
                # That fetch had begun before the key was asked for, perhaps before it was made.
                await self._refresh(until, self._unknown)
        elif self._age() > TRUST_SECONDS or (self._age() > REFRESH_AFTER_SECONDS and not self._background):
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

    async def _refresh(self, until: float, allowance: _Allowance) -> None:
        """See that a fetch is under way if one is allowed, and wait for it until that time of the loop.

        The fetch has no timer of its own: an event function stands still between calls, and a timer that ran out
        meanwhile would say nothing about the issuer. Whoever waits ends one that takes too long.
        """
        loop = asyncio.get_running_loop()
        if not self._under_way():
            if not allowance.take(self._clock()):
                return
            self._began = self._clock()
            self._fetch = loop.create_task(self._load())
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
        # The environment's proxies stay in force: in a private network they may be the only way to the issuer.
        async with httpx2.AsyncClient(follow_redirects=False, timeout=None) as client:
            url = self._url or await self._discover(client)
            keys = parse_key_set(await _get(client, url))
            self._url = url
            return keys

    async def _discover(self, client: httpx2.AsyncClient) -> str:
        """`jwks_uri` from the issuer's own metadata (RFC 8414 §3, OpenID Connect Discovery §4)."""
        reasons = []
        for candidate in metadata_urls(self._issuer):
            try:
                document = json.loads((await _get(client, candidate)).decode())
            except FetchFailed as why:
                reasons.append(f"{candidate}: {why}")
                continue
            except (ValueError, RecursionError):
                reasons.append(f"{candidate}: not JSON")
                continue
            url = document.get("jwks_uri") if isinstance(document, dict) else None
            if not isinstance(url, str) or document.get("issuer") != self._issuer:
                # RFC 8414 §3.3: another issuer's metadata must not be used.
                reasons.append(f"{candidate}: its issuer is another one, or it has no jwks_uri")
                continue
            check_jwks_uri(url, self._issuer)
            return url
        raise FetchFailed("; ".join(reasons))


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer may publish its metadata: RFC 8414 §3.1 puts the well-known part in front, OpenID behind."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    paths = [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
    ]
    return [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in dict.fromkeys(paths)]


def check_jwks_uri(url: str, issuer: str) -> None:
    """What metadata names may not lead to this machine or to plain http, unless the issuer itself is local.

    Raises `FetchFailed`.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise FetchFailed("jwks_uri is not a URL") from None
    local = is_loopback(urlsplit(issuer).hostname or "")
    if not local and not _is_public(host):
        raise FetchFailed("jwks_uri leads to a private address")
    if not host or parts.scheme not in (("http", "https") if local else ("https",)):
        raise FetchFailed("jwks_uri is not an https URL")
    if is_loopback(host) is not local:
        raise FetchFailed("jwks_uri and issuer disagree on whether they are local")


def _is_public(host: str) -> bool:
    """No address of a private network, and none of the spellings of one that only resolvers understand."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return re.fullmatch(r"[0-9a-fx.]+", host) is None and not host.endswith(".") and not is_loopback(host)


async def _get(client: httpx2.AsyncClient, url: str) -> bytes:
    """The body of a 200 answer, bounded in size. Redirects are not followed and nothing is decompressed."""
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code != 200:
            raise FetchFailed(f"status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed("a compressed answer that was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > DOCUMENT_MAX_BYTES:
                raise FetchFailed(f"more than {DOCUMENT_MAX_BYTES} bytes")
        return bytes(body)


def _knows(keys: KeySet | None, kid: str | None, algorithm: str) -> bool:
    if keys is None:
        return False
    try:
        keys.find(kid, algorithm)
    except KeyUnknown:
        return False
    return True
