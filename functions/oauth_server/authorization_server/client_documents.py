"""Client ID metadata documents: fetched from where the client's id says, judged, and kept for a while.

Whoever asks chooses what is fetched, so everything about a fetch is bounded: its address is judged and connected to as
judged, no redirect is followed, and size, time, type and number are limited (server-side request forgery).
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent import futures
from functools import cached_property
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from authorization_server import registration
from authorization_server.clients import Client, ClientRefused, DocumentUnavailable
from mcp_faas import strict_json
from mcp_faas.issuers.published import NotAnswered, get
from mcp_faas.issuers.reach import FetchFailed, NotOnTheInternet, Reach, Unreachable, proxy_for
from mcp_faas.settings.values import is_loopback

URL_MAX_CHARACTERS = 512
DOCUMENT_MAX_BYTES = 10 * 1024  # the draft recommends 5
FETCH_SECONDS = 4.0
KEPT_SECONDS = 600
FAILED_SECONDS = 30  # what was wrong is not asked for again at once
KEPT_MAX = 200  # of documents, and as many of failures
FETCHES_PER_MINUTE = 600  # that strangers can cause at one instance: nobody uses it to call others
FETCHES_PER_HOST = 10  # of these at one host in a minute: it might turn us away, and so all its clients
FETCHES_AT_ONCE = 3  # of theirs
STRANGERS_AT_ONCE = 12  # with those who wait for another's fetch: hosts that never answer do not hold every thread
NOT_NOW = "the client's metadata document cannot be fetched now"
MEDIA_TYPE = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})+")
logger = logging.getLogger(__name__)


Fetch = Callable[[str], bytes]


T = TypeVar("T")


class _Memory(Generic[T]):
    """The latest of something, each for a while; what is asked for is forgotten last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str, now: float) -> T | None:
        found = self._kept.get(key)
        if found is None or now >= found[0]:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: str, value: T, until: float) -> None:
        self._kept[key] = (until, value)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)


class _TooMany(DocumentUnavailable):
    """Strangers have asked for as much as they may; no fetch has said so."""


class ClientDocuments:
    """The documents asked for lately. `local` is a server for one machine alone, whose clients may be there, too.

    Failures are remembered apart from documents: nobody pushes a good one out by asking for bad ones.
    """

    def __init__(
        self, schemes: tuple[str, ...], clock: Callable[[], float], *, local: bool = False, fetch: Fetch | None = None
    ) -> None:
        self._schemes, self._clock, self._local = schemes, clock, local
        self._fetch = fetch or Fetcher(local=local)
        self._documents: _Memory[Client] = _Memory()
        self._failures: _Memory[tuple[type[ClientRefused | DocumentUnavailable], str]] = _Memory()
        self._fetches: deque[tuple[float, str]] = deque(maxlen=FETCHES_PER_MINUTE)  # when, and of which host
        self._under_way: dict[str, futures.Future[Client]] = {}
        self._fetching = self._strangers = 0  # of strangers alone: who fetch, and all who are held up
        self._lock = threading.Lock()

    def find(
        self,
        url: str,
        is_known: Callable[[], bool] = lambda: False,
        note_fetch: Callable[[Client | None], None] = lambda _: None,
    ) -> Client:
        """The client that the document at its id describes. Raises `ClientRefused` or `DocumentUnavailable`.

        The limits are for strangers' wishes: a client that `is_known` is asked for its document in spite of them.
        `note_fetch` hears what every fetch has found out, None of a document that is gone or wrong.
        """
        check_url(url, local=self._local)
        try:
            return self._find(url, note_fetch, limited=True)
        except _TooMany:
            if not is_known():
                raise
            return self._find(url, note_fetch, limited=False)

    def _find(self, url: str, note_fetch: Callable[[Client | None], None], *, limited: bool) -> Client:
        """Whoever asks for what somebody else is fetching waits for that."""
        now = self._clock()
        with self._lock:
            client, failure = self._documents.get(url, now), self._failures.get(url, now)
            if client is not None:
                return client
            if failure is not None:
                kind, message = failure
                raise kind(message)
            fetch = self._under_way.get(url)
            begins = fetch is None
            if limited:
                self._take_room(url, now, begins=begins)
            if fetch is None:
                fetch = self._under_way[url] = futures.Future()
        try:
            if begins:
                self._run(fetch, url, now, limited=limited)
                why = fetch.exception()
                if why is None or isinstance(why, ClientRefused):
                    note_fetch(None if why else fetch.result())
            return fetch.result(FETCH_SECONDS)
        except futures.TimeoutError:
            raise DocumentUnavailable(NOT_NOW) from None
        finally:
            with self._lock:
                self._strangers -= limited

    def _take_room(self, url: str, now: float, *, begins: bool) -> None:
        """For one stranger. Raises `_TooMany`."""
        host = urlsplit(url).netloc
        lately = [asked for at, asked in self._fetches if now - at < 60]
        spent = len(lately) == FETCHES_PER_MINUTE or lately.count(host) >= FETCHES_PER_HOST
        if self._strangers == STRANGERS_AT_ONCE or (begins and (spent or self._fetching == FETCHES_AT_ONCE)):
            raise _TooMany("too many client ID metadata documents are asked for at present")
        self._strangers += 1
        if begins:
            self._fetches.append((now, host))
            self._fetching += 1

    def _run(self, fetch: futures.Future[Client], url: str, now: float, *, limited: bool) -> None:
        """What has come out is remembered before anybody hears it."""
        try:
            client = self._ask(url)
            with self._lock:
                self._documents.put(url, client, now + KEPT_SECONDS)
            fetch.set_result(client)
        except (ClientRefused, DocumentUnavailable) as why:
            with self._lock:
                self._failures.put(url, (type(why), str(why)), now + FAILED_SECONDS)
            fetch.set_exception(why)
        finally:
            with self._lock:
                del self._under_way[url]
                self._fetching -= limited
            if not fetch.done():  # a defect, which the one who fetches reports
                fetch.set_exception(DocumentUnavailable(NOT_NOW))

    def _ask(self, url: str) -> Client:
        try:
            return parse(url, self._fetch(url), self._schemes)
        except (Unreachable, NotAnswered) as why:
            logger.warning("a client ID metadata document cannot be fetched: %s", why)
            status = f": it answered with {why}" if isinstance(why, NotAnswered) else ""
            raise DocumentUnavailable(f"{NOT_NOW}{status}") from None
        except FetchFailed as why:
            raise ClientRefused(f"the metadata document that client_id names cannot be had: {why}") from None


def check_url(url: str, *, local: bool) -> None:
    """Is this an id that names a document, written in one way only? Raises `ClientRefused`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ClientRefused("client_id is not a URL") from None
    loopback = is_loopback(host)
    if parts.scheme != "https" and not (parts.scheme == "http" and local and loopback):
        raise ClientRefused("client_id has to be an https URL")
    if loopback and not local:
        raise ClientRefused("client_id leads to the server itself")
    written = f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}{parts.path}"
    # No user, no query, no fragment, nothing in upper case: what is not equal to its parts is written otherwise.
    if len(url) > URL_MAX_CHARACTERS or url != written or not _HOST.fullmatch(host) or port == 0:
        raise ClientRefused("client_id has to be a URL of scheme, host and path alone, in its plainest form")
    if port is not None and not local:
        # At other ports there are no documents to be found, but services that strangers would have us try.
        raise ClientRefused("client_id has to be a URL without a port")
    segments = re.sub("%2e", ".", parts.path, flags=re.IGNORECASE).split("/")
    if not _PATH.fullmatch(parts.path) or "." in segments or ".." in segments:
        raise ClientRefused("client_id has to have a path, without dot segments")


def parse(url: str, body: bytes, schemes: tuple[str, ...]) -> Client:
    """The client of a document that was found at `url`. Raises `ClientRefused`."""
    try:
        document = strict_json.loads(body.decode())
    except (ValueError, RecursionError):
        raise ClientRefused("the client's metadata document is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise ClientRefused("the client's metadata document is not a JSON object")
    if document.get("client_id") != url:
        raise ClientRefused("the client's metadata document has another client_id than the URL that it is at")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise ClientRefused("the client's metadata document holds a secret, which everybody can read")
    try:
        metadata = registration.judge(document, schemes, default_auth_method="none")
    except registration.RegistrationRefused as why:
        raise ClientRefused(f"the client's metadata document: {why}") from None
    if metadata.auth_method != "none":
        raise ClientRefused("the client's metadata document: token_endpoint_auth_method has to be none here")
    return Client(url, "document", metadata.redirect_uris, metadata.grant_types, "none", metadata.name)


class Fetcher:
    """Fetches one document with all limits. Its loop has a thread of its own, so that a wait can always be given up."""

    def __init__(self, *, local: bool) -> None:
        self._local = local

    def __call__(self, url: str) -> bytes:
        """The document's bytes. Raises `FetchFailed`."""
        return asyncio.run_coroutine_threadsafe(self._within_time(url), self._loop).result()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="client-documents", daemon=True).start()
        return loop

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def _within_time(self, url: str) -> bytes:
        reach = _DocumentReach(url)
        fetching = get(reach, url, self._tls, configured=True, media_type=MEDIA_TYPE, limit=DOCUMENT_MAX_BYTES)
        try:
            return await asyncio.wait_for(fetching, FETCH_SECONDS)
        except asyncio.TimeoutError:
            raise Unreachable(f"no whole answer within {FETCH_SECONDS:g} s") from None


class _DocumentReach(Reach):
    """Judges as for an issuer's keys, and tells a stranger nothing of what a name resolves to here."""

    async def addresses(self, url: str, *, configured: bool) -> list[str]:
        if proxy_for(url) is not None:
            # The proxy would look the name up by itself, and may stand where it leads further than here.
            logger.warning("a client ID metadata document is refused: its host is behind the proxy of the environment")
            raise FetchFailed("its host is asked through a proxy, where nobody can judge its address")
        try:
            return await super().addresses(url, configured=configured)
        except NotOnTheInternet as why:
            logger.warning("a client ID metadata document is refused: %s", str(why).partition(";")[0])
            raise FetchFailed("its host has no address on the internet") from None
