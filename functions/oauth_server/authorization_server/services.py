"""What the server works with, put together from the settings: storage, keys, clients, login. A recipe, no rule."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from authorization_server.client_documents import ClientDocuments
from authorization_server.clients import Clients, ConfiguredClients
from authorization_server.key_source import KeySource
from authorization_server.logins import Login
from authorization_server.settings import Settings
from authorization_server.storage import Storage, StorageUnavailable, open_storage
from mcp_faas.settings.values import SettingsError
from mcp_faas.stores import StoreError, read_secret

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What the routes call. `clock` gives seconds since the epoch."""

    storage: Storage
    keys: KeySource
    clients: Clients
    login: Login
    clock: Callable[[], float] = time.time


def open_services(settings: Settings) -> Services:
    """The real ones. Raises `SettingsError`."""
    for doubt in settings.doubts:
        logger.warning("%s", doubt)
    try:
        storage = open_storage(settings.store)
    except StorageUnavailable as why:
        raise SettingsError(f"OAUTH_STORE leads to what cannot be opened: {why}") from None
    documents = ClientDocuments(settings.redirect_schemes, time.time, local=settings.local)
    try:
        configured = ConfiguredClients(settings.clients, settings.redirect_schemes, read_secret, time.time)
    except StoreError as why:
        raise SettingsError(f"OAUTH_CLIENTS leads to what cannot be read: {why}") from None
    return Services(
        storage,
        KeySource.at(settings.signing_keys),
        Clients(settings, storage, documents, configured, time.time),
        _login(settings),
    )


def _login(settings: Settings) -> Login:
    """Imported when it is chosen, so that a start-up carries one login alone."""
    from authorization_server.logins.local import LocalLogin

    address = settings.login.passphrase
    if address is None:
        raise SettingsError(f"OAUTH_LOGIN is {settings.login.kind}, which is not there yet; choose one of: local.")
    return LocalLogin(lambda: read_secret(address))
