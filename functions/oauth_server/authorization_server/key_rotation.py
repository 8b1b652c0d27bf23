"""Carry a rotation of the signing keys out, in a file or in Secrets Manager. Plans nothing: that is `signing_keys.py`.

One run makes one write, and only if the document is still the one that was read. A run that is killed has written or
has not, and the next one plans from what it finds.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from authorization_server.signing_keys import KeyDocument, Step, parse, plan
from mcp_faas.stores import Access, AddressError, StoreConflict, StoreError, StoreUnavailable
from mcp_faas.stores.file import read_text
from mcp_faas.stores.private_file import locked, replace_private, trouble

ADDRESS_FORMS = ("aws://REGION/SECRET", "file:PATH")


@dataclass(frozen=True)
class Found:
    """A document of keys as one read found it."""

    text: str = field(repr=False)
    basis: Any = field(default=None, repr=False)  # the place's own: what a write is based on
    time: int | None = None  # the service's clock, where it has one

    @property
    def document(self) -> KeyDocument:
        return parse(self.text) if self.text.strip() else KeyDocument()


class NotBegun(StoreError):
    """There is no document yet; the message says how to begin one."""


class KeyPlace(Protocol):
    """Where one document of keys is. Both methods raise the errors of `mcp_faas.stores`."""

    def read(self) -> Found: ...

    def write(self, found: Found, text: str) -> None:
        """Put this text in the place of the one that was found; `StoreConflict` if that has changed."""


class FilePlace:
    """A file, its owner's alone, replaced at once under a lock."""

    def __init__(self, path: str, access: Access, *, begin: bool = False) -> None:
        self._path = Path(os.path.realpath(Path(path).expanduser()))
        self._timeout = access.timeout
        self._begin = begin  # may the file be missing?

    def read(self) -> Found:
        try:
            self._path.stat()
        except FileNotFoundError:
            if self._begin:
                return Found("")
            begin = f"scripts/signing_keys.py mint {shlex.quote(f'file:{self._path}')}"
            raise NotBegun(f"{self._path} does not exist; begin it with: {begin}") from None
        except OSError:
            pass  # whatever that is, reading says it
        return Found(read_text(str(self._path)))

    def write(self, found: Found, text: str) -> None:
        try:
            if self._begin:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._path.with_name(f".{self._path.name}.lock"), self._timeout, self._path):
                if self.read().text != found.text:
                    raise StoreConflict(f"{self._path} was changed by somebody else")
                replace_private(self._path, text, self._timeout)
        except TimeoutError as error:
            raise StoreUnavailable(f"{self._path} cannot be written: {error}") from None
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {trouble(error)}") from None


class SecretPlace:
    """A secret of Secrets Manager, whose AWSCURRENT moves from the version that was read, never blindly."""

    def __init__(self, region: str, name: str, access: Access) -> None:
        from mcp_faas.stores.secretsmanager import SecretText

        self._secret = SecretText(region, name, access)

    def read(self) -> Found:
        found = self._secret.read()
        return Found(found.text, found.version, int(found.time.timestamp()) if found.time else None)

    def write(self, found: Found, text: str) -> None:
        self._secret.replace(found.basis, text)


def open_place(address: str, access: Access | None = None, *, begin: bool = False) -> KeyPlace:
    """The place at an address. With `begin`, a file may be missing, and the first write makes it."""
    scheme, _, rest = address.partition(":")
    access = access or Access()
    if scheme == "file" and rest:
        return FilePlace(rest, access, begin=begin)
    region, _, name = rest.removeprefix("//").partition("/")
    if scheme == "aws" and rest.startswith("//") and region and name:
        return SecretPlace(region, name, access)
    raise AddressError(f"{address!r} is no address of signing keys; the forms are: {', '.join(ADDRESS_FORMS)}")


def rotate(
    place: KeyPlace,
    max_age: int,
    *,
    compromised: bool = False,
    clock: Callable[[], float] = time.time,
    only_look: bool = False,
) -> tuple[Step, int]:
    """Do the next step, and give it with the time that it was planned for. KeyDocumentError: nothing was written."""
    found = place.read()
    now = found.time or int(clock())
    step = plan(found.document, now, max_age, compromised=compromised)
    if step and not only_look:
        text = step.document.dump()
        try:
            place.write(found, text)
        except (StoreUnavailable, StoreConflict):
            # the write may have been carried out although its answer was lost, or the SDK's second attempt lost to it
            with contextlib.suppress(StoreError):
                if place.read().text == text:
                    return step, now
            raise
    return step, now
