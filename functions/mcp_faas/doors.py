"""The doors: each turns the credentials of one request into a `Principal` or raises an `AuthError`.

What is checked is decided in `auth/`; here it meets the stores and the clock. Door `jwt` has a file of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from mcp_faas.auth.bearer import identify, token_of
from mcp_faas.auth.errors import GatewayMissing, TokensUnavailable, TokenUnknown
from mcp_faas.auth.principal import Principal
from mcp_faas.call import Call
from mcp_faas.documents import DocumentUnavailable, TokenDocuments
from mcp_faas.settings import Settings
from mcp_faas.settings.values import SettingsError
from mcp_faas.stores import Access, AddressError, StoreError, open_store
from mcp_faas.tokens import Token

READ_SECONDS = 4.0  # what a caller waits for a token document that he cannot be judged without
PATIENCE_SECONDS = 1.0  # and what one waits whose token is known, for a newer document
STORE_SECONDS = 3.0  # of one network call


class Door(Protocol):
    """What stands between a stranger and the tools."""

    async def admit(self, authorization: Sequence[str], call: Call) -> Principal:
        """Who this is; `authorization` are the values of the request's `Authorization` headers.

        Raises an `AuthError`; nothing else leaves a door.
        """


@dataclass(frozen=True)
class PlatformDoor:
    """The gateway in front has checked. The `Authorization` header is never looked at, whatever it says.

    With `require_authorizer` the event must say whom an authorizer of AWS let in, which nobody but API Gateway can:
    so a Function URL beside the API, forgotten or for the moment of a stack's change, lets nobody in.
    """

    scopes: frozenset[str]
    require_authorizer: bool = False

    async def admit(self, authorization: Sequence[str], call: Call) -> Principal:
        if self.require_authorizer and call.gateway is None:
            raise GatewayMissing("no authorizer has let this call in")
        if call.gateway is None:
            return self._platform
        return Principal(call.gateway.client, call.gateway.subject, scopes=self.scopes)

    @cached_property
    def _platform(self) -> Principal:
        """One for all whom the gateway does not name: nothing in it can be changed, and nothing is one caller's."""
        return Principal(client="platform", scopes=self.scopes, claims=MappingProxyType({}))


class BearerDoor:
    """The function compares the token with the token document itself."""

    def __init__(self, documents: TokenDocuments, scopes: frozenset[str]) -> None:
        self._documents = documents
        self._scopes = scopes
        self._reading: asyncio.Task[None] | None = None

    async def admit(self, authorization: Sequence[str], call: Call) -> Principal:
        presented = token_of(authorization)
        documents = self._documents
        if documents.due():
            await self._read(PATIENCE_SECONDS if documents.usable() else READ_SECONDS)
        try:
            token = self._identify(presented)
        except TokenUnknown:
            # Perhaps it is new. Only he who brings it waits; callers with a known token never do for him.
            if not documents.due(newer=True):
                raise
            await self._read(READ_SECONDS)
            token = self._identify(presented)
        return Principal(client=token.name, subject=token.name, scopes=self._scopes)

    def _identify(self, presented: str) -> Token:
        try:
            return identify(presented, self._documents.current())
        except DocumentUnavailable:
            raise TokensUnavailable("the token document cannot be read") from None

    async def _read(self, patience: float) -> None:
        """See that a read is under way, one for all, and wait for it at most `patience` seconds."""
        loop = asyncio.get_running_loop()
        if self._reading is None or self._reading.done() or self._reading.get_loop() is not loop:
            # In a thread: a store talks to its service without regard for the loop.
            self._reading = loop.create_task(asyncio.to_thread(self._documents.read_now))
        await asyncio.wait({self._reading}, timeout=patience)


def open_door(settings: Settings, *, background: bool) -> Door:
    """The door that the settings ask for; `background` says whether the loop runs between calls.

    Raises `SettingsError` where it cannot be built.
    """
    if settings.door == "platform":
        return PlatformDoor(settings.token_scopes, settings.require_authorizer)
    if settings.jwt is not None:
        from mcp_faas.jwt_door import jwt_door  # what verifies signatures is one start in twenty, for this door alone

        return jwt_door(settings.jwt, background=background)
    try:
        store = open_store(settings.tokens or "", Access(timeout=STORE_SECONDS))
    except (AddressError, StoreError) as error:
        raise SettingsError(f"MCP_TOKENS leads to no token document: {error}") from None
    except ModuleNotFoundError as error:
        raise SettingsError(f"MCP_TOKENS is {settings.tokens}, but this artifact has no {error.name}.") from None
    return BearerDoor(TokenDocuments(lambda: store.read().document), settings.token_scopes)
