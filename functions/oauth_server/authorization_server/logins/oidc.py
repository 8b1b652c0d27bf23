"""Log in at any OpenID provider that publishes its metadata: code flow with PKCE, state and nonce.

The ID token decides who it is. A mail address counts only where the provider says that it has verified it; neither
`hd` nor a name that people can choose decides anything.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from authorization_server.logins import Attempt, LoginDenied, LoginFailed, LoginUnavailable, s256
from authorization_server.logins.id_tokens import (
    IdTokenRefused,
    KeyMissing,
    PublishedKey,
    Wanted,
    read_keys,
    verify,
)
from authorization_server.logins.upstream import Deadline, Upstream, code_of
from authorization_server.people import Admission, Person
from authorization_server.settings import ENTRA, LoginSettings
from mcp_faas.settings.values import SettingsError, check_url, is_loopback

DISCOVERY = "/.well-known/openid-configuration"
KEPT_SECONDS = 600
KEYS_PAUSE_SECONDS = 30  # an unknown key is looked for once in this time
UNAVAILABLE = ("temporarily_unavailable", "server_error")
_ERROR = re.compile(r"[a-z_]{1,64}")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """What the provider publishes about itself, as far as a login needs it."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    sends_issuer: bool  # RFC 9207


class OpenIdLogin:
    """One provider. Metadata and keys are kept for a while; the secret is read anew for each login."""

    asks_here = False

    def __init__(
        self,
        settings: LoginSettings,
        admission: Admission,
        read_secret: Callable[[], str],
        clock: Callable[[], float] = time.time,
        upstream: Upstream | None = None,
    ) -> None:
        self._issuer, self._client_id, self._read_secret = settings.issuer, settings.client_id, read_secret
        self._clock, self._upstream, self._mail = clock, upstream or Upstream(), admission.by_address
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, tuple[PublishedKey, ...]] | None = None

    def begin(self, attempt: Attempt) -> str:
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": attempt.callback,
            "scope": "openid email" if self._mail else "openid",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": s256(attempt.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = self._published(Deadline()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Person:
        deadline = Deadline()
        metadata = self._published(deadline)
        # Before anything else of the answer is believed, an error included (RFC 9207 §2.4).
        if answer.get("iss", None if metadata.sends_issuer else self._issuer) != self._issuer:
            raise LoginFailed("provider_issuer_wrong")
        if "error" in answer:
            raise _refusal(answer["error"])
        tokens = self._redeem(metadata, attempt, code_of(answer), deadline)
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise LoginFailed("id_token_missing")
        claims = self._verified(metadata, token, attempt.nonce, deadline)
        return Person(
            subject=claims["sub"],
            name=next((claims[key] for key in ("name", "email") if isinstance(claims.get(key), str)), claims["sub"]),
            emails=self._emails(metadata, claims, tokens.get("access_token"), deadline) if self._mail else (),
            auth_time=claims["auth_time"] if type(claims.get("auth_time")) is int else None,
        )

    def _redeem(self, metadata: Metadata, attempt: Attempt, code: str, deadline: Deadline) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.callback,
            "code_verifier": attempt.verifier,
        }
        secret, basic = self._read_secret(), None
        if "client_secret_basic" in metadata.auth_methods:
            basic = (quote(self._client_id, safe=""), quote(secret, safe=""))  # RFC 6749 §2.3.1
        elif "client_secret_post" in metadata.auth_methods:
            form |= {"client_id": self._client_id, "client_secret": secret}
        else:
            raise LoginFailed("provider_settings_wrong")
        reply = self._upstream.post(metadata.token_endpoint, deadline, form, basic=basic)
        if not reply.ok:
            raise _refusal(reply.document().get("error"))
        return reply.document()

    def _verified(self, metadata: Metadata, token: str, nonce: str, deadline: Deadline) -> dict[str, Any]:
        wanted = Wanted(self._issuer, self._client_id, nonce)
        try:
            try:
                return verify(token, self._key_set(metadata, deadline), wanted, self._clock())
            except KeyMissing:  # the provider may have a new key
                return verify(token, self._key_set(metadata, deadline, anew=True), wanted, self._clock())
        except IdTokenRefused as why:
            logger.warning("the ID token is refused: %s", why)
            raise LoginFailed("id_token_refused") from None

    def _emails(
        self, metadata: Metadata, claims: Mapping[str, Any], access_token: object, deadline: Deadline
    ) -> tuple[str, ...]:
        """Some providers tell the address in the ID token, others only at their userinfo endpoint."""
        if "email" not in claims and metadata.userinfo_endpoint is not None and isinstance(access_token, str):
            if not re.fullmatch(r"[\x21-\x7e]+", access_token):
                raise LoginFailed("provider_answer_malformed")
            reply = self._upstream.get(metadata.userinfo_endpoint, deadline, bearer=access_token)
            if not reply.ok:
                raise LoginFailed("provider_refused")
            told = reply.document()
            if told.get("sub") != claims["sub"]:  # OpenID Connect Core §5.3.2: it may be about somebody else
                raise LoginFailed("userinfo_of_another")
            claims = told
        email = claims.get("email")
        return (email,) if isinstance(email, str) and is_verified(self._issuer, claims) else ()

    def _published(self, deadline: Deadline) -> Metadata:
        with self._lock:
            if self._metadata is not None and self._clock() < self._metadata[0]:
                return self._metadata[1]
        reply = self._upstream.get(self._issuer.rstrip("/") + DISCOVERY, deadline)
        if not reply.ok:
            raise LoginUnavailable("provider_metadata_wrong")
        try:
            found = read_metadata(self._issuer, reply.document())
        except LoginFailed:
            raise LoginUnavailable("provider_metadata_wrong") from None
        with self._lock:
            self._metadata = (self._clock() + KEPT_SECONDS, found)
        return found

    def _key_set(self, metadata: Metadata, deadline: Deadline, *, anew: bool = False) -> tuple[PublishedKey, ...]:
        with self._lock:
            age = KEYS_PAUSE_SECONDS if anew else KEPT_SECONDS
            if self._keys is not None and self._clock() < self._keys[0] + age:
                return self._keys[1]
        reply = self._upstream.get(metadata.jwks_uri, deadline)
        if not reply.ok:
            raise LoginFailed("provider_metadata_wrong")
        found = read_keys(reply.document())
        with self._lock:
            self._keys = (self._clock(), found)
        return found


def read_metadata(issuer: str, document: Mapping[str, Any]) -> Metadata:
    """OpenID Connect Discovery §4.3: another issuer's metadata must not be used. Raises `LoginFailed`."""
    if document.get("issuer") != issuer:
        logger.error("the provider's metadata name another issuer than OAUTH_LOGIN_ISSUER: write it as they do")
        raise LoginFailed("provider_metadata_wrong")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    userinfo = document.get("userinfo_endpoint")
    return Metadata(
        authorization_endpoint=_endpoint(issuer, document, "authorization_endpoint"),
        token_endpoint=_endpoint(issuer, document, "token_endpoint"),
        jwks_uri=_endpoint(issuer, document, "jwks_uri"),
        userinfo_endpoint=None if userinfo is None else _endpoint(issuer, document, "userinfo_endpoint"),
        auth_methods=tuple(methods) if isinstance(methods, list) else (),
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def is_verified(issuer: str, claims: Mapping[str, Any]) -> bool:
    """Does the provider say that the address is this person's? By the exact type: some send the text "false"."""
    if ENTRA.fullmatch(urlsplit(issuer).hostname or ""):
        # Anybody with a tenant can enter any address; only this optional claim says that its domain is theirs.
        return claims.get("xms_edov") in (True, "1", "true")
    return claims.get("email_verified") is True


def _endpoint(issuer: str, document: Mapping[str, Any], name: str) -> str:
    url = document.get(name)
    try:
        # RFC 8414 §2 lets the authorization endpoint alone have a query.
        plain = str(url).partition("?")[0] if name == "authorization_endpoint" else str(url)
        check_url(name, plain, "https://login.example.com")
        if not isinstance(url, str) or not re.fullmatch(r"[\x21-\x7e]+", url) or "#" in url:
            raise LoginFailed("provider_metadata_wrong")
        if is_loopback(urlsplit(url).hostname or "") and not is_loopback(urlsplit(issuer).hostname or ""):
            raise LoginFailed("provider_metadata_wrong")
    except (SettingsError, LoginFailed):
        logger.error("%s in the provider's metadata is not usable", name)  # noqa: TRY400 - no traceback is wanted
        raise LoginFailed("provider_metadata_wrong") from None
    return url


def _refusal(error: object) -> LoginFailed:
    """What an error of RFC 6749 means here. The text that comes with it is not passed on."""
    told = error if isinstance(error, str) and _ERROR.fullmatch(error) else "no known error"
    logger.warning("the provider says: %s", told)
    if told == "access_denied":
        return LoginDenied("provider_denied")
    if told in UNAVAILABLE:
        return LoginUnavailable("provider_unreachable")
    if told in ("invalid_client", "unauthorized_client", "redirect_uri_mismatch", "invalid_scope"):
        return LoginFailed("provider_settings_wrong")
    return LoginFailed("provider_refused")
