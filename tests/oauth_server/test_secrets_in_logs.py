"""No secret is in any log line: whole logins of every kind, and every way in which they fail, at DEBUG.

What to hunt for is noted where it passes: at the server's own wire, at the provider's, and at the storage.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from flask import Response, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from authorization_server.logins import LoginFailed
from authorization_server.storage import Json, Storage, StorageUnavailable, Stored, open_storage
from authorization_server.storage.sqlite import SqliteStorage
from authorizing.github import GitHub
from authorizing.openid import OpenIdProvider
from authorizing.stand_in import SECRET, Answer, Asked, StandIn, serving
from authorizing.world import CALLBACK, NOON, PASSPHRASE, World, basic, fields, parameters
from dynamodb.servers import REGION, TABLE, dynamodb, make_table
from mcp_faas import logs
from oauth_server.logins.conftest import Visit
from support.canaries import PIECE, Canaries

SECRET_PARAMETERS = {"code", "code_verifier", "client_secret", "csrf", "nonce", "password", "request", "state"}
SECRET_PARAMETERS |= {"access_token", "id_token", "refresh_token", "token"}
STATE = secrets.token_urlsafe(24)  # the client's own
ROBOT, RESOURCE_SERVER = secrets.token_urlsafe(24), secrets.token_urlsafe(24)


class Tap:
    """Every secret that has passed, by its kind."""

    def __init__(self) -> None:
        self.secrets: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, kind: str, value: object) -> None:
        if isinstance(value, str) and len(value) >= PIECE:
            self.secrets[kind].add(value)

    def parameters(self, side: str, found: Mapping[str, object]) -> None:
        for name in SECRET_PARAMETERS & found.keys():
            self.note(f"{side} {name}", found[name])

    def authorization(self, side: str, header: str | None) -> None:
        scheme, _, given = (header or "").partition(" ")
        self.note(f"{side} {scheme}", given)
        if scheme == "Basic":
            with contextlib.suppress(binascii.Error):  # some is not even that
                self.note(f"{side} secret", base64.b64decode(given).decode(errors="replace").partition(":")[2])

    def listen(self, world: World) -> None:
        """To all that this server hears and says."""

        @world.app.after_request
        def passed(response: Response) -> Response:
            self.parameters("form", request.form)
            self.parameters("query", request.args)
            self.authorization("header", request.headers.get("Authorization"))
            for name, value in request.cookies.items():
                self.note(f"cookie {name.rpartition('-')[0]}", value)
            self.parameters("answer", response.json if response.is_json and isinstance(response.json, dict) else {})
            self.parameters("page", fields(response.get_data(as_text=True)))
            self.parameters("redirect", parameters(response.headers.get("Location", "")))
            return response

    def provider(self, stand_in: StandIn) -> None:
        """To all that a login's provider hears and says."""
        answer = stand_in.answer

        def noted(asked: Asked) -> Answer:
            given = answer(asked)
            self.parameters("provider", {**asked.query, **asked.form})
            self.authorization("provider", asked.headers.get("authorization"))
            if isinstance(given.body, dict):
                self.parameters("provider", given.body)
            return given

        stand_in.answer = noted  # type: ignore[method-assign]  # its server asks it for each request

    def storage(self, storage: Storage) -> TappedStorage:
        return TappedStorage(storage, self)

    def leaked(self, text: str) -> bool:
        """Is a piece of any of them in there, in whatever form?"""
        return bool(Canaries(set().union(*self.secrets.values())).found(text.encode()))

    def kinds(self, text: str) -> set[str]:
        """Of which kinds; slower."""
        return {kind for kind, known in self.secrets.items() if Canaries(known).found(text.encode())}


class TappedStorage:
    """A storage that can be told to fail; what is written is noted."""

    def __init__(self, storage: Storage, tap: Tap) -> None:
        self._storage, self._tap = storage, tap
        self.trouble: Exception | None = None

    def create(self, kind: str, key: str, record: Mapping[str, Json], expires_at: int) -> bool:
        self._note(key, record)
        return self._storage.create(kind, key, record, expires_at)

    def read(self, kind: str, key: str) -> Stored | None:
        self._note(key, {})
        return self._storage.read(kind, key)

    def replace(self, kind: str, key: str, stored: Stored, record: Mapping[str, Json], expires_at: int) -> bool:
        self._note(key, record)
        return self._storage.replace(kind, key, stored, record, expires_at)

    def close(self) -> None:
        self._storage.close()

    def _note(self, key: str, record: Mapping[str, Json]) -> None:
        for digest in re.findall(r"\b[0-9a-f]{64}\b", json.dumps([key, record])):
            self._tap.note("stored digest", digest)
        self._tap.note("stored state", record.get("state"))
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> Tap:
    """With clients whose secrets are like nothing else that may stand in a log."""
    tap = Tap()
    clients: list[dict[str, Any]] = [
        {"client_id": "web", "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"]},
        {"client_id": "robot", "client_secret": ROBOT, "grant_types": ["client_credentials"]},
        {"client_id": "resource-server", "client_secret": RESOURCE_SERVER, "grant_types": []},
    ]
    monkeypatch.setattr("authorizing.world.CLIENTS", clients)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tap


def listened(tap: Tap, world: World) -> tuple[World, TappedStorage]:
    """A world whose own secrets are known, too. Its storage is one that can fail."""
    logs.configure("DEBUG")
    tap.listen(world)
    for key in world.key_document.keys:
        tap.note("signing key", key.entry["d"])
    return world, cast(TappedStorage, world.storage)


def agree(world: World, browser: FlaskClient) -> str:
    """Where a browser goes on after consent."""
    agreed = world.decide(browser, world.ask(browser, state=STATE).text)
    assert agreed.status_code == 303, agreed.text
    return agreed.location


def use(world: World, code: str) -> None:
    """All that a client can do with a code: rightly, wrongly, and twice."""
    assert world.redeem(code, code_verifier=secrets.token_urlsafe(40)).status_code == 400
    first = world.redeem(code).json or {}
    asked = world.post("/introspect", basic("resource-server", RESOURCE_SERVER), token=first["access_token"])
    assert (asked.json or {})["active"] is True
    second = world.refresh(first["refresh_token"], "web").json or {}
    third = world.refresh(second["refresh_token"], "web").json or {}
    assert world.post("/revoke", None, token=third["access_token"], client_id="robot").status_code == 401
    assert world.refresh(first["refresh_token"], "web").status_code == 400  # by now somebody else's
    assert world.refresh(third["refresh_token"], "web").status_code == 400
    assert world.redeem(code).status_code == 400
    for token in (third["access_token"], third["refresh_token"]):
        assert world.post("/revoke", None, token=token, client_id="web").status_code == 200


def test_local_login(tmp_path: Path, tap: Tap, capfd: pytest.CaptureFixture[str]) -> None:
    storage = tap.storage(SqliteStorage(str(tmp_path / "records.sqlite"), lambda: NOON))
    world, broken = listened(tap, World(tmp_path, storage=cast(Storage, storage)))
    use(world, world.code(state=STATE))
    failures_of_people(world)
    failures_of_clients(world)
    failures_of_places(world, broken)
    storage.close()
    hunt(tap, capfd, LOCAL)


def failures_of_people(world: World) -> None:
    browser = world.browser()
    page = world.ask(browser, state=STATE).text
    assert world.decide(browser, page, csrf=secrets.token_urlsafe(32)).status_code == 400
    assert world.decide(world.browser(), page).status_code == 400
    assert world.decide(browser, page, request=f"mcpa-{'x' * 22}.{secrets.token_urlsafe(32)}").status_code == 400
    assert "error=access_denied" in world.decide(browser, page, "deny").location
    browser = world.browser()
    login = agree(world, browser)
    assert world.browser().get(login).status_code == 400
    assert world.log_in(browser, login, password=secrets.token_urlsafe(20)).status_code == 403
    assert world.log_in(browser, login, csrf=secrets.token_urlsafe(32)).status_code == 400
    assert world.log_in(browser, login).status_code == 303
    assert browser.get(login).status_code == 400  # it was used
    assert browser.get(f"/authorize/callback?state={parameters(login)['state']}&code=x").status_code == 400
    refused = world.ask(world.browser(), state=STATE, code_challenge=None)
    assert "error=invalid_request" in refused.location


def failures_of_clients(world: World) -> None:
    wrong = secrets.token_urlsafe(24)
    assert world.post("/token", basic("robot", ROBOT), grant_type="client_credentials").status_code == 200
    assert world.post("/token", basic("robot", wrong), grant_type="client_credentials").status_code == 401
    assert (
        world.post("/token", basic("robot", ROBOT), grant_type="client_credentials", client_secret=wrong).status_code
        == 400
    )
    assert (
        world.post("/token", {"Authorization": f"Bearer {wrong}"}, grant_type="client_credentials").status_code == 401
    )
    assert world.post("/token", {"Authorization": f"Basic {wrong}"}, grant_type="client_credentials").status_code == 401
    assert world.post("/token", None, grant_type=wrong).status_code == 400
    query = urlencode({"grant_type": "client_credentials", "client_id": "robot", "client_secret": wrong})
    assert world.post(f"/token?{query}").status_code == 400  # in a URL, where it must not be
    assert world.browser().get(f"/token?{query}").status_code == 405
    assert world.browser().get(f"/x?{query}").status_code == 404
    code = world.code(state=STATE)
    world.now += 61
    assert world.redeem(code).status_code == 400
    register = world.browser().post
    assert register("/register", json={"redirect_uris": [CALLBACK]}).status_code == 201  # and gets a secret
    assert (
        register("/register", json={"redirect_uris": [f"{CALLBACK}#{wrong}"], "client_name": wrong}).status_code == 400
    )
    assert (
        register("/register", data=f'{{"client_secret": "{wrong}"', content_type="application/json").status_code == 400
    )


def failures_of_places(world: World, storage: TappedStorage) -> None:
    """Whatever is out of reach or broken, also if what it raises quotes all that it was given."""
    browser = world.browser()
    login = agree(world, browser)
    code = world.code(state=STATE)
    shown = fields(browser.get(login).text)
    quoted = f"{STATE} {code} {PASSPHRASE} {ROBOT} {shown}"
    for trouble, status in ((StorageUnavailable("there is no storage"), 503), (RuntimeError(quoted), 500)):
        storage.trouble = trouble
        assert world.ask(browser, state=STATE).status_code == status
        assert world.redeem(code).status_code == status
        assert (
            browser.post("/authorize/login", data={**shown, "username": "dev", "password": PASSPHRASE}).status_code
            == status
        )
        storage.trouble = None
    finish, world.login.finish = world.login.finish, raising(RuntimeError(quoted))  # type: ignore[method-assign]
    assert world.log_in(browser, login).status_code == 500
    world.login.finish = raising(LoginFailed("passphrase_too_short"))  # type: ignore[method-assign]
    assert world.log_in(browser, login).status_code == 403
    world.login.finish = finish  # type: ignore[method-assign]
    world.configured._read_text = raising(ValueError(quoted))  # the list of clients cannot be read anew
    world.keys._read = lambda: world.key_document.dump().replace("P-256", f"P-256 {ROBOT}")
    world.now += 3600
    assert world.post("/token", basic("robot", ROBOT), grant_type="client_credentials").status_code == 503


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("kind", ["github", "oidc"])
def test_login_at_a_provider(kind: str, tmp_path: Path, tap: Tap, capfd: pytest.CaptureFixture[str]) -> None:
    provider: GitHub | OpenIdProvider = GitHub() if kind == "github" else OpenIdProvider()
    if isinstance(provider, OpenIdProvider):
        provider.userinfo = {"email": "a@example.com", "email_verified": True}
    with serving(provider):
        visit = Visit(provider, kind, tmp_path).start(OAUTH_ALLOWED_DOMAINS="example.com")
        tap.provider(provider)
        world, _ = listened(tap, visit.world)
        use(world, parameters(back(visit).location)["code"])
        statuses = set()
        for path in [*provider.routes][1 if kind == "oidc" else 0 :]:  # its metadata are kept
            if path not in ("/authorize", "/login/oauth/authorize"):
                for status in (200, 307, 400, 401, 500):
                    provider.faults = {path: echo(status)}
                    statuses.add(back(visit).status_code)
        assert {400, 503} <= statuses
        provider.faults = {}
        state = parameters(agree(world, visit.browser))["state"]
        refused = {"state": state, "error": STATE, "error_description": SECRET, "code": secrets.token_urlsafe(24)}
        assert visit.browser.get("/authorize/callback", query_string=refused).status_code == 400
        world.storage.close()
    assert visit.secret == SECRET
    wanted = {f"provider {name}" for name in ("code", "code_verifier", "state", "access_token", "Bearer")}
    wanted |= (
        {"provider client_secret"} if kind == "github" else {"provider nonce", "provider id_token", "provider secret"}
    )
    hunt(tap, capfd, CLIENT | wanted)


def back(visit: Visit) -> TestResponse:
    """A login that the provider has sent back."""
    return visit.back(visit.at_provider(agree(visit.world, visit.browser)))


def echo(status: int) -> Callable[[Asked], Answer]:
    """An answer that quotes all that it was asked with, where a log might take it from."""

    def answer(asked: Asked) -> Answer:
        quoted = json.dumps([asked.query, asked.form, asked.headers])
        return Answer(
            status, {"error": quoted, "message": quoted}, {"Location": f"/?{urlencode(asked.form)}", "X-Error": quoted}
        )

    return answer


def test_dynamodb(tmp_path: Path, tap: Tap, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"AWS_ACCESS_KEY_ID": f"AKIA{secrets.token_hex(8)}", "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30)}
    keys["AWS_SESSION_TOKEN"] = secrets.token_urlsafe(60)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
        tap.note("key of AWS", value)
    with dynamodb("moto") as url:
        make_table(url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        storage = tap.storage(open_storage(f"dynamodb://{REGION}/{TABLE}"))
        world, _ = listened(tap, World(tmp_path, storage=cast(Storage, storage)))
        use(world, world.code(state=STATE))
        code = world.code(state=STATE)
    assert world.redeem(code).status_code == 503  # it is gone
    storage.close()
    hunt(tap, capfd, CLIENT | STORED | {"key of AWS", "form password"})


CLIENT = {f"form {name}" for name in ("code", "code_verifier", "refresh_token", "token", "request", "csrf")}
CLIENT |= {f"answer {name}" for name in ("access_token", "refresh_token")}
CLIENT |= {"page request", "page csrf", "redirect code", "redirect state", "query state", "header secret"}
CLIENT |= {"cookie mcp-request", "cookie mcp-login", "signing key"}
STORED = {"stored digest", "stored state"}
LOCAL = (
    CLIENT
    | STORED
    | {"form password", "form client_secret", "query client_secret", "answer client_secret", "page state"}
)


def hunt(tap: Tap, capfd: pytest.CaptureFixture[str], wanted: set[str]) -> None:
    """None of them in any output; and a hunt for nothing, or through nothing, is none."""
    assert wanted - tap.secrets.keys() == set()
    shown = "".join(capfd.readouterr())
    assert '"audit":"mcp-faas/1"' in shown
    assert "WARNING" in shown or "ERROR" in shown
    assert not tap.leaked(shown), tap.kinds(shown)
    for known in tap.secrets.values():
        logging.getLogger("a leak").debug("%s", sorted(known)[0][-PIECE:])
    assert tap.kinds("".join(capfd.readouterr())) == set(tap.secrets)
