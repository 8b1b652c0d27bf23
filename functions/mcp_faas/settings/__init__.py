"""The settings of the functions: the only reader of their environment. No I/O besides, and no default for the door.

A setting that is missing or wrong is one sentence with its name, the value it has and the values it can have; the
function then does not start. An open door is never the fallback.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import urlsplit

from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.profiles import PROFILES, WORLDWIDE_ISSUERS, Profile
from mcp_faas.auth.scopes import OFFLINE_ACCESS, is_scope

Door = Literal["platform", "bearer", "jwt"]
DOORS = ("platform", "bearer", "jwt")
FC_DEFAULT_PORT = 9000
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?P<port>:[1-9][0-9]{0,4})?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


class SettingsError(Exception):
    """A setting that keeps the function from starting; the message is for the person who set it."""


@dataclass(frozen=True)
class JwtSettings:
    """Door `jwt`: whose tokens count, and where their keys are."""

    issuers: tuple[str, ...]
    audiences: frozenset[str]  # empty: the public URL of each request
    jwks_url: str | None
    jwks: bytes | None
    algorithms: frozenset[str]
    profiles: tuple[Profile, ...]  # one for each issuer, in their order
    subjects: frozenset[str]  # empty: everybody to whom an issuer gives a token

    @property
    def trusted(self) -> tuple[tuple[str, Profile], ...]:
        """Each issuer with the profile of its tokens."""
        return tuple(zip(self.issuers, self.profiles, strict=True))


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked."""

    door: Door
    public_url: str | None
    tokens: str | None = field(repr=False)
    jwt: JwtSettings | None
    scopes: frozenset[str]
    scopes_supported: frozenset[str] | None  # None: what tools.py declares, and `scopes`
    token_scopes: frozenset[str]
    denies_in_results: bool
    hides_forbidden: bool
    require_authorizer: bool
    allowed_origins: frozenset[str]
    sse: bool
    request_state_key: str | None = field(repr=False)
    server: str
    log_level: str
    otlp_protocol: str | None  # None: nobody asked for OpenTelemetry's spans


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting. Raises `SettingsError` for the first that is missing or wrong."""
    door = _choice(environ, "MCP_DOOR", DOORS)
    public_url = environ.get("MCP_PUBLIC_URL") or None
    if public_url is not None:
        _check_url("MCP_PUBLIC_URL", public_url, "https://api.example.com/mcp")
    supported = environ.get("MCP_SCOPES_SUPPORTED") or None
    return Settings(
        door=cast(Door, door),
        public_url=public_url,
        tokens=read_tokens_address(environ) if door == "bearer" else None,
        jwt=_jwt(environ) if door == "jwt" else None,
        scopes=_required_scopes(environ),
        scopes_supported=_scopes(environ, "MCP_SCOPES_SUPPORTED") if supported is not None else None,
        token_scopes=_scopes(environ, "MCP_TOKEN_SCOPES"),
        denies_in_results=_switch(environ, "MCP_SCOPE_ERROR_IN_RESULT"),
        hides_forbidden=_switch(environ, "MCP_HIDE_FORBIDDEN"),
        require_authorizer=_switch(environ, "MCP_REQUIRE_AUTHORIZER"),
        allowed_origins=_origins(environ),
        sse=_switch(environ, "MCP_SSE"),
        request_state_key=environ.get("MCP_REQUEST_STATE_KEY") or None,
        server=_server(environ),
        log_level=read_log_level(environ),
        otlp_protocol=_otlp_protocol(environ),
    )


def read_log_level(environ: Mapping[str, str]) -> str:
    """The level of the function's log; INFO where nothing is set. Raises `SettingsError`."""
    return _choice(environ, "MCP_LOG_LEVEL", LOG_LEVELS, default="INFO")


def read_fc_port(environ: Mapping[str, str]) -> int:
    """Where FC wants the web function to listen; 9000 where it does not say. Raises `SettingsError`."""
    for name in ("FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT"):
        value = environ.get(name)
        if value:
            if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
                raise SettingsError(f'{name} is "{value}"; it takes a port, 1 to 65535.')
            return int(value)
    return FC_DEFAULT_PORT


def read_tokens_address(environ: Mapping[str, str]) -> str:
    """The address of the token document, for whoever compares tokens itself. Raises `SettingsError`."""
    address = environ.get("MCP_TOKENS")
    if not address:
        raise SettingsError(
            "MCP_TOKENS is not set. Set it to the address of the token document: "
            "aws://REGION/SECRET, fc://REGION/FUNCTION/TRIGGER, fc-domain://REGION/DOMAIN or file:PATH."
        )
    return address


def require_public_url(settings: Settings) -> None:
    """Door `jwt` where the platform does not tell the host: FC has only the Host header, which is a caller's word."""
    if settings.door == "jwt" and settings.public_url is None:
        raise SettingsError(
            "MCP_DOOR is jwt, but MCP_PUBLIC_URL is not set. Set it to the endpoint's public URL, "
            "e.g. https://mcp.example.com/mcp."
        )


def is_loopback(host: str) -> bool:
    """Is this host name or address this machine itself? Plain http is accepted for nothing else."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
    value = environ.get(name) or default
    if value is None:
        raise SettingsError(f"{name} is not set; choose one of: {', '.join(choices)}.")
    if value not in choices:
        raise SettingsError(f'{name} is "{value}"; choose one of: {", ".join(choices)}.')
    return value


def _switch(environ: Mapping[str, str], name: str) -> bool:
    return _choice(environ, name, ("off", "on"), default="off") == "on"


def _check_url(name: str, url: str, example: str) -> None:
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


def _scopes(environ: Mapping[str, str], name: str) -> frozenset[str]:
    words = environ.get(name, "").split()
    for word in words:
        if not is_scope(word):
            raise SettingsError(f'{name} holds "{word}"; scopes are printable ASCII, separated by blanks.')
    return frozenset(words)


def _required_scopes(environ: Mapping[str, str]) -> frozenset[str]:
    scopes = _scopes(environ, "MCP_SCOPES")
    if OFFLINE_ACCESS in scopes:
        raise SettingsError(
            f"MCP_SCOPES holds {OFFLINE_ACCESS}, which is between a client and its issuer; leave it out. "
            "A resource never asks for it."
        )
    return scopes


def _origins(environ: Mapping[str, str]) -> frozenset[str]:
    origins = environ.get("MCP_ALLOWED_ORIGINS", "").split()
    for origin in origins:
        # As browsers send it (RFC 6454 §6.2): lower case, and no port that is the scheme's own.
        found = _ORIGIN.fullmatch(origin)
        if found is None or (found["scheme"], found["port"]) in (("https", ":443"), ("http", ":80")):
            raise SettingsError(
                f'MCP_ALLOWED_ORIGINS holds "{origin}"; name each origin in full as browsers do: lower case, '
                "no path and no default port, like https://app.example.com."
            )
    return frozenset(origins)


def _otlp_protocol(environ: Mapping[str, str]) -> str | None:
    """How OpenTelemetry's spans are to leave; it reads everything else of OTEL_* itself."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "")
    asked = exporter == "otlp" or any(
        environ.get(name) for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    )
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter not in ("", "otlp")
    protocols = (environ.get(name) for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"))
    return next(filter(None, protocols), "http/protobuf") if asked and not off else None


def _server(environ: Mapping[str, str]) -> str:
    server = environ.get("MCP_SERVER") or "tools:server"
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", server):
        raise SettingsError(f'MCP_SERVER is "{server}"; write module:attribute, like tools:server.')
    return server


def _jwt(environ: Mapping[str, str]) -> JwtSettings:
    issuers = tuple(environ.get("MCP_JWT_ISSUER", "").split())
    if not issuers:
        raise SettingsError(
            "MCP_DOOR is jwt, but MCP_JWT_ISSUER is not set. Set it to your issuer's URL, e.g. https://login.example.com."
        )
    for issuer in issuers:
        _check_url("MCP_JWT_ISSUER", issuer, "https://login.example.com")
    jwks_url, jwks = environ.get("MCP_JWT_JWKS_URL") or None, environ.get("MCP_JWT_JWKS") or None
    if jwks_url is not None:
        if jwks is not None:
            raise SettingsError("MCP_JWT_JWKS_URL and MCP_JWT_JWKS are both set; keep one of them.")
        _check_url("MCP_JWT_JWKS_URL", jwks_url, "https://login.example.com/jwks.json")
    if jwks is not None:
        _check_json("MCP_JWT_JWKS", jwks)
    if len(issuers) > 1 and (jwks_url or jwks):
        name = "MCP_JWT_JWKS_URL" if jwks_url else "MCP_JWT_JWKS"
        # A key belongs to one issuer (RFC 8725 §3.8): one set for all would let each sign for the others.
        raise SettingsError(f"{name} is set, but MCP_JWT_ISSUER names {len(issuers)} issuers; leave {name} out.")
    subjects = frozenset(environ.get("MCP_JWT_SUBJECTS", "").split())
    if not subjects and not WORLDWIDE_ISSUERS.isdisjoint(issuers):
        raise SettingsError(
            f"MCP_JWT_ISSUER is {next(iter(WORLDWIDE_ISSUERS.intersection(issuers)))}, which signs tokens for anybody "
            "in the world; set MCP_JWT_SUBJECTS to the `sub` of each caller that may come in."
        )
    audiences = frozenset(environ.get("MCP_JWT_AUDIENCE", "").split())
    return JwtSettings(
        issuers=issuers,
        audiences=audiences,
        jwks_url=jwks_url,
        jwks=jwks.encode() if jwks is not None else None,
        algorithms=_algorithms(environ),
        profiles=_profiles(environ, issuers, audiences),
        subjects=subjects,
    )


def _profiles(environ: Mapping[str, str], issuers: tuple[str, ...], audiences: frozenset[str]) -> tuple[Profile, ...]:
    """One profile for all issuers, or one for each in the order of MCP_JWT_ISSUER."""
    names = environ.get("MCP_JWT_PROFILE", "").split() or ["rfc9068"]
    for name in names:
        if name not in PROFILES:
            raise SettingsError(f'MCP_JWT_PROFILE is "{name}"; choose one of: {", ".join(PROFILES)}.')
        if PROFILES[name].audience_claim != "aud" and not audiences:
            raise SettingsError(
                f"MCP_JWT_PROFILE is {name}, whose tokens have no aud, and MCP_JWT_AUDIENCE is not set. "
                "Set it to the ids of the app clients that may call."
            )
    if len(names) == 1:
        names *= len(issuers)
    if len(names) != len(issuers):
        raise SettingsError(
            f"MCP_JWT_PROFILE names {len(names)} profiles and MCP_JWT_ISSUER {len(issuers)} issuers; "
            "name one profile for all, or one for each issuer in the same order."
        )
    return tuple(PROFILES[name] for name in names)


def _check_json(name: str, text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError(f'{name} is not JSON; it takes the key set itself, like {{"keys": [...]}}.') from None


def _algorithms(environ: Mapping[str, str]) -> frozenset[str]:
    names = environ.get("MCP_JWT_ALGORITHMS", "").split() or list(ASYMMETRIC_ALGORITHMS)
    for name in names:
        if name not in ASYMMETRIC_ALGORITHMS:
            raise SettingsError(
                f'MCP_JWT_ALGORITHMS holds "{name}"; choose from: {", ".join(ASYMMETRIC_ALGORITHMS)}. '
                "Symmetric algorithms and none are never accepted."
            )
    return frozenset(names)
