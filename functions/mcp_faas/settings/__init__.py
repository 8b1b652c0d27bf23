"""The settings of the functions: the only reader of their environment. No I/O besides, and no default for the door.

A setting that is missing or wrong is one sentence with its name, the value it has and the values it can have; the
function then does not start. An open door is never the fallback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from mcp_faas.auth.scopes import OFFLINE_ACCESS, is_scope
from mcp_faas.settings.doubts import doubts
from mcp_faas.settings.issuers import JwtSettings, read_jwt_settings
from mcp_faas.settings.values import (
    KEY_ADDRESSES,
    TOKEN_ADDRESSES,
    SettingsError,
    check_address,
    check_url,
    choice,
    switch,
    words,
)

Door = Literal["platform", "bearer", "jwt"]
DOORS = ("platform", "bearer", "jwt")
FC_DEFAULT_PORT = 9000
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?P<port>:[1-9][0-9]{0,4})?")


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
    doubts: tuple[str, ...]  # for the log: what is allowed and hardly meant


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting. Raises `SettingsError` for the first that is missing or wrong."""
    door = choice(environ, "MCP_DOOR", DOORS)
    public_url = environ.get("MCP_PUBLIC_URL") or None
    if public_url is not None:
        check_url("MCP_PUBLIC_URL", public_url, "https://api.example.com/mcp")
    supported = environ.get("MCP_SCOPES_SUPPORTED") or None
    return Settings(
        door=cast(Door, door),
        public_url=public_url,
        tokens=read_tokens_address(environ) if door == "bearer" else None,
        jwt=read_jwt_settings(environ) if door == "jwt" else None,
        scopes=_own_scopes(environ, "MCP_SCOPES"),
        scopes_supported=_own_scopes(environ, "MCP_SCOPES_SUPPORTED") if supported is not None else None,
        token_scopes=_scopes(environ, "MCP_TOKEN_SCOPES"),
        denies_in_results=switch(environ, "MCP_SCOPE_ERROR_IN_RESULT"),
        hides_forbidden=switch(environ, "MCP_HIDE_FORBIDDEN"),
        require_authorizer=switch(environ, "MCP_REQUIRE_AUTHORIZER"),
        allowed_origins=_origins(environ),
        sse=switch(environ, "MCP_SSE"),
        request_state_key=_request_state_key(environ),
        server=_server(environ),
        log_level=read_log_level(environ),
        otlp_protocol=_otlp_protocol(environ),
        doubts=doubts(environ),
    )


def read_log_level(environ: Mapping[str, str]) -> str:
    """The level of the function's log; INFO where nothing is set. Raises `SettingsError`."""
    return choice(environ, "MCP_LOG_LEVEL", LOG_LEVELS, default="INFO")


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
            f"{', '.join(TOKEN_ADDRESSES[:-1])} or {TOKEN_ADDRESSES[-1]}."
        )
    check_address("MCP_TOKENS", address, TOKEN_ADDRESSES, "Make a document with: tokens.py mint file:PATH")
    return address


def require_public_url(settings: Settings) -> None:
    """Door `jwt` where the platform does not tell the host: FC has only the Host header, which is a caller's word."""
    if settings.door == "jwt" and settings.public_url is None:
        raise SettingsError(
            "MCP_DOOR is jwt, but MCP_PUBLIC_URL is not set. Set it to the endpoint's public URL, "
            "e.g. https://mcp.example.com/mcp."
        )


def starts_from_snapshot(environ: Mapping[str, str]) -> bool:
    """Is this process one that Lambda copies, once it has started, for every instance that it needs (SnapStart)?"""
    return environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def require_shared_key(settings: Settings) -> None:
    """Where instances are copies: the key that the SDK makes for one process would be a key of all of them."""
    if settings.request_state_key is None:
        raise SettingsError(
            "MCP_REQUEST_STATE_KEY is not set, but this function starts from a snapshot (SnapStart), which would hold "
            "the key that is made without it. Set it to the address of a key: aws://REGION/SECRET or file:PATH."
        )


def _request_state_key(environ: Mapping[str, str]) -> str | None:
    address = environ.get("MCP_REQUEST_STATE_KEY") or None
    if address is not None:
        check_address("MCP_REQUEST_STATE_KEY", address, KEY_ADDRESSES, "Make a key with: openssl rand -hex 32")
    return address


def _scopes(environ: Mapping[str, str], name: str) -> frozenset[str]:
    found = words(environ, name)
    for word in found:
        if not is_scope(word):
            raise SettingsError(f'{name} holds "{word}"; scopes are printable ASCII, separated by blanks.')
    return frozenset(found)


def _own_scopes(environ: Mapping[str, str], name: str) -> frozenset[str]:
    """Scopes that clients are told to ask for."""
    scopes = _scopes(environ, name)
    if OFFLINE_ACCESS in scopes:
        raise SettingsError(
            f"{name} holds {OFFLINE_ACCESS}, which is between a client and its issuer; leave it out. "
            "A resource never asks for it."
        )
    return scopes


def _origins(environ: Mapping[str, str]) -> frozenset[str]:
    origins = words(environ, "MCP_ALLOWED_ORIGINS")
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
