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
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from authorization_server import registration
from authorization_server.clients import Client, ClientRefused, DocumentUnavailable
from mcp_faas import strict_json
from mcp_faas.issuers.published import get
from mcp_faas.issuers.reach import FetchFailed, NotOnTheInternet, Reach, Unreachable
from mcp_faas.settings.values import is_loopback

URL_MAX_CHARACTERS = 512
DOCUMENT_MAX_BYTES = 10 * 1024  # the draft recommends 5
FETCH_SECONDS = 4.0
KEPT_SECONDS = 600
REFUSED_SECONDS = 30  # what was wrong is not asked for again at once
KEPT_MAX = 200
FETCHES_PER_MINUTE = 60  # of one instance: nobody uses it to call others
MEDIA_TYPE = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})+")
logger = logging.getLogger(__name__)


Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class _Kept:
    until: float
    client: Client | None
    refusal: str = ""


class ClientDocuments:
    """The documents asked for lately. `local` is a server for one machine alone, whose clients may be there, too."""

    def __init__(
        self, schemes: tuple[str, ...], clock: Callable[[], float], *, local: bool = False, fetch: Fetch | None = None
    ) -> None:
        self._schemes, self._clock, self._local = schemes, clock, local
        self._fetch = fetch or Fetcher(local=local)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._fetches: deque[float] = deque(maxlen=FETCHES_PER_MINUTE)
        self._lock = threading.Lock()

    def find(self, url: str) -> Client:
        """The client that the document at its id describes. Raises `ClientRefused` or `DocumentUnavailable`."""
        check_url(url, local=self._local)
        now = self._clock()
        with self._lock:
            kept = self._kept.get(url)
            if kept is not None and now < kept.until:
                if kept.client is None:
                    raise ClientRefused(kept.refusal)
                return kept.client
            if len(self._fetches) == FETCHES_PER_MINUTE and now - self._fetches[0] < 60:
                raise DocumentUnavailable("too many client ID metadata documents in a minute")
            self._fetches.append(now)
        try:
            client = parse(url, self._fetch(url), self._schemes)
        except ClientRefused as why:
            self._keep(url, _Kept(now + REFUSED_SECONDS, None, str(why)))
            raise
        except Unreachable as why:
            logger.warning("a client ID metadata document cannot be fetched: %s", why)
            raise DocumentUnavailable("the client's metadata document cannot be fetched now") from None
        except FetchFailed as why:
            refusal = f"the metadata document that client_id names cannot be had: {why}"
            self._keep(url, _Kept(now + REFUSED_SECONDS, None, refusal))
            raise ClientRefused(refusal) from None
        self._keep(url, _Kept(now + KEPT_SECONDS, client))
        return client

    def _keep(self, url: str, kept: _Kept) -> None:
        with self._lock:
            self._kept[url] = kept
            self._kept.move_to_end(url)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)


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
        try:
            return await super().addresses(url, configured=configured)
        except NotOnTheInternet as why:
            logger.warning("a client ID metadata document is refused: %s", str(why).partition(";")[0])
            raise FetchFailed("its host has no address on the internet") from None
