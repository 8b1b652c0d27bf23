"""What the readers of settings share: how a value is chosen, switched on or checked. No setting has its name here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_ADDRESSES = {
    "aws://REGION/SECRET": r"aws://[^/]+/.+",
    "fc://REGION/FUNCTION/TRIGGER": r"fc://[^/]+/[^/]+/[^/]+",
    "fc-domain://REGION/DOMAIN": r"fc-domain://[^/]+/[^/]+",
    "file:PATH": r"file:.+",
}
TOKEN_ADDRESSES = tuple(_ADDRESSES)
KEY_ADDRESSES = ("aws://REGION/SECRET", "file:PATH")
_SCHEMES = ("aws://", "fc://", "fc-domain://", "file:")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


class SettingsError(Exception):
    """A setting that keeps the function from starting; the message is for the person who set it."""


def is_loopback(host: str) -> bool:
    """Is this host name or address this machine itself? Plain http is accepted for nothing else."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
    value = environ.get(name) or default
    if value is None:
        raise SettingsError(f"{name} is not set; choose one of: {', '.join(choices)}.")
    if value not in choices:
        raise SettingsError(f'{name} is "{value}"; choose one of: {", ".join(choices)}.')
    return value


def switch(environ: Mapping[str, str], name: str) -> bool:
    return choice(environ, name, ("off", "on"), default="off") == "on"


def words(environ: Mapping[str, str], name: str) -> list[str]:
    """The values of a setting that takes several. Blanks separate them; a list in another style is surely a mistake."""
    found = environ.get(name, "").split()
    for word in found:
        if word != word.strip(",;\"'") or re.search("[,;]https?://", word):
            raise SettingsError(f"{name} holds {word}; separate its values by blanks, without commas and quotes.")
    return found


def check_address(name: str, address: str, forms: tuple[str, ...], make: str) -> None:
    """The address of a secret. What is no address is perhaps the secret itself, so it is not repeated."""
    if any(re.fullmatch(_ADDRESSES[form], address, re.DOTALL) for form in forms):
        return
    given = "is no address, and not shown here because it may be the secret itself; it takes"
    if address.startswith(_SCHEMES) and address.isprintable():
        given = f'is "{address}"; it takes'
    raise SettingsError(f"{name} {given} {', '.join(forms[:-1])} or {forms[-1]}. {make}")


def check_url(name: str, url: str, example: str) -> None:
    """An absolute https URL without user, query or fragment; http only for loopback (RFC 9728 §1.2, RFC 8414 §2)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError(f'{name} is "{url}", which is not a URL. Set it to something like {example}.') from None
    if parts.username is not None:
        raise SettingsError(f"{name} holds a user or password; leave both out, like {example}.")
    written = re.fullmatch(r"[\x21-\x7e]+", url) is not None and '"' not in url and "\\" not in url
    if not written or not _HOST.fullmatch(f"[{host}]" if ":" in host else host) or port == 0:
        raise SettingsError(f'{name} is "{url}", which is not an absolute URL. Set it to something like {example}.')
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise SettingsError(f'{name} is "{url}"; it must have no query or fragment, like {example}.')
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise SettingsError(f'{name} is "{url}"; it must start with https:// (http:// is for loopback hosts only).')
