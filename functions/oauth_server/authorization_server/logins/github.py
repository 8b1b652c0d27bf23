"""Log in at GitHub, or at a GitHub Enterprise host: its web flow, and who that is by its REST API.

A person is the number that GitHub gave them: login names can be changed, and taken by somebody else afterwards.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from authorization_server.logins import Attempt, LoginDenied, LoginFailed, LoginUnavailable, s256
from authorization_server.logins.upstream import Deadline, Reply, Upstream, code_of
from authorization_server.people import Admission, Person
from authorization_server.settings import GITHUB_URL, LoginSettings

MEDIA_TYPE = "application/vnd.github+json"
PER_PAGE = 100  # GitHub's largest
PAGES_MAX = 10
NO_REPLY = re.compile(
    r".*@users\.noreply\..+", re.IGNORECASE
)  # GitHub's own; the older form changes hands with a login
# Of POST /login/oauth/access_token, which answers 200 with them.
_OUR_SETTINGS = ("incorrect_client_credentials", "redirect_uri_mismatch", "application_suspended")
_ERROR = re.compile(r"[a-z_]{1,40}")
logger = logging.getLogger(__name__)


class GitHubLogin:
    """An OAuth app or GitHub app of the operator's. Reads the secret anew for each login."""

    asks_here = False

    def __init__(
        self,
        settings: LoginSettings,
        admission: Admission,
        read_secret: Callable[[], str],
        upstream: Upstream | None = None,
    ) -> None:
        self._client_id, self._read_secret, self._upstream = settings.client_id, read_secret, upstream or Upstream()
        self._web = settings.github_url
        self._api, self._numbers = api_of(self._web), settings.numbers
        self._mail, self._organisations = admission.by_address, admission.by_organisation

    @property
    def _scope(self) -> str:
        """The least that the lists of the settings need: without them a login name is all that is read."""
        return " ".join([*(["user:email"] if self._mail else []), *(["read:org"] if self._organisations else [])])

    def begin(self, attempt: Attempt) -> str:
        query = {
            "client_id": self._client_id,
            "redirect_uri": attempt.callback,
            "scope": self._scope,
            "state": attempt.state,
            "code_challenge": s256(attempt.verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._web}/login/oauth/authorize?{urlencode(query)}"

    def finish(self, attempt: Attempt, answer: Mapping[str, str]) -> Person:
        if "error" in answer:
            raise _refusal(answer["error"])
        deadline = Deadline()
        token = self._token(attempt, code_of(answer), deadline)
        user = self._get("/user", token, deadline).document()
        number, login, name = user.get("id"), user.get("login"), user.get("name")
        if type(number) is not int or number <= 0 or not isinstance(login, str) or not login:
            raise LoginFailed("provider_answer_malformed")
        return Person(
            subject=f"{self._numbers}:{number}",
            name=name if isinstance(name, str) and name else login,
            login=login,
            emails=tuple(self._emails(token, deadline)) if self._mail else (),
            organisations=tuple(self._memberships(token, deadline)) if self._organisations else (),
        )

    def _token(self, attempt: Attempt, code: str, deadline: Deadline) -> str:
        form = {
            "client_id": self._client_id,
            "client_secret": self._read_secret(),
            "code": code,
            "redirect_uri": attempt.callback,
            "code_verifier": attempt.verifier,
        }
        reply = self._upstream.post(f"{self._web}/login/oauth/access_token", deadline, form)
        found = reply.document()
        if not reply.ok or "error" in found:  # most of its errors come with status 200
            raise _refusal(found.get("error"))
        token, kind = found.get("access_token"), found.get("token_type")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,1024}", token):
            raise LoginFailed("provider_answer_malformed")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise LoginFailed("provider_answer_malformed")
        return token

    def _emails(self, token: str, deadline: Deadline) -> Iterator[str]:
        for entry in self._pages("/user/emails", token, deadline):
            email = entry.get("email")
            if entry.get("verified") is True and isinstance(email, str) and not NO_REPLY.fullmatch(email):
                yield email

    def _memberships(self, token: str, deadline: Deadline) -> Iterator[str]:
        """Where the person is a member: not invited, and not an outside collaborator. By name, and by number."""
        for entry in self._pages("/user/memberships/orgs", token, deadline, state="active"):
            organisation = entry.get("organization")
            if entry.get("state") != "active" or not isinstance(organisation, dict):
                continue
            number, login = organisation.get("id"), organisation.get("login")
            if type(number) is int:
                yield f"{self._numbers}:{number}"
            if isinstance(login, str):
                yield login

    def _pages(self, path: str, token: str, deadline: Deadline, **query: str) -> Iterator[dict[str, Any]]:
        for page in range(1, PAGES_MAX + 1):
            asked = urlencode({**query, "per_page": PER_PAGE, "page": page})
            reply = self._get(f"{path}?{asked}", token, deadline)
            entries = reply.json()
            if not isinstance(entries, list):
                raise LoginFailed("provider_answer_malformed")
            yield from (entry for entry in entries if isinstance(entry, dict))
            # The number is counted here: an address that an answer names would get the token.
            if not re.search(r'rel="next"', reply.headers.get("link", "")):
                return
        logger.warning("GitHub has more than %d pages of %s; the rest is not read", PAGES_MAX, path)

    def _get(self, path: str, token: str, deadline: Deadline) -> Reply:
        reply = self._upstream.get(f"{self._api}{path}", deadline, bearer=token, accept=MEDIA_TYPE)
        if reply.ok:
            return reply
        if reply.status == 403 and reply.headers.get("x-ratelimit-remaining") == "0":
            raise LoginUnavailable("provider_unreachable")
        raise LoginFailed("provider_refused")


def api_of(web: str) -> str:
    """Where the REST API is: of github.com, of an enterprise with data residency, of a host of one's own."""
    host = urlsplit(web).netloc
    return f"https://api.{host}" if web == GITHUB_URL or host.endswith(".ghe.com") else f"{web}/api/v3"


def _refusal(error: object) -> LoginFailed:
    """What an error of GitHub's means. The text that comes with it is not passed on."""
    told = error if isinstance(error, str) and _ERROR.fullmatch(error) else "no known error"
    logger.warning("GitHub says: %s", told)
    if told == "access_denied":
        return LoginDenied("provider_denied")
    if told in _OUR_SETTINGS:
        return LoginFailed("provider_settings_wrong")
    return LoginFailed("provider_refused")
