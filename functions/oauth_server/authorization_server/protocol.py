"""The endpoints that clients call with a form, on Authlib's server: /token, /revoke and /introspect.

Authlib reads the request, authenticates the client, finds the grant and shapes the errors; what is given for what is in
`records/`. docs/decisions/authlib-for-the-token-endpoints.md says where its defaults are not ours.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Payload,
    OAuth2Request,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from authorization_server import access_tokens, resources, scopes
from authorization_server.clients import Client, ClientRefused, Clients
from authorization_server.keeping import change, find
from authorization_server.key_source import KeySource
from authorization_server.metadata import AUTH_METHODS, SECRET_METHODS
from authorization_server.records import Refused, handles
from authorization_server.records.grants import (
    Grant,
    Granted,
    Redemption,
    Renewal,
    alive,
    redeem,
    remaining,
    renew,
    revoke,
)
from authorization_server.settings import Settings
from authorization_server.standing import standing
from authorization_server.storage import Storage, StorageUnavailable
from mcp_faas.auth.scopes import covers, least

# What a caller hears; the reason is in the log alone.
_DESCRIPTIONS = {
    "invalid_grant": "The code or refresh token is not valid, or not for this client and request.",
    "invalid_scope": "A refresh cannot ask for more than was granted.",
    "invalid_target": "The grant is for another resource.",
    "invalid_client": "There is no such client, or it did not authenticate.",
    "invalid_request": "The request is malformed.",
}


@dataclass
class Story:
    """What is known of a request when it has been answered, for the audit line."""

    reason: str | None = None
    detail: str | None = None  # what the caller or the person was told: words of ours, or settings
    client: str | None = None
    subject: str | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """What goes back, before the web framework has it."""

    status: int
    body: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


class _Form(OAuth2Payload):  # type: ignore[misc]  # Authlib ships no types
    """The form alone: Authlib's own reading for Flask takes the query too, where a secret must never be."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        # A parameter without a value is as if it were not there (RFC 6749 §3.2).
        self._values = {name: [value for value in given if value] for name, given in values.items()}

    @property
    def datalist(self) -> dict[str, list[str]]:
        return self._values

    @property
    def data(self) -> dict[str, str]:
        return {name: given[0] for name, given in self._values.items() if given}


class FormRequest(OAuth2Request):  # type: ignore[misc]
    """One POST of a form. `uri` is ours by the settings: Authlib's own is made of the Host header."""

    def __init__(self, uri: str, values: Mapping[str, Sequence[str]], authorization: str | None, story: Story) -> None:
        super().__init__("POST", uri, headers={"Authorization": authorization} if authorization else {})
        self.payload = _Form(values)
        self.story = story

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data

    @property
    def args(self) -> dict[str, str]:
        return {}

    @property
    def resources(self) -> list[str]:
        return list(self.payload.datalist.get("resource", []))


class AuthlibClient:
    """A client in the words that Authlib's authentication asks in."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        return self.client.client_id

    def check_client_secret(self, secret: str) -> bool:
        return self.client.has_secret(secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return self.client.auth_method == method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


class Protocol(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server with our grants."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        keys: KeySource,
        clients: Clients,
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self.settings, self.storage, self.keys, self.clients, self._clock = settings, storage, keys, clients, clock
        self.register_client_auth_method("client_secret_basic", _authenticate_basic)
        for grant in (CodeGrant, RefreshGrant, MachineGrant):
            self.register_grant(grant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    @property
    def now(self) -> int:
        return int(self._clock())

    def standing(self, grant: Grant) -> tuple[str, ...] | Refused:
        if self.clients.is_machine(grant.subject):  # entered since the login
            return Refused("invalid_grant", "person_not_admitted")
        return standing(grant, self.settings)

    def token(self, request: FormRequest) -> Answer:
        answer: Answer = self._checked(request, self.create_token_response)
        return answer

    def revoke(self, request: FormRequest) -> Answer:
        return self._checked(request, lambda asked: self.create_endpoint_response("revocation", asked))

    def introspect(self, request: FormRequest) -> Answer:
        return self._checked(request, lambda asked: self.create_endpoint_response("introspection", asked))

    def _checked(self, request: FormRequest, answer: Callable[[FormRequest], Any]) -> Answer:
        try:
            for name, values in request.payload.datalist.items():
                if len(values) > 1 and name != "resource":  # RFC 6749 §3.2
                    raise InvalidRequestError("A parameter is there more than once.")
            given: Answer = answer(request)
        except OAuth2Error as error:
            given = self.handle_error_response(request, error)
        return given

    def query_client(self, client_id: str) -> AuthlibClient | None:
        try:
            return AuthlibClient(self.clients.find_again(client_id))
        except ClientRefused:
            return None

    def authenticate_client(self, request: FormRequest, methods: Sequence[str], endpoint: str = "token") -> Any:
        """With an `Authorization` header by that alone (RFC 6749 §2.3: no more than one way in a request)."""
        header = request.headers.get("Authorization")
        if header is None:
            return super().authenticate_client(request, methods, endpoint)
        found = _basic(header)
        if found is None:
            raise InvalidClientError
        if "client_secret" in request.form or request.form.get("client_id", found[0]) != found[0]:
            raise InvalidRequestError("Authenticate in one way.")
        return super().authenticate_client(request, ["client_secret_basic"], endpoint)

    def get_token_grant(self, request: FormRequest) -> BaseGrant:
        # Authlib's own error quotes what the caller sent.
        if request.payload.grant_type is None:
            raise InvalidRequestError("grant_type is missing.")
        if request.payload.grant_type not in (kind.GRANT_TYPE for kind, _ in self._token_grants):
            raise OAuth2Error("There is no such grant_type here.", error="unsupported_grant_type")
        return super().get_token_grant(request)

    def create_token_response(self, request: FormRequest) -> Answer:
        grant = self.get_token_grant(request)
        grant.validate_token_request()
        return self.handle_response(*grant.create_token_response())

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], headers: Sequence[tuple[str, str]]) -> Answer:
        return Answer(status, body, tuple(pair for pair in headers if pair[0].lower() == "www-authenticate"))

    def handle_error_response(self, request: FormRequest, error: OAuth2Error) -> Answer:
        request.story.reason = request.story.reason or error.error
        body = {"error": error.error, "error_description": error.get_error_description() or ""}
        if isinstance(error, InvalidClientError):
            body["error_description"] = _DESCRIPTIONS["invalid_client"]
        request.story.detail = body["error_description"]
        if isinstance(error, InvalidClientError):
            # RFC 6749 §5.2 with RFC 7617 §2, which wants a realm.
            return Answer(401, body, (_CHALLENGE,))
        return Answer(error.status_code, body)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def refuse(self, request: FormRequest, refused: Refused) -> OAuth2Error:
        request.story.reason = refused.reason
        return OAuth2Error(_DESCRIPTIONS[refused.error], error=refused.error)

    def issue(self, request: FormRequest, granted: Granted, key: str, refresh: str | None) -> dict[str, Any]:
        """The token answer for a person's grant. `key` is that of its record."""
        grant, now = granted.grant, self.now
        expires_at = min(now + self.settings.access_token_seconds, granted.until)
        token = access_tokens.mint(
            self.keys.signer(),
            issuer=self.settings.issuer,
            audience=grant.resource,
            subject=grant.subject,
            client_id=grant.client_id,
            scopes=granted.scopes,
            now=now,
            expires_at=expires_at,
            auth_time=grant.auth_time,
            grant=key,
        )
        request.story.subject, request.story.scopes = grant.subject, granted.scopes
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": expires_at - now,
            "scope": " ".join(granted.scopes),
        }
        return answer if refresh is None else {**answer, "refresh_token": refresh}


_CHALLENGE = ("WWW-Authenticate", 'Basic realm="oauth", charset="UTF-8"')


class _Grant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """What our grants share: whose client it is, before anything else is looked at."""

    TOKEN_ENDPOINT_AUTH_METHODS: Sequence[str] = AUTH_METHODS

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        self.request.story.client = self.request.client.get_client_id()
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("The client is not registered for this grant_type.")

    def _needed(self, name: str) -> str:
        value: str | None = self.request.form.get(name)
        if value is None:
            raise InvalidRequestError(f"{name} is missing.")
        return value

    def _resource(self) -> str | None:
        asked = self.request.resources
        if len(asked) > 1:
            raise OAuth2Error("Ask for one resource at a time.", error="invalid_target")
        return asked[0] if asked else None


class CodeGrant(_Grant):
    """RFC 6749 §4.1.3 with RFC 7636 for everybody."""

    GRANT_TYPE = "authorization_code"

    def create_token_response(self) -> tuple[int, Mapping[str, Any], Sequence[tuple[str, str]]]:
        server, request, client = self.server, self.request, self.request.client
        code, verifier = self._needed("code"), self._needed("code_verifier")
        if handles.s256(verifier) is None:
            raise InvalidRequestError("code_verifier is not 43 to 128 unreserved characters.")
        handle = handles.read("code", code)
        if handle is None:
            raise server.refuse(request, Refused("invalid_grant", "code_malformed"))
        refresh = handles.mint("refresh", handle.name) if client.check_grant_type("refresh_token") else None
        asked = Redemption(
            client.get_client_id(),
            handle.digest,
            request.form.get("redirect_uri"),
            verifier,
            self._resource(),
            refresh.digest if refresh else None,
            refresh.line_digest if refresh else None,
        )
        server.keys.signer()  # a code is not used up for nothing
        outcome = change(
            server.storage, Grant, handle.key, lambda grant: redeem(grant, asked, server.now, server.standing)
        )
        if isinstance(outcome, Refused):
            raise server.refuse(request, outcome)
        brought = refresh.text if refresh and outcome.grant.current else None
        return 200, server.issue(request, outcome, handle.key, brought), ()


class RefreshGrant(_Grant):
    """RFC 6749 §6, with rotation (RFC 9700 §4.14.2)."""

    GRANT_TYPE = "refresh_token"

    def create_token_response(self) -> tuple[int, Mapping[str, Any], Sequence[tuple[str, str]]]:
        server, request = self.server, self.request
        handle = handles.read("refresh", self._needed("refresh_token"))
        if handle is None:
            raise server.refuse(request, Refused("invalid_grant", "refresh_token_malformed"))
        fresh = handles.mint("refresh", handle.name, handle.line)
        asked = Renewal(
            request.client.get_client_id(),
            handle.line_digest,
            handle.digest,
            fresh.digest,
            _scopes(request) or None,
            self._resource(),
        )
        server.keys.signer()
        outcome = change(
            server.storage, Grant, handle.key, lambda grant: renew(grant, asked, server.now, server.standing)
        )
        if isinstance(outcome, Refused):
            raise server.refuse(request, outcome)
        server.clients.note_use(request.client.get_client_id())
        return 200, server.issue(request, outcome, handle.key, fresh.text), ()


class MachineGrant(_Grant):
    """RFC 6749 §4.4, for clients that the operator has entered. No refresh token (§4.4.3)."""

    GRANT_TYPE = "client_credentials"
    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS

    def create_token_response(self) -> tuple[int, Mapping[str, Any], Sequence[tuple[str, str]]]:
        server, request, client = self.server, self.request, self.request.client.client
        try:
            resource = resources.choose(request.resources, server.settings.resources)
        except resources.TargetRefused as why:
            raise OAuth2Error(f"{why}.", error="invalid_target") from None
        granted = machine_scopes(client, _scopes(request), server.settings)
        now = server.now
        expires_at = now + server.settings.access_token_seconds
        token = access_tokens.mint(
            server.keys.signer(),
            issuer=server.settings.issuer,
            audience=resource,
            subject=client.client_id,  # RFC 9068 §2.2
            client_id=client.client_id,
            scopes=granted,
            now=now,
            expires_at=expires_at,
        )
        request.story.subject, request.story.scopes = client.client_id, granted
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": expires_at - now}
        return 200, {**answer, "scope": " ".join(granted)}, ()


def machine_scopes(client: Client, asked: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """Of what exists here, what the operator has entered for this client; who has nothing entered, gets the least.

    Nobody looks on who could ask for less: without a word a machine gets all that it may have.
    """
    own = _entered_scopes(client, settings)
    found = tuple(scope for scope in asked if covers(own, scope)) if asked else own
    if asked and not found:
        raise InvalidScopeError(f"This client may have none of these scopes. It may have: {' '.join(own) or 'none'}.")
    return found


def _entered_scopes(client: Client, settings: Settings) -> tuple[str, ...]:
    entered = tuple(sorted(least(settings.needed_scopes))) if client.scopes is None else client.scopes
    return tuple(scope for scope in entered if covers(settings.scopes, scope))


class _Token:
    """What a caller presents to be revoked or described, if it is one of ours. What has expired is none."""

    def __init__(self, server: Protocol, text: str) -> None:
        self.claims: Mapping[str, Any] | None = None
        self.key: str | None = None  # of the grant's record; None for a machine's token
        handle = handles.read("refresh", text)
        self.refresh = None if handle is None else handle.digest
        self.line = None if handle is None else handle.line_digest
        if handle is not None:
            self.key = handle.key
        else:
            claims = access_tokens.read(text, server.keys.key_set(), server.settings.issuer)
            if claims is not None and claims["exp"] > server.now:
                self.claims = claims
                self.key = claims.get(access_tokens.GRANT_CLAIM)
        self.grant = find(server.storage, Grant, self.key) if self.key else None
        self.server = server

    def describe(self, now: int) -> dict[str, Any] | None:
        """RFC 7662 §2.2 of a token that counts now, with those of its scopes that do."""
        grant, claims = self.grant, self.claims
        if claims is not None and self.key is None:  # a machine's
            got = self._remaining_of_machine(claims)
            return None if got is None else _told(claims, got)
        if grant is None or not alive(grant, now):
            return None
        client = self.server.query_client(grant.client_id)
        if client is None or (claims is None and not client.check_grant_type(RefreshGrant.GRANT_TYPE)):
            return None
        left = remaining(grant, grant.scopes if claims is None else _scopes_of(claims), self.server.standing)
        if isinstance(left, Refused):
            return None
        if claims is not None:
            return _told(claims, left)
        if not (handles.same(grant.current, self.refresh) or handles.same(grant.previous, self.refresh)):
            return None
        found = {"sub": grant.subject, "client_id": grant.client_id, "aud": grant.resource, "exp": grant.expires_at}
        return {"active": True, "scope": " ".join(left), **found}

    def _remaining_of_machine(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Of the token's scopes those that the machine would still get; None if it would get no such token."""
        found, settings = self.server.query_client(claims["client_id"]), self.server.settings
        if found is None or found.client.origin != "configured" or not found.check_grant_type(MachineGrant.GRANT_TYPE):
            return None
        if claims["aud"] not in settings.resources:
            return None
        wanted, entered = _scopes_of(claims), _entered_scopes(found.client, settings)
        left = tuple(scope for scope in wanted if covers(entered, scope))
        return None if wanted and not left else left


def _scopes_of(claims: Mapping[str, Any]) -> list[str]:
    found: str = claims.get("scope", "")
    return found.split()


def _told(claims: Mapping[str, Any], scopes: tuple[str, ...]) -> dict[str, Any]:
    """What an access token says, but for the scopes that count no longer."""
    names = ("iss", "aud", "sub", "client_id", "iat", "exp", "jti", "auth_time")
    told = {"active": True, "token_type": "Bearer", **{name: claims[name] for name in names if name in claims}}
    return {**told, "scope": " ".join(scopes)} if scopes else told


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009. Any token of a grant ends the grant, with all its tokens."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def authenticate_token(self, request: FormRequest, client: AuthlibClient) -> _Token | None:
        request.story.client = client.get_client_id()
        token = _Token(self.server, _presented(request))
        if token.claims is not None and token.key is None:
            # Nobody asks us about it before it expires; to say that it is revoked would be a lie.
            raise OAuth2Error("A machine's access token ends by itself.", error="unsupported_token_type")
        if token.key and token.grant is None and self.server.storage.read(Grant.KIND, token.key) is not None:
            # Another version can read it and would let it live. RFC 7009 §2.2.1: by 503 the client knows that.
            raise StorageUnavailable("a grant that is to be revoked cannot be read")
        return token if token.grant is not None else None

    def revoke_token(self, token: _Token, request: FormRequest) -> None:
        client_id = request.client.get_client_id()
        done = change(self.server.storage, Grant, token.key or "", lambda grant: revoke(grant, client_id, token.line))
        if done is not None:
            raise self.server.refuse(request, done)


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """RFC 7662, for the resource servers that the operator has entered: with a secret, and without a grant."""

    CLIENT_AUTH_METHODS = SECRET_METHODS

    def authenticate_token(self, request: FormRequest, client: AuthlibClient) -> _Token | None:
        request.story.client = client.get_client_id()
        if client.client.origin != "configured" or client.client.grant_types:
            raise UnauthorizedClientError("Only resource servers that the operator has entered may ask.")
        return _Token(self.server, _presented(request))

    def create_introspection_payload(self, token: _Token | None) -> dict[str, Any]:
        return (token and token.describe(self.server.now)) or {"active": False}


def _presented(request: FormRequest) -> str:
    """The token; the hint is not needed to find it."""
    token = request.form.get("token")
    if token is None:
        raise InvalidRequestError("token is missing.")
    return token


def _scopes(request: FormRequest) -> tuple[str, ...]:
    try:
        return scopes.read(request.form.get("scope"))
    except scopes.ScopeRefused as why:
        raise InvalidScopeError(f"{why}.") from None


def _authenticate_basic(query_client: Callable[[str], AuthlibClient | None], request: FormRequest) -> Any:
    """In place of Authlib's, which fails on what is not base64 or UTF-8 and takes a plus sign for itself."""
    found = _basic(request.headers.get("Authorization") or "")
    client = query_client(found[0]) if found else None
    return client if client is not None and found is not None and client.check_client_secret(found[1]) else None


def _basic(header: str) -> tuple[str, str] | None:
    """Client and secret of RFC 6749 §2.3.1: form-encoded each, then as RFC 7617 has it."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client_id, colon, secret = text.partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) if colon and client_id and secret else None
