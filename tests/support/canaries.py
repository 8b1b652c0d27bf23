"""Find secrets in bytes, however they were written down, whole or in part. Knows forms of writing and no place."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

PIECE = 12  # characters of a secret in a row; fewer are a coincidence, or what a fingerprint may show


class Canaries:
    """Secrets whose every piece is known in every form."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._pieces: dict[int, dict[bytes, str]] = {}
        for secret in secrets:
            for form, piece in _forms(secret):
                self._pieces.setdefault(len(piece), {}).setdefault(piece, form)

    def found(self, content: bytes) -> set[str]:
        """The forms in which a piece of a secret is in there."""
        lower = content.lower()
        seen = set()
        for length, pieces in self._pieces.items():
            for text in (content, lower) if content != lower else (content,):
                for at in range(len(text) - length + 1):
                    form = pieces.get(text[at : at + length])
                    if form is not None:
                        seen.add(form)
        return seen


def _forms(secret: str) -> Iterator[tuple[str, bytes]]:
    for at in range(len(secret) - PIECE + 1):
        piece = secret[at : at + PIECE]
        data = piece.encode()
        yield "raw", data
        yield "reversed", data[::-1]
        yield "hexadecimal", data.hex().encode()
        yield "UTF-16", piece.encode("utf-16-le")
        yield "URL-encoded", quote(piece, safe="").encode()
        yield "URL-encoded", "".join(f"%{byte:02x}" for byte in data).encode()
        yield "JSON-escaped", json.dumps(piece)[1:-1].replace("/", "\\/").encode()
        yield "JSON-escaped", "".join(f"\\u{byte:04x}" for byte in data).encode()
    for before in range(3):  # where the secret begins in a group of three bytes
        whole = base64.b64encode(b"\0" * before + secret.encode())
        inner = whole[4 if before else 0 : -4]  # what stands beside the secret changes the groups at its ends
        for at in range(len(inner) - 16 + 1):
            yield "base64", inner[at : at + 16]
            yield "base64url", inner[at : at + 16].translate(bytes.maketrans(b"+/", b"-_"))
