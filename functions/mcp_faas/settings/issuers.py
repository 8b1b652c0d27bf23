"""The settings of door `jwt`: whose tokens count, of which shape, and where their keys are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.profiles import PROFILES, WORLDWIDE_ISSUERS, Profile
from mcp_faas.settings.values import SettingsError, check_url, switch, words


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
    private_issuer: bool  # the issuer may have an address of a private network

    @property
    def trusted(self) -> tuple[tuple[str, Profile], ...]:
        """Each issuer with the profile of its tokens."""
        return tuple(zip(self.issuers, self.profiles, strict=True))


def read_jwt_settings(environ: Mapping[str, str]) -> JwtSettings:
    """Read and check everything about door `jwt`. Raises `SettingsError`."""
    issuers = tuple(words(environ, "MCP_JWT_ISSUER"))
    if not issuers:
        raise SettingsError(
            "MCP_DOOR is jwt, but MCP_JWT_ISSUER is not set. Set it to your issuer's URL, e.g. https://login.example.com."
        )
    for issuer in issuers:
        check_url("MCP_JWT_ISSUER", issuer, "https://login.example.com")
        if "/.well-known/" in issuer:
            raise SettingsError(
                f'MCP_JWT_ISSUER is "{issuer}", where its metadata is; set it to what that document calls `issuer`.'
            )
        if issuers.count(issuer) > 1:
            raise SettingsError(f'MCP_JWT_ISSUER names "{issuer}" twice; name each issuer once.')
    jwks_url, jwks = environ.get("MCP_JWT_JWKS_URL") or None, environ.get("MCP_JWT_JWKS") or None
    if jwks_url is not None:
        if jwks is not None:
            raise SettingsError("MCP_JWT_JWKS_URL and MCP_JWT_JWKS are both set; keep one of them.")
        check_url("MCP_JWT_JWKS_URL", jwks_url, "https://login.example.com/jwks.json")
    if jwks is not None:
        _check_json("MCP_JWT_JWKS", jwks)
    if len(issuers) > 1 and (jwks_url or jwks):
        name = "MCP_JWT_JWKS_URL" if jwks_url else "MCP_JWT_JWKS"
        # A key belongs to one issuer (RFC 8725 §3.8): one set for all would let each sign for the others.
        raise SettingsError(f"{name} is set, but MCP_JWT_ISSUER names {len(issuers)} issuers; leave {name} out.")
    subjects = frozenset(words(environ, "MCP_JWT_SUBJECTS"))
    if not subjects and not WORLDWIDE_ISSUERS.isdisjoint(issuers):
        raise SettingsError(
            f"MCP_JWT_ISSUER is {next(iter(WORLDWIDE_ISSUERS.intersection(issuers)))}, which signs tokens for anybody "
            "in the world; set MCP_JWT_SUBJECTS to the `sub` of each caller that may come in."
        )
    if subjects and len(issuers) > 1:
        # Who somebody is, is issuer and subject together (RFC 9068 §2.2): a `sub` is somebody else at each.
        raise SettingsError(
            f"MCP_JWT_SUBJECTS is set, but MCP_JWT_ISSUER names {len(issuers)} issuers, and a `sub` is somebody else "
            "at each; deploy a function for the issuer whose callers you name."
        )
    audiences = frozenset(words(environ, "MCP_JWT_AUDIENCE"))
    return JwtSettings(
        issuers=issuers,
        audiences=audiences,
        jwks_url=jwks_url,
        jwks=jwks.encode() if jwks is not None else None,
        algorithms=_algorithms(environ),
        profiles=_profiles(environ, issuers, audiences),
        subjects=subjects,
        private_issuer=switch(environ, "MCP_JWT_PRIVATE_ISSUER"),
    )


def _profiles(environ: Mapping[str, str], issuers: tuple[str, ...], audiences: frozenset[str]) -> tuple[Profile, ...]:
    """One profile for all issuers, or one for each in the order of MCP_JWT_ISSUER."""
    names = words(environ, "MCP_JWT_PROFILE") or ["rfc9068"]
    for name in names:
        if name not in PROFILES:
            raise SettingsError(
                f'MCP_JWT_PROFILE is "{name}"; choose one of: {", ".join(PROFILES)}. Blanks separate several.'
            )
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
    names = words(environ, "MCP_JWT_ALGORITHMS") or list(ASYMMETRIC_ALGORITHMS)
    for name in names:
        if name not in ASYMMETRIC_ALGORITHMS:
            raise SettingsError(
                f'MCP_JWT_ALGORITHMS holds "{name}"; choose from: {", ".join(ASYMMETRIC_ALGORITHMS)}. '
                "Blanks separate several. Symmetric algorithms and none are never accepted."
            )
    return frozenset(names)
