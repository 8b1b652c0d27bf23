"""RFC 7591: what may be registered, which error the rest gets, and that a flood leaves little and stops nobody."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest

from authorization_server.clients import ClientGone
from authorization_server.keeping import change
from authorization_server.records import clients as records
from authorization_server.records import handles
from authorization_server.records.authorizations import Authorization
from authorization_server.registration import NAME_MAX_CHARACTERS, clean
from authorization_server.translations import TEXTS
from authorizing.memory import Memory
from authorizing.world import CALLBACK, World, basic, fields, parameters

GOOD: dict[str, Any] = {
    "client_name": "A client",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}

DAY = 86400
BASE64URL = string.ascii_letters + string.digits + "-_"

# The change to good metadata, and RFC 7591 §3.2.2's error.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no redirects": ({"redirect_uris": None}, "invalid_redirect_uri"),
    "empty redirects": ({"redirect_uris": []}, "invalid_redirect_uri"),
    "redirect as text": ({"redirect_uris": CALLBACK}, "invalid_redirect_uri"),
    "redirect as number": ({"redirect_uris": [1]}, "invalid_redirect_uri"),
    "plain http": ({"redirect_uris": ["http://client.example/"]}, "invalid_redirect_uri"),
    "one bad among good ones": ({"redirect_uris": [CALLBACK, "javascript:alert(1)"]}, "invalid_redirect_uri"),
    "fragment": ({"redirect_uris": [CALLBACK + "#"]}, "invalid_redirect_uri"),
    "very many redirects": ({"redirect_uris": [f"{CALLBACK}{n}" for n in range(21)]}, "invalid_redirect_uri"),
    "very long redirects": (
        {"redirect_uris": [f"{CALLBACK}/{n}/{'x' * 900}" for n in range(5)]},
        "invalid_redirect_uri",
    ),
    "client credentials": ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
    "password": ({"grant_types": ["password"]}, "invalid_client_metadata"),
    "refresh tokens alone": ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
    "no grants": ({"grant_types": []}, "invalid_client_metadata"),
    "grants as text": ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
    "grants as numbers": ({"grant_types": [1]}, "invalid_client_metadata"),
    "implicit": ({"response_types": ["token"]}, "invalid_client_metadata"),
    "private_key_jwt": ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    "method as list": ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
    "method null": ({"token_endpoint_auth_method": None}, "invalid_client_metadata"),
    "name as number": ({"client_name": 1}, "invalid_client_metadata"),
}


def register(world: World, metadata: object) -> Any:
    return world.browser().post("/register", json=metadata)


def test_public_client_gets_no_secret(world: World) -> None:
    answer = register(world, GOOD)
    body = answer.json
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert body.pop("client_id").startswith("client-")
    assert body.pop("client_id_issued_at") == int(world.now)
    assert body == GOOD


def test_default_is_a_client_with_a_secret(world: World) -> None:
    body = register(world, {"redirect_uris": [CALLBACK]}).json
    assert (body["token_endpoint_auth_method"], body["grant_types"]) == ("client_secret_basic", ["authorization_code"])
    assert len(body["client_secret"]) == 43
    assert body["client_secret_expires_at"] == int(world.now) + 90 * DAY
    code = world.code(client_id=body["client_id"])
    own = basic(body["client_id"], body["client_secret"])
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    assert world.post("/token", basic(body["client_id"], "x"), **form).status_code == 401
    assert world.post("/token", own, **form).status_code == 200


@pytest.mark.parametrize(("change", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(world: World, change: dict[str, Any], error: str) -> None:
    metadata = {
        name: value for name, value in {**GOOD, **change}.items() if name != "redirect_uris" or value is not None
    }
    answer = register(world, metadata)
    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert "example" not in answer.json["error_description"]


@pytest.mark.parametrize(
    ("uris", "told"),
    [
        (CALLBACK, "redirect_uris is a JSON list of at most 20 texts"),
        ([CALLBACK, 1], "redirect_uris, number 2 of 2: a redirect URI is a text of 1 to 1024 characters"),
        (
            [CALLBACK, "vscode://x/y", CALLBACK],
            "redirect_uris, number 2 of 3: a redirect URI begins with one of these schemes: "
            "https, http for loopback, cursor",
        ),
    ],
)
def test_what_is_wrong_and_what_is_allowed_is_told(
    world: World, uris: object, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = register(world, {**GOOD, "redirect_uris": uris})
    assert answer.json["error_description"] == f"{told}."
    assert json.loads(capfd.readouterr().out)["detail"] == told


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"1", b'"x"', b'{"a":1,"a":2}', b"[" * 50_000, b"\xff", b"NaN"], ids=range(10)
)
def test_body_that_is_no_object(world: World, body: bytes) -> None:
    answer = world.browser().post("/register", data=body, content_type="application/json")
    assert (answer.status_code, (answer.json or {})["error"]) == (400, "invalid_client_metadata")
    assert world.browser().post("/register", data=body, content_type="text/plain").status_code == 400


def test_body_that_is_large(world: World) -> None:
    assert register(world, {**GOOD, "x": "y" * 70_000}).status_code == 413


def test_what_is_not_known_is_left_out_and_nothing_is_fetched(world: World) -> None:
    """VS Code names grants that nobody gives here; others name logos, which would be a way to call somebody."""
    extra = {
        "grant_types": [*GOOD["grant_types"], "urn:ietf:params:oauth:grant-type:device_code"],
        "logo_uri": "http://169.254.169.254/",
        "jwks_uri": "http://169.254.169.254/",
        "client_uri": "https://client.example",
        "scope": "everything",
        "software_statement": "x",
        "application_type": "native",
    }
    body = register(world, {**GOOD, **extra}).json
    assert body["grant_types"] == GOOD["grant_types"]
    assert not {"logo_uri", "jwks_uri", "client_uri", "scope", "software_statement"} & set(body)


def test_registration_can_be_off(tmp_path: Path) -> None:
    world = World(tmp_path, OAUTH_REGISTRATION="off")
    assert register(world, GOOD).status_code == 404
    assert world.browser().open("/register", method="OPTIONS").status_code == 404
    world.storage.close()


def test_registration_that_is_taken_away_leaves_who_is_known(tmp_path: Path) -> None:
    world = World(tmp_path, storage=Memory())
    known, waiting = (register(world, GOOD).json["client_id"] for _ in range(2))
    tokens = world.redeem(world.code(client_id=known), known).json or {}
    after = World(tmp_path, storage=world.storage, OAUTH_REGISTRATION="off")
    after.key_document = world.key_document
    assert after.ask(after.browser(), client_id=waiting).status_code == 400
    assert after.ask(after.browser(), client_id=known).status_code == 200
    assert after.refresh(tokens["refresh_token"], known).status_code == 200


def test_unused_client_is_gone_after_a_day_and_a_used_one_stays(world: World) -> None:
    unused, used = (register(world, GOOD).json["client_id"] for _ in range(2))
    assert "code" in world.answer(client_id=used)
    world.now += 86400
    assert world.ask(world.browser(), client_id=unused).status_code == 400
    assert world.ask(world.browser(), client_id=used).status_code == 200
    world.now += 90 * 86400
    assert world.ask(world.browser(), client_id=used).status_code == 400


def test_client_that_is_gone_learns_what_helps(world: World) -> None:
    client = register(world, GOOD).json["client_id"]
    assert world.ask(world.browser(), client_id=client).status_code == 200
    world.now += DAY
    page = world.ask(world.browser(), client_id=client)
    assert page.status_code == 400
    assert TEXTS["en"]["advice_gone"] in page.text
    assert "register again" in page.text


def test_secret_is_good_for_as_long_as_was_said(tmp_path: Path) -> None:
    world = World(tmp_path, storage=Memory())
    body = register(world, {"redirect_uris": [CALLBACK]}).json
    client, own = body["client_id"], basic(body["client_id"], body["client_secret"])
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    end = body["client_secret_expires_at"]
    code = world.code(client_id=client)
    world.now = end - 30  # it was used, so the client itself could stay for longer
    code = world.code(client_id=client)
    assert world.post("/token", own, code=code, **form).status_code == 200
    code = world.code(client_id=client)
    world.now = end
    answer = world.post("/token", own, code=code, **form)
    assert (answer.status_code, (answer.json or {})["error"]) == (401, "invalid_client")
    assert TEXTS["en"]["advice_gone"] in world.ask(world.browser(), client_id=client).text


def test_flood_turns_nobody_away(world: World) -> None:
    assert {register(world, GOOD).status_code for _ in range(250)} == {201}


def test_flood_displaces_few_who_wait_and_nobody_who_has_logged_in(tmp_path: Path) -> None:
    clients = World(tmp_path, storage=Memory()).clients
    known: list[str] = []
    for _ in range(100):
        known.append(clients.register(GOOD)["client_id"])
        clients.note_login(known[-1])  # at once, before one of the next takes its place
    waiting = [clients.register(GOOD)["client_id"] for _ in range(100)]
    for _ in range(10_000):
        clients.register(GOOD)
    for client_id in known:
        assert clients.find(client_id).redirect_uris == (CALLBACK,)
    displaced = 0
    for client_id in waiting:
        try:
            clients.find(client_id)
        except ClientGone:
            displaced += 1
            clients.find(clients.register(GOOD)["client_id"])  # and whoever is, registers again
    assert displaced <= 20, "4 are expected, and more than 20 not once in a thousand million runs"


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
def test_who_loses_the_place_after_the_page_gets_tokens_all_the_same(world: World, method: str) -> None:
    body = register(world, {**GOOD, "token_endpoint_auth_method": method}).json
    client, browser = body["client_id"], world.browser()
    page = world.ask(browser, client_id=client).text
    displace(world, client)
    done = world.log_in(browser, world.decide(browser, page).location)
    own = basic(client, body["client_secret"]) if "client_secret" in body else None
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    form |= {"code": parameters(done.location)["code"]} | ({} if own else {"client_id": client})
    assert world.post("/token", own, **form).status_code == 200
    world.now += 80 * DAY
    assert world.ask(world.browser(), client_id=client).status_code == 200


def test_registration_of_another_version_is_a_page_that_says_what_helps(world: World) -> None:
    """As after a roll-back: the page was shown by a newer one, whose registration has a member that is not known."""
    client, browser = register(world, GOOD).json["client_id"], world.browser()
    page = world.ask(browser, client_id=client).text
    key = handles.read("authorization", fields(page)["request"]).key
    stored = world.storage.read(Authorization.KIND, key)
    newer = {**stored.record, "registration": {**stored.record["registration"], "newer": 1}}
    assert world.storage.replace(Authorization.KIND, key, stored, newer, int(world.now) + 600)
    refused = world.log_in(browser, world.decide(browser, page).location)
    assert refused.status_code == 400
    assert TEXTS["en"]["advice_gone"] in refused.text


def test_page_alone_keeps_nobody(world: World) -> None:
    """Otherwise strangers could fill more than the places."""
    client = register(world, GOOD).json["client_id"]
    browser = world.browser()
    world.decide(browser, world.ask(browser, client_id=client).text)
    displace(world, client)
    assert TEXTS["en"]["advice_gone"] in world.ask(browser, client_id=client).text


def displace(world: World, client_id: str) -> None:
    """Somebody else has registered, and chance has chosen the same place."""
    other = records.RegisteredClient(client_id[:-3] + "---", GOOD, int(world.now))
    key = records.place(client_id)
    change(world.storage, records.RegisteredClient, key, lambda _: (other, None))


def test_flood_leaves_no_more_than_there_are_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 64**records.PLACE_CHARACTERS == 262_144  # as the documentation has it
    monkeypatch.setattr(records, "PLACE_CHARACTERS", 1)
    storage = Memory()
    world = World(tmp_path, storage=storage)
    known = world.clients.register(GOOD)["client_id"]
    world.clients.note_login(known)
    for _ in range(2000):
        world.clients.register(GOOD)
    assert {key for _, key in storage.held if key != known} <= {f"client-{c}" for c in BASE64URL}
    assert {held.expires_at for (_, key), held in storage.held.items() if key != known} == {int(world.now) + DAY}
    world.clients.find(known)


def test_what_a_stranger_leaves_is_small(tmp_path: Path) -> None:
    storage = Memory()
    redirects = [f"{CALLBACK}/{n:02}/" + "x" * (4096 // 20 - len(CALLBACK) - 4) for n in range(20)]
    World(tmp_path, storage=storage).clients.register(
        {**GOOD, "redirect_uris": redirects, "client_name": "\N{GRINNING FACE}" * 200}
    )
    (held,) = storage.held.values()
    assert 4000 < len(json.dumps(held.record)) < 6000


def test_what_a_stranger_leaves_of_a_request_is_bounded(tmp_path: Path) -> None:
    storage = Memory()
    world = World(tmp_path, storage=storage)
    redirects = [f"{CALLBACK}/{n}/{'x' * (1024 - len(CALLBACK) - 3)}" for n in range(4)]
    metadata = {**GOOD, "redirect_uris": redirects, "client_name": "\N{GRINNING FACE}x" * 50}
    client = world.clients.register(metadata)["client_id"]
    wanted = {"client_id": client, "redirect_uri": redirects[0], "scope": "mcp:tools:" + "x" * 2038}
    for state, status in {"s" * 2048: 200, '"' * 2047: 200, "\1" * 683: 400, "\N{GRINNING FACE}" * 342: 400}.items():
        assert world.ask(world.browser(), **wanted, state=state).status_code == status
    sizes = [len(json.dumps(held.record)) for (kind, _), held in storage.held.items() if kind == "authorization"]
    assert 12_000 < max(sizes) < 13_000, "docs/oauth.md says what it costs"


def test_secret_is_stored_as_a_hash_alone(world: World, tmp_path: Path) -> None:
    secret = register(world, {"redirect_uris": [CALLBACK]}).json["client_secret"]
    code = world.code(client_id="desktop", redirect_uri="http://127.0.0.1:1/callback")
    tokens = world.redeem(code, "desktop", redirect_uri="http://127.0.0.1:1/callback").json or {}
    world.storage.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("store.sqlite*"))
    for text in (secret, code, code.split(".")[0], tokens["refresh_token"], tokens["access_token"]):
        assert text.encode() not in stored


NAMES = {
    "plain": ("A client", "A client"),
    "blanks": ("  a \n\t client ", "a client"),
    "right to left": ("evil\u202egnp.exe", "evil gnp.exe"),
    "zero width": ("Goo\u200bgle", "Goo gle"),
    "control": ("a\0b\x1bc", "a b c"),
    "full-width": ("Ｃｌａｕｄｅ", "Claude"),
    "line separator": ("a\u2028b", "a b"),
    "private use": ("a\ue000b", "a b"),
    "long": ("x" * 500, "x" * NAME_MAX_CHARACTERS),
    "nothing": ("\u200b \n", ""),
    "nothing in braille": ("\u2800", ""),
    "Hangul fillers": ("\u115f\u1160\u3164\uffa0", ""),
    "filler in a name": ("Goo\u3164gle", "Goo gle"),
    "variation selectors": ("a\ufe0fb\U000e0101c", "a b c"),
    "joiner of graphemes": ("a\u034fb", "a b"),
    "signs alone": ("\u2605 \u2014 !", ""),
    "struck through": ("Claude\u0338\u0336", "Claude"),
    "enclosed": ("A\u20e0\u20dd", "A"),
    "marks over the page": ("X" + "\u030d" * 90, "X" + "\u030d" * 2),
    "marks with nothing below": ("\u030d\u0316a", "a"),
    "marks after a blank": ("a \u030d\u0316b", "a b"),
    "accents": ("Cafe\u0301 Việt", "Caf\u00e9 Việt"),
    "Hindi": ("हिन्दी", "हिन्दी"),
    "Thai": ("ผู้ช่วย", "ผู้ช่วย"),
    "Chinese": ("助手 2", "助手 2"),
    "Arabic": ("مُسَاعِد", "مُسَاعِد"),
}


@pytest.mark.parametrize(("name", "shown"), NAMES.values(), ids=NAMES)
def test_name_is_one_line_without_tricks(name: str, shown: str) -> None:
    assert clean(name) == shown


def test_name_is_shown_as_text_and_as_unverified(world: World) -> None:
    client = register(world, {**GOOD, "client_name": "<img src=x onerror=alert(1)>"}).json["client_id"]
    page = world.ask(world.browser(), client_id=client).text
    assert "<img" not in page
    assert "&lt;img" in page
    assert 'class="warning"' in page
