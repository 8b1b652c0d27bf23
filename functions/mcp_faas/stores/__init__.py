"""What every store of a token document promises, and how an address finds its store. No service's API enters here.

A store is imported when an address asks for it, so that an artifact and a start-up carry only their own cloud's client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlsplit

from mcp_faas.tokens import TokenDocument, parse

FORMS = ("fc://REGION/FUNCTION/TRIGGER", "fc-domain://REGION/DOMAIN", "aws://REGION/SECRET", "file:PATH")
DEFAULT_TIMEOUT_SECONDS = 10.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class AddressError(ValueError):
    """An address that is none of the forms."""


class StoreError(Exception):
    """The service did not do it, for good: not found, not allowed. The message is for a person and holds no secret."""


class StoreUnavailable(StoreError):
    """No usable answer: throttled, failing, unreachable. A write that ended so may have been applied all the same."""


class StoreConflict(StoreError):
    """The document is no longer the one that was read: nothing was written, read again."""


@dataclass(frozen=True)
class Snapshot:
    """A document as one read found it, with what its store needs to write the next one."""

    text: str = field(repr=False)
    time: datetime | None = None  # the server's clock, where its answer carried one
    basis: Any = field(default=None, repr=False)  # the store's own: a version, the surrounding settings
    url: str | None = None  # where the door of this document is, if the service says so

    @cached_property
    def document(self) -> TokenDocument:
        """The text, understood; DocumentError if it is no token document."""
        return parse(self.text)


class TokenStore(Protocol):
    """One token document at one address."""

    address: str
    settle_seconds: float  # how long after a read a write based on it may still arrive; 0 with a compare-and-swap

    def read(self) -> Snapshot:
        """What is there now. StoreError if it cannot be had, DocumentError if it cannot be a token document's place."""

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        """Put this document in the place of the one that was read."""


@dataclass(frozen=True)
class Access:
    """How to reach a service: what a person or a function sets, read from the environment elsewhere."""

    timeout: float = DEFAULT_TIMEOUT_SECONDS  # of one network call
    fc_endpoint: str = ""  # the FC OpenAPI somewhere else, as http://127.0.0.1:8788
    oss_endpoint: str = ""  # OSS somewhere else, as http://127.0.0.1:8790
    fc_key: tuple[str, str, str] | None = field(
        default=None, repr=False
    )  # id, secret, STS token; None: the SDK's chain

    def __post_init__(self) -> None:
        check_encrypted("Function Compute's endpoint", self.fc_endpoint)
        check_encrypted("the endpoint of OSS", self.oss_endpoint)


def check_encrypted(what: str, url: str) -> None:
    """Calls carry tokens: without encryption they stay on this machine. Raises `AddressError`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise AddressError(f"{what} is {url!r}; it takes a URL, like https://HOST") from None
    if parts.scheme == "http" and host not in LOOPBACK:
        raise AddressError(
            f"{what} is http://{host}, which would carry tokens in the clear; use https: http is for 127.0.0.1 alone"
        )


_MENDS = (
    (("NotFound",), "see that the address is spelt right, and that it is in this region and account"),
    (
        ("AccessDenied", "Forbidden", "NoPermission"),
        "give these credentials the rights that docs/aws.md or docs/alibaba.md names",
    ),
    (
        ("AccessKeyId", "SecurityToken", "Signature", "UnrecognizedClient", "ExpiredToken", "InvalidClientToken"),
        "these credentials are not taken, or no longer: get new ones, and see that this machine's clock is right",
    ),
)


def error_code(said: object) -> str:
    """What a service calls a failure, if it is a word as services use them: an answer may quote what was sent."""
    return said if isinstance(said, str) and re.fullmatch(r"[A-Za-z.]{1,64}", said) else "unknown error"


def request_id(said: object) -> str:
    """What a service calls a request, likewise."""
    return said if isinstance(said, str) and re.fullmatch(r"[0-9A-Fa-f-]{1,40}", said) else "unknown"


def mend(code: str) -> str:
    """What a person can do about a failure that a service calls so; the end of a sentence, or nothing."""
    return next((f"; {advice}" for marks, advice in _MENDS if any(mark in code for mark in marks)), "")


def open_store(address: str, access: Access | None = None) -> TokenStore:
    """The store of a token document. AddressError names the address and the forms that there are."""
    scheme, parts = _split(address)
    access = access or Access()
    if scheme == "file":
        from mcp_faas.stores.file import FileStore

        return FileStore(address, parts[0], access)
    if scheme == "aws":
        from mcp_faas.stores.secretsmanager import SecretsManagerStore

        return SecretsManagerStore(address, parts[0], parts[1], access)
    if scheme == "fc":
        from mcp_faas.stores.fc_trigger import TriggerStore

        return TriggerStore(address, parts[0], parts[1], parts[2], access)
    from mcp_faas.stores.fc_domain import DomainStore

    return DomainStore(address, parts[0], parts[1], access)


def read_secret(address: str, access: Access | None = None) -> str:
    """The text of a secret that is no token document, at an `aws://` or `file:` address, without its last newline."""
    scheme, parts = _split(address)
    access = access or Access()
    if scheme == "file":
        from mcp_faas.stores.file import read_text

        text = read_text(parts[0])
    elif scheme == "aws":
        from mcp_faas.stores.secretsmanager import SecretText

        text = SecretText(parts[0], parts[1], access).read().text
    else:
        raise AddressError(f"{address} holds no plain secret; use aws://REGION/SECRET or file:PATH")
    return text[:-1] if text.endswith("\n") else text


def _split(address: str) -> tuple[str, list[str]]:
    scheme, found, rest = address.partition(":")
    if scheme == "file" and found and rest:
        return scheme, [rest]
    wanted = {"fc": 3, "fc-domain": 2, "aws": 2}.get(scheme, 0)
    if wanted and rest.startswith("//"):
        # the name of a secret may hold slashes; a function, a trigger and a domain cannot
        parts = rest[2:].split("/", 1) if scheme == "aws" else rest[2:].split("/")
        if len(parts) == wanted and all(parts):
            return scheme, parts
    raise AddressError(f"{address!r} is no address of a token document; the forms are: {', '.join(FORMS)}")
