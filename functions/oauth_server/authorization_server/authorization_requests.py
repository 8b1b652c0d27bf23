"""What a client asks for at /authorize, judged: a page for the person, an error for the client, or a request to show.

No I/O but the look-up of the client. RFC 6749 §4.1.2.1: while client or redirect are in doubt nobody is sent anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from authorization_server import redirects, resources, scopes
from authorization_server.browser import Cookie
from authorization_server.clients import Client, ClientGone, ClientRefused, Clients, DocumentUnavailable
from authorization_server.settings import Settings
from authorization_server.storage import RETRY_AFTER_SECONDS

STATE_MAX_CHARACTERS = 2048
STATE_MAX_BYTES = 4096  # as it is stored; all that RFC 6749 allows of 2048 characters fits
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256, RFC 7636 §4.2
_ONCE = ("response_type", "state", "scope", "code_challenge", "code_challenge_method", "response_mode", "prompt")


class PageError(Exception):
    """An error that the person reads; `reason` is for the log, the message for the client's author.

    `back` is where a person may go on, who is not sent there: the client then hears of the error, too.
    """

    status = 400
    error = "invalid_request"
    wait_seconds: int | None = None
    cookies: tuple[Cookie, ...] = ()  # to take away

    def __init__(self, reason: str, message: str, *, back: ReturnError | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.back = back


class NotNow(PageError):
    """Something that we need from others cannot be had; later it may."""

    status = 503
    error = "temporarily_unavailable"
    wait_seconds = RETRY_AFTER_SECONDS


class DocumentNotNow(PageError):
    """A client's metadata document cannot be had now.

    Its address is what a stranger says, so it is no failure of ours, and must not ring whoever watches for those.
    """

    wait_seconds = 60  # what strangers may have fetched is counted by the minute


@dataclass(frozen=True)
class Return:
    """Where the answer goes, and what has to be in each."""

    redirect_uri: str
    state: str | None
    issuer: str

    def url(self, answer: Mapping[str, str]) -> str:
        """The redirect with an answer; `iss` is in every one (RFC 9207 §2)."""
        state = {} if self.state is None else {"state": self.state}
        return redirects.with_parameters(self.redirect_uri, urlencode({**answer, **state, "iss": self.issuer}))


class ReturnError(Exception):
    """An error that goes to the client."""

    cookies: tuple[Cookie, ...] = ()  # to take away

    def __init__(self, back: Return, error: str, message: str) -> None:
        super().__init__(message)
        self.back = back
        self.error = error

    @property
    def url(self) -> str:
        return self.back.url({"error": self.error, "error_description": str(self)})


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request that can be shown."""

    client: Client
    back: Return
    redirect_uri_asked: bool
    target: redirects.Target
    code_challenge: str = field(repr=False)
    resource: str
    scopes: tuple[str, ...]


def judge(parameters: Mapping[str, Sequence[str]], clients: Clients, settings: Settings) -> AuthorizationRequest:
    """The request. `parameters` are the query's, each with all its values. Raises `PageError` or `ReturnError`."""
    # A parameter without a value is as if it were not there (RFC 6749 §3.1).
    given = {name: [value for value in values if value] for name, values in parameters.items()}
    client = _client(given, clients)
    redirect_uri, asked = _redirect(given, client, settings)
    states = given.get("state", [])
    fits = len(states) == 1 and _fits(states[0])
    back = Return(redirect_uri, states[0] if fits else None, settings.issuer)

    def refuse(error: str, message: str) -> PageError | ReturnError:
        answer = ReturnError(back, error, message)
        # Anybody can register, with a redirect of his own choice: our address must not lead there by itself
        # (RFC 9700 §4.11.2). The person sees where it would, and decides.
        return answer if client.origin == "configured" else PageError(error, message, back=answer)

    for name in _ONCE:
        if len(given.get(name, [])) > 1:
            raise refuse("invalid_request", f"{name} is there more than once")
    if states and not fits:
        raise refuse("invalid_request", f"state is longer than {STATE_MAX_CHARACTERS} characters of ASCII")
    if "request" in given or "request_uri" in given:
        error = "request_not_supported" if "request" in given else "request_uri_not_supported"
        raise refuse(error, "request objects are not supported")
    if _one(given, "response_type") != "code":
        missing = "response_type" not in given or not given["response_type"]
        raise refuse("invalid_request" if missing else "unsupported_response_type", "response_type has to be code")
    if _one(given, "response_mode") not in (None, "query"):
        raise refuse("invalid_request", "response_mode has to be query")
    if "authorization_code" not in client.grant_types:
        raise refuse("unauthorized_client", "this client is not registered for the grant authorization_code")
    if "none" in (_one(given, "prompt") or "").split():
        raise refuse("interaction_required", "a person is always asked here")
    challenge, method = _one(given, "code_challenge"), _one(given, "code_challenge_method")
    if challenge is None:
        raise refuse("invalid_request", "code_challenge is missing: PKCE is required")
    if method != "S256":
        raise refuse("invalid_request", "code_challenge_method has to be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise refuse("invalid_request", "code_challenge is not the base64url of a SHA-256")
    try:
        resource = resources.choose(given.get("resource", []), settings.resources)
    except resources.TargetRefused as why:
        raise refuse("invalid_target", str(why)) from None
    try:
        wanted = scopes.grantable(scopes.read(_one(given, "scope")), settings.scopes, settings.needed_scopes)
    except scopes.ScopeRefused as why:
        raise refuse("invalid_scope", str(why)) from None
    target = redirects.read(redirect_uri, settings.redirect_schemes)
    return AuthorizationRequest(client, back, asked, target, challenge, resource, wanted)


def _client(given: Mapping[str, Sequence[str]], clients: Clients) -> Client:
    ids = given.get("client_id", [])
    if len(ids) != 1:
        raise PageError("client_missing" if not ids else "client_repeated", "client_id has to be there once")
    try:
        return clients.find(ids[0])
    except ClientGone as why:
        raise PageError("client_gone", str(why)) from None
    except ClientRefused as why:
        raise PageError("client_refused", str(why)) from None
    except DocumentUnavailable as why:
        raise DocumentNotNow("client_document_unavailable", f"{why}; try again later") from None


def _redirect(given: Mapping[str, Sequence[str]], client: Client, settings: Settings) -> tuple[str, bool]:
    asked = given.get("redirect_uri", [])
    if len(asked) > 1:
        raise PageError("redirect_repeated", "redirect_uri has to be there once")
    if not asked:
        if len(client.redirect_uris) != 1:
            raise PageError("redirect_missing", "redirect_uri is missing, and the client has not registered just one")
        asked = client.redirect_uris
    if not redirects.matches(client.redirect_uris, asked[0], settings.redirect_schemes):
        raise PageError("redirect_not_registered", "redirect_uri is not one that the client has registered")
    return asked[0], bool(given.get("redirect_uri"))


def _fits(state: str) -> bool:
    return len(state) <= STATE_MAX_CHARACTERS and len(json.dumps(state)) <= STATE_MAX_BYTES


def _one(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    return next(iter(given.get(name, [])), None)
