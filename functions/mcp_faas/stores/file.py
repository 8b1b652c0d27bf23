"""A token document in a file, replaced atomically under a lock. For development, and for doors that read a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mcp_faas.stores import Access, Snapshot, StoreConflict, StoreError, StoreUnavailable
from mcp_faas.stores.private_file import locked, read_regular, replace_private, trouble
from mcp_faas.tokens import TokenDocument


class FileStore:
    """Compares and swaps under a lock beside the document, so rotators on one machine cannot overwrite each other."""

    settle_seconds = 0.0

    def __init__(self, address: str, path: str, access: Access) -> None:
        self.address = address
        # the lock and the new file belong beside the document itself, not beside a link to it
        self._path = Path(os.path.realpath(Path(path).expanduser()))
        self._timeout = access.timeout

    def read(self) -> Snapshot:
        return Snapshot(read_text(str(self._path), "; a token document is begun with: tokens.py mint file:PATH"))

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        try:
            with locked(self._path.with_name(f".{self._path.name}.lock"), self._timeout, self._path):
                if read_text(str(self._path)) != snapshot.text:
                    raise StoreConflict(f"{self._path} was changed by somebody else")
                replace_private(self._path, document.dump(indent=2) + "\n", self._timeout)
        except TimeoutError as error:  # of the lock, or of the whole call, which may end after the file was replaced
            raise StoreUnavailable(f"{self._path} cannot be written: {error}") from None
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {trouble(error)}") from None

    def create(self) -> None:
        """Start an empty document where there is none; an existing one is left alone."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._path.with_name(f".{self._path.name}.lock"), self._timeout):
                if not self._path.exists():
                    replace_private(self._path, TokenDocument().dump(indent=2) + "\n", self._timeout)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be made: {trouble(error)}") from None


def read_text(path: str, begin: str = "") -> str:
    """The text of a file; StoreError in a sentence if it cannot be had, with how to begin one that is not there."""
    file = Path(path).expanduser()
    with contextlib.suppress(UnicodeDecodeError):
        try:
            return read_regular(file)[0].replace("\r\n", "\n")  # the end of a line is no part of a secret
        except FileNotFoundError:
            raise StoreError(f"{file} does not exist{begin}") from None
        except TimeoutError as error:
            raise StoreUnavailable(f"{file} cannot be read: {error.strerror or error}") from None
        except OSError as error:
            said = f"{file} cannot be read: {error.strerror or error}; see that this user may, and that it is a file"
            raise StoreError(said) from None
    raise StoreError(f"{file} is not UTF-8 text; see that the path is right")
