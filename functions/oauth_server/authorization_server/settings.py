"""The settings of the authorization server: the only reader of OAUTH_*. No I/O, and nobody may log in by default.

A setting that is missing or wrong is one sentence with its name, the value it has and the values it can have; the
function then does not start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal, cast
from urllib.parse import urlsplit

from authorization_server.people import SUBJECT, Admission, Ending, Kind, Rule
from authorization_server.redirects import LOOPBACK_HOSTS, check_scheme
from mcp_faas.auth.scopes import OFFLINE_ACCESS, covers, is_scope
from mcp_faas.settings import read_log_level
from mcp_faas.settings.values import (
    KEY_ADDRESSES,
    SettingsError,
    check_address,
    check_url,
    choice,
    is_loopback,
    words,
)

LoginKind = Literal["github", "oidc", "local"]
LOGINS = ("github", "oidc", "local")
GITHUB_URL = "https://github.com"
ENTRA = re.compile(  # and its External ID, where every tenant has a host of its own
    r"login\.microsoftonline\.(?:com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net|.+\.ciamlogin\.com"
)
GOOGLE = "https://accounts.google.com"
DEFAULT_SCHEMES = ("cursor",)
CODE_SECONDS = 60
ACCESS_TOKEN_BOUNDS = (60, 24 * 3600)  # the functions that check tokens refuse those that live longer than a day
REFRESH_TOKEN_BOUNDS = (300, 366 * 86400)

KNOWN = (
    "OAUTH_ACCESS_TOKEN_TTL",
    "OAUTH_ALLOWED_DOMAINS",
    "OAUTH_ALLOWED_ORGS",
    "OAUTH_ALLOWED_USERS",
    "OAUTH_CLIENTS",
    "OAUTH_CLIENT_METADATA_DOCUMENTS",
    "OAUTH_ENDED",
    "OAUTH_GITHUB_URL",
    "OAUTH_ISSUER",
    "OAUTH_LOCAL_PASSPHRASE",
    "OAUTH_LOGIN",
    "OAUTH_LOGIN_CLIENT_ID",
    "OAUTH_LOGIN_CLIENT_SECRET",
    "OAUTH_LOGIN_ISSUER",
    "OAUTH_REDIRECT_SCHEMES",
    "OAUTH_REFRESH_TOKEN_TTL",
    "OAUTH_REGISTRATION",
    "OAUTH_RESOURCES",
    "OAUTH_SCOPES",
    "OAUTH_SCOPE_RULES",
    "OAUTH_SIGNING_KEYS",
    "OAUTH_STORE",
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RULE = re.compile(r"(?P<scope>.+)=(?P<kind>user|org|domain):(?P<value>.+)")
_ENDED = re.compile(r"(?P<subject>[^@].*?)(?:@(?P<time>[0-9]+|[0-9]{4}-.*))?")
_OF_A_KIND = re.compile("(?:user|org|domain):")  # as in a rule; a list is of one kind anyway
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_LISTS: dict[Kind, str] = {
    "user": "OAUTH_ALLOWED_USERS",
    "org": "OAUTH_ALLOWED_ORGS",
    "domain": "OAUTH_ALLOWED_DOMAINS",
}
_KEEP_IT = "Put it into a file or into Secrets Manager, and name that."


@dataclass(frozen=True)
class LoginSettings:
    """The provider that people log in at."""

    kind: LoginKind
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)  # addresses, both
    passphrase: str | None = field(default=None, repr=False)
    issuer: str = ""  # of an OpenID provider
    github_url: str = GITHUB_URL

    @property
    def numbers(self) -> str:
        """What stands before the numbers of people and organisations: every Enterprise host counts from one."""
        return "github" if self.github_url == GITHUB_URL else urlsplit(self.github_url).netloc


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked."""

    issuer: str
    resources: tuple[str, ...]
    store: str
    signing_keys: str = field(repr=False)
    login: LoginSettings
    admission: Admission
    ended: tuple[Ending, ...]
    scopes: tuple[str, ...]  # what may be granted at all: OAUTH_SCOPES, and what is needed
    needed_scopes: tuple[str, ...]  # MCP_SCOPES: what every request to a resource needs
    clients: str | None = field(repr=False)
    registration: bool
    client_documents: bool
    redirect_schemes: tuple[str, ...]
    access_token_seconds: int
    refresh_token_seconds: int
    log_level: str
    doubts: tuple[str, ...]  # for the log: what is allowed and hardly meant
    code_seconds: int = CODE_SECONDS

    @property
    def local(self) -> bool:
        """Is this server for one machine alone, by plain http?"""
        return self.issuer.startswith("http://")

    def has_ended(self, subject: str, given_at: int) -> bool:
        """Does a login of this person, begun then, count no longer by OAUTH_ENDED?"""
        return any(ending.covers(subject, given_at) for ending in self.ended)

    def url(self, path: str) -> str:
        """The public URL of an endpoint. Nothing is ever built from a header."""
        return self.issuer + path


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting. Raises `SettingsError` for the first that is missing or wrong."""
    issuer = _issuer(environ)
    needed = _scopes(environ, "MCP_SCOPES")
    offered = _scopes(environ, "OAUTH_SCOPES")
    scopes = (*offered, *(scope for scope in needed if not covers(offered, scope)))  # without these nobody could get in
    login = _login(environ, issuer)
    settings = Settings(
        issuer=issuer,
        resources=_resources(environ),
        store=_store(environ),
        signing_keys=read_signing_keys(environ),
        login=login,
        admission=_admission(environ, scopes),
        ended=_ended(environ, login),
        scopes=scopes,
        needed_scopes=needed,
        clients=_optional_address(environ, "OAUTH_CLIENTS", "It holds a JSON list of clients, each as in RFC 7591 §2."),
        registration=_on(environ, "OAUTH_REGISTRATION"),
        client_documents=_on(environ, "OAUTH_CLIENT_METADATA_DOCUMENTS"),
        redirect_schemes=_schemes(environ),
        access_token_seconds=_duration(environ, "OAUTH_ACCESS_TOKEN_TTL", "15m", ACCESS_TOKEN_BOUNDS),
        refresh_token_seconds=_duration(environ, "OAUTH_REFRESH_TOKEN_TTL", "30d", REFRESH_TOKEN_BOUNDS),
        log_level=read_log_level(environ),
        doubts=(),
    )
    return Settings(**{**settings.__dict__, "doubts": _doubts(environ, settings)})


def read_signing_keys(environ: Mapping[str, str]) -> str:
    """The one setting of the function that rotates the keys: where they are. Raises `SettingsError`."""
    return _address(environ, "OAUTH_SIGNING_KEYS", "Begin a document with: scripts/signing_keys.py mint ADDRESS")


def _issuer(environ: Mapping[str, str]) -> str:
    issuer = environ.get("OAUTH_ISSUER") or ""
    example = "https://mcp.example.com"
    if not issuer:
        raise SettingsError(f"OAUTH_ISSUER is not set. Set it to the public URL of this server, e.g. {example}.")
    check_url("OAUTH_ISSUER", issuer, example)
    parts = urlsplit(issuer)
    if parts.scheme == "http" and parts.netloc.removesuffix(f":{parts.port}") not in LOOPBACK_HOSTS:
        raise SettingsError(f'OAUTH_ISSUER is "{issuer}"; by http it takes one of: {", ".join(LOOPBACK_HOSTS)}.')
    # Clients compare it byte for byte, and some look for the endpoints below the host alone.
    if parts.path or issuer != issuer.lower() or parts.port == _DEFAULT_PORTS[parts.scheme]:
        raise SettingsError(
            f'OAUTH_ISSUER is "{issuer}"; it takes scheme and host in lower case, without path, slash at the end or '
            f"the port that the scheme has anyway, like {example}."
        )
    return issuer


def _resources(environ: Mapping[str, str]) -> tuple[str, ...]:
    found = words(environ, "OAUTH_RESOURCES")
    example = "https://mcp.example.com/mcp"
    if not found:
        raise SettingsError(f"OAUTH_RESOURCES is not set. Set it to the URL of the MCP endpoint, e.g. {example}.")
    for url in found:
        check_url("OAUTH_RESOURCES", url, example)
    if len(set(found)) != len(found):
        raise SettingsError("OAUTH_RESOURCES names a resource twice; name each once.")
    return tuple(found)


def _store(environ: Mapping[str, str]) -> str:
    value = environ.get("OAUTH_STORE") or ""
    if not value:
        raise SettingsError("OAUTH_STORE is not set. Set it to sqlite:PATH or dynamodb://REGION/TABLE.")
    if not re.fullmatch(r"sqlite:.+|dynamodb://[a-z0-9-]+/[A-Za-z0-9_.-]{3,255}", value):
        raise SettingsError(f'OAUTH_STORE is "{value}"; it takes sqlite:PATH or dynamodb://REGION/TABLE.')
    return value


def _login(environ: Mapping[str, str], issuer: str) -> LoginSettings:
    kind = choice(environ, "OAUTH_LOGIN", LOGINS)
    if kind == "local":
        if not is_loopback(urlsplit(issuer).hostname or ""):
            raise SettingsError(
                f'OAUTH_LOGIN is local, which is for development, and OAUTH_ISSUER is "{issuer}"; it takes a loopback '
                "issuer like http://127.0.0.1:8787. Choose one of: github, oidc."
            )
        return LoginSettings(
            "local",
            passphrase=_address(environ, "OAUTH_LOCAL_PASSPHRASE", "It holds the passphrase of the user dev."),
        )
    client_id = environ.get("OAUTH_LOGIN_CLIENT_ID") or ""
    if not client_id:
        raise SettingsError(
            f"OAUTH_LOGIN is {kind}, but OAUTH_LOGIN_CLIENT_ID is not set. "
            "Set it to the client id that the provider gave you."
        )
    secret = _address(environ, "OAUTH_LOGIN_CLIENT_SECRET", _KEEP_IT)
    upstream, github = environ.get("OAUTH_LOGIN_ISSUER") or "", environ.get("OAUTH_GITHUB_URL") or GITHUB_URL
    if kind == "oidc":
        if not upstream:
            raise SettingsError(
                "OAUTH_LOGIN is oidc, but OAUTH_LOGIN_ISSUER is not set. Set it to the provider's issuer, "
                "e.g. https://login.example.com."
            )
        check_url("OAUTH_LOGIN_ISSUER", upstream, "https://login.example.com")
        before, discovery, _ = upstream.partition("/.well-known/")
        if discovery:
            raise SettingsError(
                f'OAUTH_LOGIN_ISSUER is "{upstream}", the address of a document; it takes what stands there as issuer, '
                f"like {before}."
            )
        parts = urlsplit(upstream)
        if ENTRA.fullmatch(parts.hostname or "") and parts.path.split("/")[1:2] in (
            ["common"],
            ["organizations"],
            ["consumers"],
        ):
            # Whoever has a tenant could say of everybody that they are a person of it.
            raise SettingsError(
                f'OAUTH_LOGIN_ISSUER is "{upstream}", which is every tenant\'s; name your own, '
                f"https://{parts.hostname}/TENANT-ID/v2.0."
            )
    elif upstream:
        raise SettingsError(
            f'OAUTH_LOGIN is {kind}, and OAUTH_LOGIN_ISSUER is "{upstream}", which nothing would ask; leave it out, or '
            "set OAUTH_LOGIN=oidc."
        )
    check_url("OAUTH_GITHUB_URL", github, "https://github.example.com")
    if urlsplit(github).path.strip("/"):
        raise SettingsError(f'OAUTH_GITHUB_URL is "{github}"; it takes a host alone, like https://github.example.com.')
    return LoginSettings(
        cast(LoginKind, kind), client_id, client_secret=secret, issuer=upstream, github_url=_origin(github)
    )


def _origin(url: str) -> str:
    """Scheme and host in the one form that can be compared: with it people and organisations are numbered."""
    parts = urlsplit(url)
    host = re.sub(":[0-9]*$", "", parts.netloc.lower())
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _admission(environ: Mapping[str, str], scopes: tuple[str, ...]) -> Admission:
    lists: dict[Kind, frozenset[str]] = {}
    for kind, name in _LISTS.items():
        found = words(environ, name)
        for word in found:
            _check_name(name, word, kind, word)
        lists[kind] = frozenset(found)
    rules = []
    for word in words(environ, "OAUTH_SCOPE_RULES"):
        rule = _RULE.fullmatch(word)
        if rule is None or not covers(scopes, rule["scope"]):
            raise SettingsError(
                f'OAUTH_SCOPE_RULES holds "{word}"; a rule is SCOPE=user:NAME, SCOPE=org:NAME or SCOPE=domain:NAME, '
                "with a scope that OAUTH_SCOPES allows."
            )
        kind = cast(Kind, rule["kind"])
        _check_name("OAUTH_SCOPE_RULES", word, kind, rule["value"])
        rules.append(Rule(rule["scope"], kind, rule["value"]))
    return Admission(lists["user"], lists["org"], lists["domain"], tuple(rules))


def _check_name(setting: str, word: str, kind: Kind, name: str) -> None:
    """A list in another style, or the address of somebody's page, would be nobody, without a word."""
    if kind == "domain" and not _DOMAIN.fullmatch(name):
        raise SettingsError(
            f'{setting} holds "{word}"; name each domain of mail addresses in full, like example.com, and separate '
            "several by blanks."
        )
    if kind == "org" and (re.search(r"[,;/@]", name) or _OF_A_KIND.match(name)):
        raise SettingsError(
            f'{setting} holds "{word}"; name each organisation by its name alone, like acme, and separate several by '
            "blanks."
        )
    if kind == "user" and not name.startswith(SUBJECT) and (re.search("[,/]|^@|@$", name) or _OF_A_KIND.match(name)):
        raise SettingsError(
            f'{setting} holds "{word}"; name each person by a login name, a mail address or an id alone, like alice, '
            f"and separate several by blanks. An id that looks like this one is {SUBJECT}ID."
        )


def _ended(environ: Mapping[str, str], login: LoginSettings) -> tuple[Ending, ...]:
    """An entry that would end nothing, by a slip, must not look as if it did."""
    made = []
    example = {"github": f"{login.numbers}:583231", "local": "dev"}.get(login.kind, "00u1a2b3c4d5")
    for word in words(environ, "OAUTH_ENDED"):
        ending = _ending(word, login)
        if ending is None:
            raise SettingsError(
                f'OAUTH_ENDED holds "{word}"; it takes SUBJECT, SUBJECT@TIME or *@TIME: the subject as the audit line '
                f"has it, like {example}, with {SUBJECT} before one that has an @, and a time like 2026-01-31T18:00Z."
            )
        made.append(ending)
    return tuple(made)


def _ending(word: str, login: LoginSettings) -> Ending | None:
    found = _ENDED.fullmatch(word)
    if found is None:
        return None
    subject, before = found["subject"], None
    if found["time"] is not None:
        try:
            time = datetime.strptime(found["time"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        before = int(time.timestamp())
    if subject == "*":
        return None if before is None else Ending(None, before)
    who = subject.removeprefix(SUBJECT)
    if not who or subject.startswith("*") or (who == subject and "@" in subject):
        return None
    if login.kind == "github" and not re.fullmatch(f"{re.escape(login.numbers)}:[1-9][0-9]*", who):
        return None
    return Ending(who, before)


def _scopes(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = words(environ, name)
    for word in found:
        if not is_scope(word):
            raise SettingsError(f'{name} holds "{word}"; scopes are printable ASCII, separated by blanks.')
        if word == OFFLINE_ACCESS:
            raise SettingsError(f"{name} holds {OFFLINE_ACCESS}; leave it out: who may refresh gets a refresh token.")
    return tuple(dict.fromkeys(found))


def _schemes(environ: Mapping[str, str]) -> tuple[str, ...]:
    found = words(environ, "OAUTH_REDIRECT_SCHEMES")
    if found == ["none"]:
        return ()
    for scheme in found:
        if not check_scheme(scheme):
            raise SettingsError(
                f'OAUTH_REDIRECT_SCHEMES holds "{scheme}"; it takes private-use schemes in lower case, like cursor, '
                "or the one word none. https and loopback http are always accepted."
            )
    return tuple(dict.fromkeys(found)) or DEFAULT_SCHEMES


def _duration(environ: Mapping[str, str], name: str, default: str, bounds: tuple[int, int]) -> int:
    value = environ.get(name) or default
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", value)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not bounds[0] <= seconds <= bounds[1]:
        raise SettingsError(
            f'{name} is "{value}"; it takes a number and s, m, h or d, {bounds[0]}s to {bounds[1]}s, like {default}.'
        )
    return seconds


def _address(environ: Mapping[str, str], name: str, make: str) -> str:
    address = _optional_address(environ, name, make)
    if address is None:
        raise SettingsError(f"{name} is not set. Set it to {' or '.join(KEY_ADDRESSES)}. {make}")
    return address


def _optional_address(environ: Mapping[str, str], name: str, make: str) -> str | None:
    address = environ.get(name) or None
    if address is not None:
        check_address(name, address, KEY_ADDRESSES, make)
    return address


def _on(environ: Mapping[str, str], name: str) -> bool:
    return choice(environ, name, ("on", "off"), default="on") == "on"


def _doubts(environ: Mapping[str, str], settings: Settings) -> tuple[str, ...]:
    """What to warn of. No value is in it."""
    found = []
    if settings.admission.nobody:
        found.append(
            "nobody may log in: OAUTH_ALLOWED_USERS, OAUTH_ALLOWED_ORGS and OAUTH_ALLOWED_DOMAINS are all empty"
        )
    if settings.login.kind == "github" and settings.admission.domains:
        found.append("OAUTH_ALLOWED_DOMAINS lets in everybody who could verify such an address at GitHub, at any time")
    if settings.login.issuer == GOOGLE and settings.admission.domains:
        found.append("OAUTH_ALLOWED_DOMAINS lets in everybody who could verify such an address at Google, at any time")
    if settings.login.kind != "github" and settings.admission.by_organisation:
        found.append("organisations are known at GitHub alone: OAUTH_ALLOWED_ORGS and org rules let nobody in here")
    unknown = sorted(name for name in environ if name.startswith("OAUTH_") and name not in KNOWN and environ[name])
    if unknown:
        found.append(f"nothing reads {', '.join(unknown)}; docs/oauth.md has all settings")
    return tuple(found)
