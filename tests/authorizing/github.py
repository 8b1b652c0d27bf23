"""A stand-in for GitHub Enterprise: the endpoints of the web flow and of the REST API, as GitHub documents them."""

from __future__ import annotations

import secrets
from typing import Any

from authorizing.stand_in import CLIENT_ID, SECRET, Answer, Asked, StandIn


class GitHub(StandIn):
    """One account, that of the person in the browser."""

    def __init__(self) -> None:
        super().__init__()
        self.user: dict[str, Any] = {"id": 583231, "login": "octocat", "name": "The Octocat", "type": "User"}
        self.emails: list[dict[str, Any]] = [
            {"email": "octocat@example.com", "verified": True, "primary": True, "visibility": "private"},
            {"email": "boss@bank.example", "verified": False, "primary": False, "visibility": None},
            {"email": "1+octocat@users.noreply.github.com", "verified": True, "primary": False, "visibility": None},
        ]
        self.organisations: list[dict[str, Any]] = [membership("acme", 1), membership("invited", 2, "pending")]
        self.tokens: dict[str, str] = {}  # with their scopes
        self.routes = {
            "/login/oauth/authorize": self.authorize,
            "/login/oauth/access_token": self.access_token,
            "/api/v3/user": lambda asked: self._api(asked, None, self.user),
            "/api/v3/user/emails": lambda asked: self._api(asked, "user:email", self.emails),
            "/api/v3/user/memberships/orgs": lambda asked: self._api(asked, "read:org", self.organisations),
        }

    def access_token(self, asked: Asked) -> Answer:
        if asked.headers.get("accept") != "application/json":
            return Answer(200, b"error=form_is_the_default")
        if (asked.form.get("client_id"), asked.form.get("client_secret")) != (CLIENT_ID, SECRET):
            return Answer(200, {"error": "incorrect_client_credentials", "error_description": "They are not correct."})
        query = self.redeem(asked.form)
        if query is None:
            return Answer(200, {"error": "bad_verification_code", "error_description": "Incorrect or expired."})
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens[token] = query.get("scope", "")
        return Answer(200, {"access_token": token, "token_type": "bearer", "scope": query.get("scope", "")})

    def _api(self, asked: Asked, scope: str | None, found: Any) -> Answer:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return Answer(401, {"message": "Bad credentials"})
        if not asked.headers.get("user-agent"):
            return Answer(403, b"Request forbidden by administrative rules.")
        if scope is not None and scope not in self.tokens[token].split():
            return Answer(404, {"message": "Not Found"})
        if not isinstance(found, list):
            return Answer(200, found)
        size, page = int(asked.query["per_page"]), int(asked.query["page"])
        rest = found[page * size :]
        link = {"Link": f'<https://elsewhere.example/?page={page + 1}>; rel="next"'} if rest else {}
        return Answer(200, found[(page - 1) * size : page * size], link)


def membership(login: str, number: int, state: str = "active") -> dict[str, Any]:
    return {"state": state, "role": "member", "organization": {"login": login, "id": number}}
