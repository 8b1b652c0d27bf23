"""What the server works with, put together from the settings: storage, keys, clients, login. A recipe, no rule."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from authorization_server.client_documents import ClientDocuments
from authorization_server.clients import Clients, ConfiguredClients
from authorization_server.key_source import KeySource
from authorization_server.logins import Login, LoginUnavailable
from authorization_server.settings import Settings
from authorization_server.storage import Storage, StorageUnavailable, open_storage
from mcp_faas.issuers.reach import proxy_for
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
    if settings.client_documents and not settings.local and proxy_for("https://client.example"):
        raise SettingsError(
            "OAUTH_CLIENT_METADATA_DOCUMENTS is on, and the environment has a proxy for https: behind it nobody can "
            "judge where a stranger's URL leads. Set OAUTH_CLIENT_METADATA_DOCUMENTS=off, or take the proxy away."
        )
    try:
        storage = open_storage(settings.store)
    except StorageUnavailable as why:
        raise SettingsError(f"OAUTH_STORE leads to what cannot be opened: {why}") from None
    documents = ClientDocuments(settings.redirect_schemes, time.time, local=settings.local)
    try:
        configured = ConfiguredClients(
            settings.clients, settings.redirect_schemes, settings.scopes, read_secret, time.time
        )
    except StoreError as why:
        raise SettingsError(f"OAUTH_CLIENTS leads to what cannot be read: {why}") from None
    return Services(
        storage,
        KeySource.at(settings.signing_keys),
        Clients(settings, storage, documents, configured, time.time),
        _login(settings),
    )


def _login(settings: Settings) -> Login:
    """Imported when it is chosen, so that a start-up carries one login alone. Raises `SettingsError`."""
    chosen = settings.login
    if chosen.passphrase is not None:
        from authorization_server.logins.local import PASSPHRASE_MIN_CHARACTERS, LocalLogin

        passphrase = _secret("OAUTH_LOCAL_PASSPHRASE", chosen.passphrase)
        if len(passphrase()) < PASSPHRASE_MIN_CHARACTERS:
            raise SettingsError(
                f"OAUTH_LOCAL_PASSPHRASE leads to fewer than {PASSPHRASE_MIN_CHARACTERS} characters; make a longer "
                "one with: openssl rand -hex 16"
            )
        return LocalLogin(passphrase)
    read = _secret("OAUTH_LOGIN_CLIENT_SECRET", chosen.client_secret or "")
    if chosen.kind == "github":
        from authorization_server.logins.github import GitHubLogin

        return GitHubLogin(chosen, settings.admission, read)
    from authorization_server.logins.oidc import OpenIdLogin

    return OpenIdLogin(chosen, settings.admission, read)


def _secret(name: str, address: str) -> Callable[[], str]:
    """Reads what is at an address, each time anew; once at the start, so that no login is deployed that cannot work."""

    def read() -> str:
        try:
            found = read_secret(address)
        except StoreError as why:
            logger.error("%s leads to what cannot be read: %s", name, why)  # noqa: TRY400 - no traceback is wanted
            raise LoginUnavailable("login_secret_unavailable") from None
        if not found:
            raise LoginUnavailable("login_secret_unavailable")
        return found

    try:
        read()
    except LoginUnavailable:
        raise SettingsError(
            f"{name} leads to no secret that can be read; see that it is there, and not empty."
        ) from None
    return read
