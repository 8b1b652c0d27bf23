"""A client, and where it is found: entered by the operator, described by a document of its own, or registered.

Looking up does I/O: the operator's list, the client's document, the storage. What a client may do is not known here.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from authorization_server import registration
from authorization_server.keeping import change, find
from authorization_server.metadata import GRANT_TYPES, SECRET_METHODS
from authorization_server.records import RecordBroken, dump, parse
from authorization_server.records.clients import (
    REGISTERED_PREFIX,
    SECRET_SECONDS,
    RegisteredClient,
    look,
    place,
    see,
    stands_in,
    use,
)
from authorization_server.records.handles import digest, same
from authorization_server.scopes import ScopeRefused, read
from authorization_server.settings import Settings
from authorization_server.storage import Storage
from mcp_faas.auth.scopes import covers
from mcp_faas.settings.values import SettingsError

CLIENT_ID_MAX_CHARACTERS = 1024
SECRET_FEW_CHARACTERS = 16  # of a secret that an operator has written; ours have 43
RELOAD_SECONDS = 60
GONE = "there is no such client, or not any longer: register again"

_REGISTERED = re.compile(REGISTERED_PREFIX + r"[A-Za-z0-9_-]{22}")
_CONFIGURED = re.compile(r"[A-Za-z0-9._~-]{1,200}")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Client:
    """What the protocol knows of a client."""

    client_id: str
    origin: Literal["configured", "document", "registered"]
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()
    auth_method: str = "none"
    name: str | None = None
    secret: str | None = field(default=None, repr=False)  # digest
    scopes: tuple[str, ...] | None = None  # of a machine
    registration: Mapping[str, Any] | None = field(default=None, repr=False)  # while it waits for its first login

    def has_secret(self, presented: str) -> bool:
        """Is this the client's secret? Of two digests, in constant time."""
        return same(self.secret, digest(presented))


class ClientRefused(Exception):
    """There is no such client, or none that can be used; the message is for its author and quotes nothing."""


class ClientGone(ClientRefused):
    """A client that has expired, or has lost its place, or was never here: it has to register again."""


class DocumentUnavailable(Exception):
    """A client's metadata document cannot be had now, and there is no copy."""


class Documents(Protocol):
    """Client ID metadata documents."""

    def find(
        self, url: str, is_known: Callable[[], bool], note_fetch: Callable[[Client | None], None] = lambda _: None
    ) -> Client:
        """The client that a document describes. Raises `ClientRefused`, or `DocumentUnavailable` for now.

        `is_known` says whether somebody has logged in with it: what strangers ask for does not stand in its way.
        `note_fetch` hears what every fetch has found out, None of a document that is gone or wrong.
        """


def is_document_url(client_id: str) -> bool:
    return client_id.startswith(("https://", "http://"))


class Clients:
    """Every client that there is."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        documents: Documents,
        configured: Callable[[], Mapping[str, Client]],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._documents = documents
        self._configured = configured
        self._clock = clock

    def find(self, client_id: str) -> Client:
        """The client of this id. Raises `ClientRefused` or `DocumentUnavailable`."""
        if len(client_id) > CLIENT_ID_MAX_CHARACTERS:
            raise ClientRefused("there is no such client")
        configured = self._configured().get(client_id)
        if configured is not None:
            return configured
        if is_document_url(client_id):
            if not self._settings.client_documents:
                raise ClientRefused("client ID metadata documents are not accepted here")
            return self._described(client_id)
        if not _REGISTERED.fullmatch(client_id):
            raise ClientRefused("there is no such client")
        found = self._stored(client_id)
        if found is None:
            raise ClientGone(GONE)
        return _client(found, "registered")

    def find_again(self, client_id: str) -> Client:
        """The client of a request that follows a login. Raises `ClientRefused`.

        No document is looked at: whoever asks here has shown nothing yet, and what the client may do was judged when
        somebody logged in. Its codes and tokens are bound to its id.
        """
        if not is_document_url(client_id):
            return self.find(client_id)
        return Client(client_id, "document", grant_types=registration.SELF_SERVICE_GRANTS)

    def _described(self, url: str) -> Client:
        """A known client by the copy of its document, while the document itself cannot be had."""
        began = int(self._clock())
        try:
            return self._documents.find(
                url, lambda: self._stored(url) is not None, lambda found: self._note_fetch(url, found, began)
            )
        except DocumentUnavailable:
            copy = self._copy(url)
            if copy is None:
                raise
            return copy

    def _note_fetch(self, url: str, found: Client | None, began: int) -> None:
        document = None if found is None else _document(found)
        change(self._storage, RegisteredClient, _key(url), lambda known: (see(known, document, began), None))

    def _copy(self, url: str) -> Client | None:
        """What the document said when it was seen last, while that is good for a login to begin with."""
        found = self._stored(url)
        if found is None or not stands_in(found, int(self._clock())):
            return None
        try:
            return _client(found, "document")
        except ClientGone:
            return None

    def _stored(self, client_id: str) -> RegisteredClient | None:
        """Known by a login, or waiting for its first."""
        found = find(self._storage, RegisteredClient, _key(client_id))
        if found is None and self._settings.registration and not is_document_url(client_id):
            found = find(self._storage, RegisteredClient, place(client_id))
        return look(found, client_id, int(self._clock()))

    def is_machine(self, subject: str) -> bool:
        """Is this the id of a client that the operator has entered? No person may be called like one."""
        return subject in self._configured()

    def register(self, document: object) -> dict[str, Any]:
        """What RFC 7591 §3.2.1 answers. Raises `RegistrationRefused`."""
        metadata = registration.judge(document, self._settings.redirect_schemes)
        now = int(self._clock())
        answer: dict[str, Any] = {**metadata.as_document(), "client_id_issued_at": now}
        secret, expires_at = None, 0
        if metadata.auth_method != "none":
            secret, expires_at = secrets.token_urlsafe(32), now + SECRET_SECONDS
            answer |= {"client_secret": secret, "client_secret_expires_at": expires_at}
        client_id = f"{REGISTERED_PREFIX}{secrets.token_urlsafe(16)}"
        client = RegisteredClient(
            client_id, metadata.as_document(), now, digest(secret) if secret else None, expires_at
        )
        change(self._storage, RegisteredClient, place(client_id), lambda _: (client, None))
        return {"client_id": client_id, **answer}

    def note_login(self, client_id: str, waited: Mapping[str, Any] | None = None) -> None:
        """A person has logged in with it: from now on it is known, and no stranger is in its way.

        `waited` is its registration as it was when the person was asked; it may have lost its place since. Raises
        `ClientGone` where that cannot be read.
        """
        if waited is not None:
            try:
                self._note(parse(RegisteredClient, waited))
            except RecordBroken as error:  # of another version, which has shown the page
                logger.error("%s; it counts as if it were not there", error)  # noqa: TRY400
                raise ClientGone(GONE) from None
            return
        if not is_document_url(client_id) or self._stored(client_id) is not None:
            self.note_use(client_id)
            return
        try:
            found = self._documents.find(client_id, lambda: True)
        except (ClientRefused, DocumentUnavailable):
            return  # it was there when the person was asked; without a copy it is as new at the next login
        self._note(RegisteredClient(client_id, _document(found), int(self._clock())))

    def note_use(self, client_id: str) -> None:
        """Somebody goes on using it, so it is kept for longer."""
        if is_document_url(client_id) or _REGISTERED.fullmatch(client_id):
            found = self._stored(client_id)
            if found is not None:
                self._note(found)

    def _note(self, latest: RegisteredClient) -> None:
        now = int(self._clock())
        if use(latest, latest, now) is not latest:
            key = _key(latest.client_id)
            change(self._storage, RegisteredClient, key, lambda known: (use(known, latest, now), None))


def _key(client_id: str) -> str:
    """A known client's; that of a document's client is as short as others, whatever its URL."""
    return digest(client_id) if is_document_url(client_id) else client_id


def _document(client: Client) -> dict[str, Any]:
    """What a copy has of a client's document."""
    return registration.Metadata(client.redirect_uris, client.grant_types, "none", client.name).as_document()


def _client(found: RegisteredClient, origin: Literal["document", "registered"]) -> Client:
    metadata = found.metadata
    try:
        return Client(
            found.client_id,
            origin,
            redirect_uris=tuple(metadata["redirect_uris"]),
            grant_types=tuple(metadata["grant_types"]),
            auth_method=metadata["token_endpoint_auth_method"],
            name=metadata.get("client_name"),
            secret=found.secret,
            registration=dump(found) if origin == "registered" and found.used_at is None else None,
        )
    except (KeyError, TypeError):
        logger.error("a stored client's metadata cannot be read; it counts as if it were not there")  # noqa: TRY400
        raise ClientGone(GONE) from None


class ConfiguredClients:
    """The operator's list, read anew from time to time; a list that has become wrong changes nothing."""

    def __init__(
        self,
        address: str | None,
        schemes: tuple[str, ...],
        scopes: tuple[str, ...],
        read_text: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._address, self._schemes, self._scopes = address, schemes, scopes
        self._read_text, self._clock = read_text, clock
        self._read: str | None = None  # digest of the text that the clients are from
        self._clients: Mapping[str, Client] = {}
        if address:
            self._clients = self._load()
        self._read_at = clock()

    def __call__(self) -> Mapping[str, Client]:
        now = self._clock()
        if self._address and now - self._read_at >= RELOAD_SECONDS:
            self._read_at = now
            try:
                self._clients = self._load()
            except Exception as error:  # noqa: BLE001 - of whatever kind the store is
                # Our own sentence quotes no secret; another's text may quote the list.
                told = error if isinstance(error, SettingsError) else type(error).__name__
                logger.error("OAUTH_CLIENTS cannot be read anew, the old list counts: %s", told)  # noqa: TRY400
        return self._clients

    def _load(self) -> Mapping[str, Client]:
        text = self._read_text(self._address or "")
        if digest(text) == self._read:  # what there is to warn of has been said
            return self._clients
        found = parse_configured(text, self._schemes)
        for client in found.values():
            outside = [scope for scope in client.scopes or () if not covers(self._scopes, scope)]
            if outside:
                logger.warning(
                    "client %s of OAUTH_CLIENTS does not get %s: OAUTH_SCOPES does not allow it",
                    client.client_id,
                    " ".join(outside),
                )
        self._read = digest(text)
        return found


def parse_configured(text: str, schemes: tuple[str, ...]) -> Mapping[str, Client]:
    """The clients of OAUTH_CLIENTS. Raises `SettingsError`, which names the entry and quotes no secret."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError("OAUTH_CLIENTS leads to a text that is not JSON; it takes a list of clients.") from None
    if not isinstance(entries, list):
        raise SettingsError("OAUTH_CLIENTS leads to JSON that is not a list; put the clients between [ and ].")
    clients: dict[str, Client] = {}
    for number, entry in enumerate(entries):
        try:
            client = _configured(entry, schemes)
        except (ValueError, ScopeRefused) as why:
            raise SettingsError(f"OAUTH_CLIENTS, client {number} (counted from 0): {why}.") from None
        if client.client_id in clients:
            raise SettingsError(f"OAUTH_CLIENTS, client {number} (counted from 0): its client_id is there twice.")
        clients[client.client_id] = client
    return clients


def _configured(entry: Any, schemes: tuple[str, ...]) -> Client:
    if not isinstance(entry, dict):
        raise ValueError("a client is a JSON object with the members of RFC 7591")
    client_id, secret, scope = entry.get("client_id"), entry.get("client_secret"), entry.get("scope")
    if not isinstance(client_id, str) or not _CONFIGURED.fullmatch(client_id) or _REGISTERED.fullmatch(client_id):
        raise ValueError("client_id is letters, digits and - . _ ~, and not in the form of a registered client's")
    if secret is not None and (not isinstance(secret, str) or not secret):
        raise ValueError("client_secret is a text")
    if secret is not None and len(secret) < SECRET_FEW_CHARACTERS:
        logger.warning(
            "the secret of client %s is short enough to be guessed; make one with: openssl rand -hex 32", client_id
        )
    if scope is not None and not isinstance(scope, str):
        raise ValueError("scope is a text, with blanks between scopes")
    default = "none" if secret is None else "client_secret_basic"
    if entry.get("grant_types") == []:  # a resource server that only asks about tokens
        method = entry.get("token_endpoint_auth_method", default)
        if method not in SECRET_METHODS:
            raise ValueError("a client without grants asks about tokens, and needs a client_secret for that")
        metadata = registration.Metadata((), (), method, None)
    else:
        metadata = registration.judge(entry, schemes, GRANT_TYPES, default)
    if scope is not None and metadata.grant_types != ("client_credentials",):
        # RFC 7591 §2 has it limit what people may give the client, too. Nothing here does, so it must not look so.
        raise ValueError("scope is for a machine, with client_credentials alone; else see OAUTH_SCOPE_RULES")
    if (metadata.auth_method == "none") is (secret is not None):
        raise ValueError("client_secret is there exactly when token_endpoint_auth_method is not none")
    return Client(
        client_id,
        "configured",
        metadata.redirect_uris,
        metadata.grant_types,
        metadata.auth_method,
        metadata.name,
        digest(secret) if secret is not None else None,
        read(scope) if scope is not None else None,
    )
