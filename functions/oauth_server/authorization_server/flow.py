"""From a request at /authorize to a code: shown, agreed to, logged in, admitted. Knows no web framework and no page.

Nothing leaves for the provider before a person has agreed, in this browser, to this client (confused deputy, MCP
security best practices). There is no session: every request is asked about, and nothing is left to steal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from authorization_server import redirects
from authorization_server.authorization_requests import (
    AuthorizationRequest,
    NotNow,
    PageError,
    Return,
    ReturnError,
    judge,
)
from authorization_server.browser import Cookie, Tab
from authorization_server.clients import ClientGone, Clients
from authorization_server.keeping import change, find, keep
from authorization_server.logins import Attempt, Login, LoginDenied, LoginFailed, LoginUnavailable
from authorization_server.people import Person
from authorization_server.protocol import Story
from authorization_server.records import Refused, handles
from authorization_server.records.authorizations import LIFETIME_SECONDS, Authorization, awaits, decide, finish
from authorization_server.records.grants import Grant
from authorization_server.settings import Settings
from authorization_server.storage import Storage, StorageUnavailable

CALLBACK_PATH = "/authorize/callback"
_STALE = "This page is not valid any longer, or was opened in another browser."


@dataclass(frozen=True)
class Shown:
    """A request for the consent page, with what its form has to send."""

    request: AuthorizationRequest
    handle: str
    csrf: str
    cookie: Cookie


@dataclass(frozen=True)
class Onward:
    """Where the browser goes next."""

    url: str
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True)
class LoginForm:
    """Our own login form, and whether somebody has tried in vain before."""

    state: str
    csrf: str
    target: redirects.Target
    failed: bool = False


@dataclass(frozen=True)
class Waiting:
    """An approved request whose login has come back."""

    authorization: Authorization
    state: handles.Handle
    tab: Tab
    attempt: Attempt


class Flow:
    """The steps, each a request of the browser. They raise `PageError` and `ReturnError`."""

    def __init__(
        self, settings: Settings, storage: Storage, clients: Clients, login: Login, clock: Callable[[], float]
    ) -> None:
        self._settings, self._storage, self._clients, self._login, self._clock = (
            settings,
            storage,
            clients,
            login,
            clock,
        )

    @property
    def _now(self) -> int:
        return int(self._clock())

    def show(self, query: Mapping[str, Sequence[str]], story: Story) -> Shown:
        """A client asks."""
        request = judge(query, self._clients, self._settings)
        story.client, story.scopes = request.client.client_id, request.scopes
        handle = handles.mint("authorization")
        tab = Tab.new(handle.key, self._settings)
        authorization = Authorization(
            client_id=request.client.client_id,
            redirect_uri=request.back.redirect_uri,
            redirect_uri_asked=request.redirect_uri_asked,
            code_challenge=request.code_challenge,
            resource=request.resource,
            scopes=request.scopes,
            browser=tab.digest or "",
            expires_at=self._now + LIFETIME_SECONDS,
            state=request.back.state,
            refreshes="refresh_token" in request.client.grant_types,
            registration=request.client.registration,
        )
        if not keep(self._storage, handle.key, authorization):
            raise StorageUnavailable("a new authorization was there already")
        return Shown(request, handle.text, tab.csrf, tab.cookie())

    def decide(self, form: Mapping[str, str], cookies: Mapping[str, str], story: Story) -> Onward:
        """A person agrees or does not."""
        handle = handles.read("authorization", form.get("request", ""))
        if handle is None:
            raise PageError("request_malformed", _STALE)
        tab = Tab.of(handle.key, self._settings, cookies)
        if not tab.sent_form(form.get("csrf")):
            raise PageError("csrf_wrong", _STALE)
        if form.get("decision") not in ("allow", "deny"):
            raise PageError("decision_missing", "Choose whether to allow this.")
        state = handles.mint("login", handle.name) if form["decision"] == "allow" else None
        login, now = (state.digest if state else None), self._now
        found = self._changed(handle.key, lambda record: decide(record, tab.digest, login, now))
        story.client, story.scopes = found.client_id, found.scopes
        with _taking_leave(tab):
            if state is None:
                story.reason = "consent_denied"
                raise ReturnError(self._back(found), "access_denied", "The person has not allowed this.")
            try:
                url = self._login.begin(self._attempt(state, tab))
            except LoginUnavailable as why:
                raise self._failed(found, story, why) from None
        return Onward(url, (tab.login_cookie(state.text),))

    def login_form(self, state: str | None, cookies: Mapping[str, str], *, failed: bool = False) -> LoginForm:
        """Our own login form, for a login that asks here."""
        waiting = self._waiting(state, cookies)
        target = redirects.read(waiting.authorization.redirect_uri, self._settings.redirect_schemes)
        return LoginForm(waiting.state.text, waiting.tab.csrf, target, failed)

    def submit(self, form: Mapping[str, str], cookies: Mapping[str, str], story: Story) -> Onward | LoginForm:
        """Somebody has filled it in. A wrong password is no end."""
        waiting = self._waiting(form.get("state"), cookies)
        story.client = waiting.authorization.client_id
        if not waiting.tab.sent_form(form.get("csrf")):
            raise PageError("csrf_wrong", _STALE)
        try:
            person = self._login.finish(waiting.attempt, form)
        except LoginFailed as why:
            story.reason = why.reason
            return self.login_form(form.get("state"), cookies, failed=True)
        self._use_up(waiting)
        with _taking_leave(waiting.tab):
            return self._conclude(waiting, person, story)

    def come_back(self, query: Mapping[str, str], cookies: Mapping[str, str], story: Story) -> Onward:
        """The provider has sent the browser back."""
        waiting = self._waiting(query.get("state"), cookies)
        story.client = waiting.authorization.client_id
        self._use_up(waiting)  # before the provider is asked: a second visit of this address does nothing
        with _taking_leave(waiting.tab):
            try:
                person = self._login.finish(waiting.attempt, query)
            except LoginFailed as why:
                raise self._failed(waiting.authorization, story, why) from None
            return self._conclude(waiting, person, story)

    def _waiting(self, state: str | None, cookies: Mapping[str, str]) -> Waiting:
        handle = handles.read("login", state or "")
        if handle is None:
            raise PageError("login_state_malformed", _STALE)
        tab = Tab.of(handle.key, self._settings, cookies)
        if not tab.began_login(handle.text, cookies):
            raise PageError("login_of_another_browser", _STALE)
        found = awaits(find(self._storage, Authorization, handle.key), tab.digest, handle.digest, self._now)
        if isinstance(found, Refused):
            raise PageError(found.reason, _STALE)
        return Waiting(found, handle, tab, self._attempt(handle, tab))

    def _use_up(self, waiting: Waiting) -> None:
        state, browser, now = waiting.state, waiting.tab.digest, self._now
        self._changed(state.key, lambda record: finish(record, browser, state.digest, now))

    def _conclude(self, waiting: Waiting, person: Person, story: Story) -> Onward:
        authorization, now = waiting.authorization, self._now
        back, admission = self._back(authorization), self._settings.admission
        story.subject, marks = person.subject, admission.marks(person)
        ended = self._settings.has_ended(person.subject, now)
        if ended or not admission.admits(marks) or self._clients.is_machine(person.subject):
            story.reason = "person_not_admitted"
            raise ReturnError(back, "access_denied", "This account may not log in here.")
        granted = admission.scopes(marks, authorization.scopes)
        story.scopes = granted
        # Where no request needs a scope, much is open without one: it is not kept from whom a rule keeps the rest from.
        if authorization.scopes and not granted and self._settings.needed_scopes:
            story.reason = "person_without_scope"
            raise ReturnError(back, "access_denied", "This account may have none of these scopes.")
        try:
            self._clients.note_login(authorization.client_id, authorization.registration)  # no code without a client
        except ClientGone as why:
            raise PageError("client_gone", str(why)) from None
        code = handles.mint("code")
        grant = Grant(
            client_id=authorization.client_id,
            subject=person.subject,
            resource=authorization.resource,
            scopes=granted,
            auth_time=now if self._login.asks_here else person.auth_time,
            redirect_uri=authorization.redirect_uri,
            redirect_uri_asked=authorization.redirect_uri_asked,
            code_challenge=authorization.code_challenge,
            code=code.digest,
            code_expires_at=now + self._settings.code_seconds,
            expires_at=now + self._settings.refresh_token_seconds,
            given_at=now,
            marks=marks,
            refreshes=authorization.refreshes,
        )
        if not keep(self._storage, code.key, grant):
            raise StorageUnavailable("a new code was there already")
        return Onward(back.url({"code": code.text}), waiting.tab.farewell())

    def _changed(
        self,
        key: str,
        rule: Callable[[Authorization | None], tuple[Authorization | None, Authorization | Refused]],
    ) -> Authorization:
        found = change(self._storage, Authorization, key, rule)
        if isinstance(found, Refused):
            raise PageError(found.reason, _STALE)
        return found

    def _attempt(self, state: handles.Handle, tab: Tab) -> Attempt:
        return Attempt(state.text, self._settings.url(CALLBACK_PATH), tab.secret or "")

    def _back(self, authorization: Authorization) -> Return:
        return Return(authorization.redirect_uri, authorization.state, self._settings.issuer)

    def _failed(self, authorization: Authorization, story: Story, why: LoginFailed) -> ReturnError | PageError:
        """A no goes to the client. What the operator has to mend, or to wait for, the person has to know first."""
        story.reason = why.reason
        back = self._back(authorization)
        if isinstance(why, LoginDenied):
            return ReturnError(back, "access_denied", "The login was not allowed.")
        if isinstance(why, LoginUnavailable):
            message = "The login provider does not answer as it should."
            return NotNow(why.reason, message, back=ReturnError(back, "temporarily_unavailable", message))
        message = "The login did not succeed."
        return PageError(why.reason, message, back=ReturnError(back, "server_error", message))


@contextmanager
def _taking_leave(tab: Tab) -> Iterator[None]:
    """From here on a no is the end of this request, and nothing of it has to stay in the browser."""
    try:
        yield
    except (PageError, ReturnError) as end:
        end.cookies = tab.farewell()
        raise
