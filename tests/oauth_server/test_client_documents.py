"""Client ID metadata documents: what is fetched, from whom, how often, and what a document may say."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from authorization_server import client_documents
from authorization_server.client_documents import (
    FETCHES_AT_ONCE,
    FETCHES_PER_HOST,
    FETCHES_PER_MINUTE,
    KEPT_MAX,
    STRANGERS_AT_ONCE,
    ClientDocuments,
    Fetch,
    Fetcher,
    check_url,
    parse,
)
from authorization_server.clients import Client, ClientRefused, DocumentUnavailable
from authorization_server.services import open_services
from authorization_server.settings import read_settings
from authorization_server.storage import StorageUnavailable
from authorizing.memory import Memory
from authorizing.world import CALLBACK, HTTPS, NOON, World, environment, parameters, write_files
from mcp_faas.issuers.published import NotAnswered
from mcp_faas.issuers.reach import FetchFailed, Unreachable
from mcp_faas.settings.values import SettingsError

URL = "https://client.example/oauth/client.json"
GOOD: dict[str, Any] = {
    "client_id": URL,
    "client_name": "A document's client",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}

BAD_URLS = {
    "http": "http://client.example/client.json",
    "no path": "https://client.example",
    "root": "https://client.example/",
    "fragment": URL + "#x",
    "query": URL + "?x=y",
    "empty query": URL + "?",
    "user": "https://user@client.example/client.json",
    "password": "https://user:pass@client.example/client.json",
    "dot segments": "https://client.example/a/../client.json",
    "dot segment": "https://client.example/./client.json",
    "encoded dot segments": "https://client.example/%2e%2e/client.json",
    "upper-case host": "https://CLIENT.example/client.json",
    "upper-case scheme": "HTTPS://client.example/client.json",
    "backslash": "https://client.example\\client.json",
    "blank": "https://client.example/a b",
    "newline": URL + "\n",
    "NUL": URL + "\0",
    "not ASCII": "https://bücher.example/client.json",
    "port": "https://client.example:8443/client.json",
    "port that https has anyway": "https://client.example:443/client.json",
    "port zero": "https://client.example:0/client.json",
    "port too large": "https://client.example:99999/client.json",
    "no host": "https:///client.json",
    "localhost": "https://localhost/client.json",
    "loopback": "https://127.0.0.1/client.json",
    "loopback IPv6": "https://[::1]/client.json",
    "below localhost": "https://x.localhost/client.json",
    "another IPv6": "https://[2001:db8::1]/client.json",
    "long": "https://client.example/" + "a" * 600,
    "ftp": "ftp://client.example/client.json",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_url_that_names_no_document(url: str) -> None:
    with pytest.raises(ClientRefused):
        check_url(url, local=False)


@pytest.mark.parametrize("url", [URL, "https://client.example/a%20b/c", "https://192.0.2.1/client.json"])
def test_url_that_does(url: str) -> None:
    check_url(url, local=False)


def test_client_on_this_machine_is_for_development_alone() -> None:
    for url in ("http://127.0.0.1:9/client.json", "http://localhost:9/client.json"):
        check_url(url, local=True)
        with pytest.raises(ClientRefused):
            check_url(url, local=False)


BAD_DOCUMENTS: dict[str, dict[str, Any]] = {
    "another id": {"client_id": URL + "x"},
    "no id": {"client_id": None},
    "id as list": {"client_id": [URL]},
    "no redirects": {"redirect_uris": []},
    "bad redirect": {"redirect_uris": ["http://client.example/"]},
    "secret": {"client_secret": "x"},
    "secret's expiry": {"client_secret_expires_at": 0},
    "method with a secret": {"token_endpoint_auth_method": "client_secret_post"},
    "method with a key": {"token_endpoint_auth_method": "private_key_jwt"},
    "machine": {"grant_types": ["client_credentials"]},
}


@pytest.mark.parametrize("change", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_document_that_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ClientRefused):
        parse(URL, json.dumps({**GOOD, **change}).encode(), ("cursor",))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"{", b'{"client_id":1,"client_id":2}', b"[" * 9000], ids=range(6)
)
def test_body_that_is_no_document(body: bytes) -> None:
    with pytest.raises(ClientRefused):
        parse(URL, body, ())


class Site:
    """What a client publishes, and how often it was asked."""

    def __init__(self, answer: object = GOOD) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self, url: str) -> bytes:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return json.dumps(self.answer).encode()


def test_whole_flow_with_a_document(tmp_path: Path) -> None:
    site = Site()
    world = World(tmp_path, fetch=site)
    page = world.ask(world.browser(), client_id=URL)
    assert URL in page.text
    assert "A document&#39;s client" in page.text
    answer = world.redeem(world.code(client_id=URL), URL)
    assert answer.status_code == 200
    refreshed = world.refresh((answer.json or {})["refresh_token"], URL)
    assert refreshed.status_code == 200
    assert site.asked == 1
    assert world.ask(world.browser(), client_id=URL, redirect_uri=CALLBACK + "x").status_code == 400
    world.storage.close()


def test_document_is_kept_for_a_while_and_a_refusal_for_a_moment(tmp_path: Path) -> None:
    site = Site()
    now = 0.0
    documents = ClientDocuments((), lambda: now, fetch=site)
    documents.find(URL)
    now = 599.0
    documents.find(URL)
    assert site.asked == 1
    now, site.answer = 600.0, {}
    with pytest.raises(ClientRefused):
        documents.find(URL)
    now = 629.0
    with pytest.raises(ClientRefused):
        documents.find(URL)
    assert site.asked == 2
    now, site.answer = 631.0, GOOD
    assert documents.find(URL).redirect_uris == (CALLBACK,)


def test_host_that_is_down_keeps_nobody_out_who_has_logged_in_before(tmp_path: Path) -> None:
    site = Site()
    world = World(tmp_path, fetch=site)
    tokens = world.redeem(world.code(client_id=URL), URL).json or {}
    world.now += 3600  # what we remember is too old
    site.answer = Unreachable("down")
    other = URL + "x"
    assert "cannot be fetched now" in world.ask(world.browser(), client_id=other).text
    assert world.ask(world.browser(), client_id=URL).status_code == 200
    assert world.ask(world.browser(), client_id=URL, redirect_uri=CALLBACK + "x").status_code == 400
    tokens = world.redeem(world.code(client_id=URL), URL).json or {}
    assert world.refresh(tokens["refresh_token"], URL).status_code == 200
    world.now += 90 * 86400
    assert "cannot be fetched now" in world.ask(world.browser(), client_id=URL).text
    world.storage.close()


def logged_in(tmp_path: Path, **more: str) -> tuple[World, Site, str]:
    """A client that is known by a login, and its refresh token; what an instance remembers is too old."""
    site = Site()
    world = World(tmp_path, fetch=site, storage=Memory(), changes=more)
    tokens = world.redeem(world.code(client_id=URL), URL).json or {}
    world.now += 3600
    return world, site, tokens["refresh_token"]


@pytest.mark.parametrize("status", [302, 403, 429, 503])
def test_host_that_turns_us_away_keeps_nobody_out_who_has_logged_in_before(tmp_path: Path, status: int) -> None:
    world, site, _ = logged_in(tmp_path)
    site.answer = NotAnswered(f"status {status}")
    assert world.ask(world.browser(), client_id=URL).status_code == 200
    page = world.ask(world.browser(), client_id=URL + "x")
    assert (page.status_code, page.headers["Retry-After"]) == (400, "60")
    assert f"it answered with status {status}; try again later" in page.text


@pytest.mark.parametrize("answer", [FetchFailed("status 404"), {}], ids=["gone", "wrong"])
def test_document_that_was_withdrawn_does_not_come_back_from_the_copy(tmp_path: Path, answer: object) -> None:
    world, site, refresh = logged_in(tmp_path)
    site.answer = answer
    assert world.ask(world.browser(), client_id=URL).status_code == 400
    site.answer = Unreachable("down")
    for _ in range(2):
        world.now += 3600
        assert "try again later" in world.ask(world.browser(), client_id=URL).text
        refresh = (world.refresh(refresh, URL).json or {})["refresh_token"]
    site.answer = GOOD
    world.now += 3600
    assert world.ask(world.browser(), client_id=URL).status_code == 200
    site.answer = Unreachable("down")
    world.now += 3600
    assert world.ask(world.browser(), client_id=URL).status_code == 200, "it was seen again"


def test_copy_that_was_withdrawn_and_has_expired_is_made_anew(tmp_path: Path) -> None:
    world, site, _ = logged_in(tmp_path)  # whose storage deletes nothing
    site.answer = {}
    assert world.ask(world.browser(), client_id=URL).status_code == 400
    world.now += 90 * 86400
    site.answer = GOOD
    assert "code" in world.answer(client_id=URL)
    site.answer = Unreachable("down")
    world.now += 3600
    assert world.ask(world.browser(), client_id=URL).status_code == 200


def test_copy_is_of_what_was_fetched_last(tmp_path: Path) -> None:
    world, site, _ = logged_in(tmp_path)
    site.answer = {**GOOD, "redirect_uris": [CALLBACK + "x"]}
    assert world.ask(world.browser(), client_id=URL).status_code == 400
    world.now += 3600
    site.answer = Unreachable("down")
    assert world.ask(world.browser(), client_id=URL).status_code == 400
    assert world.ask(world.browser(), client_id=URL, redirect_uri=CALLBACK + "x").status_code == 200


@pytest.mark.parametrize("old", [GOOD, {}], ids=["good", "wrong"])
def test_fetch_that_another_instance_has_overtaken_changes_no_copy(tmp_path: Path, old: object) -> None:
    """Ours begins first and ends last, with what the document said before."""
    world, _, _ = logged_in(tmp_path)
    other = World(tmp_path, fetch=Site({**GOOD, "redirect_uris": [CALLBACK + "x"]}), storage=world.storage)
    other.now = world.now + 1

    def overtaken(url: str) -> bytes:
        other.clients.find(url)
        ours.now += 2
        return json.dumps(old).encode()

    ours = World(tmp_path, fetch=overtaken, storage=world.storage)
    ours.now = world.now
    with contextlib.suppress(ClientRefused):
        ours.clients.find(URL)
    down = World(tmp_path, storage=world.storage)
    down.now = world.now
    assert down.clients.find(URL).redirect_uris == (CALLBACK + "x",)


def test_use_without_a_look_at_the_document_does_not_prolong_its_copy(tmp_path: Path) -> None:
    world, site, refresh = logged_in(tmp_path)
    site.answer = Unreachable("down")
    for _ in range(6):
        world.now += 86400
        refresh = (world.refresh(refresh, URL).json or {})["refresh_token"]
    assert "code" in world.answer(client_id=URL)
    world.now += 86400
    assert "try again later" in world.ask(world.browser(), client_id=URL).text
    assert world.refresh(refresh, URL).status_code == 200


def test_look_at_the_document_prolongs_its_copy(tmp_path: Path) -> None:
    world, site, _ = logged_in(tmp_path)
    world.now += 6 * 86400
    assert world.ask(world.browser(), client_id=URL).status_code == 200
    site.answer = Unreachable("down")
    world.now += 6 * 86400
    assert world.ask(world.browser(), client_id=URL).status_code == 200


def test_client_that_only_refreshes_stays_known(tmp_path: Path) -> None:
    world, _, refresh = logged_in(tmp_path, OAUTH_REFRESH_TOKEN_TTL="366d")
    for _ in range(2):
        world.now += 50 * 86400
        refresh = (world.refresh(refresh, URL).json or {})["refresh_token"]
    spend(world)
    assert world.ask(world.browser(), client_id=URL).status_code == 200, "strangers are not in its way"


def spend(world: World) -> None:
    """Strangers have made this instance fetch as much as they can."""
    for number in range(FETCHES_PER_MINUTE):
        with contextlib.suppress(ClientRefused, DocumentUnavailable):
            world.documents.find(f"https://evil{number}.example/x")
    with pytest.raises(DocumentUnavailable, match="too many"):
        world.documents.find("https://evil.example/x")


def test_login_that_ends_in_a_flood_leaves_a_copy(tmp_path: Path) -> None:
    site = Site()
    world = World(tmp_path, fetch=site, storage=Memory())
    world.documents.find(URL)
    world.now += 590
    browser = world.browser()
    agreed = world.decide(browser, world.ask(browser, client_id=URL).text)
    world.now += 20  # what was remembered is too old
    spend(world)
    assert "code" in parameters(world.log_in(browser, agreed.location).location)
    site.answer = Unreachable("down")
    world.now += 3600
    assert world.ask(world.browser(), client_id=URL).status_code == 200


def test_document_that_says_something_else_counts_at_the_next_login(tmp_path: Path) -> None:
    site = Site()
    world = World(tmp_path, fetch=site)
    tokens = world.redeem(world.code(client_id=URL), URL).json or {}
    world.now += 3600
    site.answer = {**GOOD, "redirect_uris": [CALLBACK + "x"]}
    assert world.ask(world.browser(), client_id=URL).status_code == 400
    assert "code" in world.answer(client_id=URL, redirect_uri=CALLBACK + "x")
    world.now += 3600
    site.answer = Unreachable("down")
    assert world.ask(world.browser(), client_id=URL).status_code == 400, "the copy is of the last login"
    world.now += 3600
    site.answer = {}
    assert world.ask(world.browser(), client_id=URL, redirect_uri=CALLBACK + "x").status_code == 400
    assert world.refresh(tokens["refresh_token"], URL).status_code == 200
    world.storage.close()


def test_instance_that_has_seen_no_document_knows_what_its_client_may_do(tmp_path: Path) -> None:
    without = {**GOOD, "grant_types": ["authorization_code"]}
    first = World(tmp_path, fetch=Site(without))
    code = first.code(client_id=URL)
    site = Site(Unreachable("down"))
    second = World(tmp_path, fetch=site, storage=first.storage)
    second.key_document = first.key_document
    answer = second.redeem(code, URL)
    assert answer.status_code == 200
    assert "refresh_token" not in (answer.json or {})
    assert site.asked == 0
    first.storage.close()


def test_nothing_is_fetched_for_whoever_has_no_code_and_no_token(tmp_path: Path) -> None:
    site = Site()
    world = World(tmp_path, fetch=site)
    for number in range(20):
        url = f"https://client{number}.example/client.json"
        for answer in (
            world.redeem("mcpc-" + "a" * 22 + "." + "b" * 43, url),
            world.refresh("mcpr-" + "a" * 22 + "." + "b" * 43, url),
        ):
            assert (answer.status_code, (answer.json or {})["error"]) == (400, "invalid_grant")
        assert world.post("/revoke", None, token="x", client_id=url).status_code == 200
    assert site.asked == 0
    world.storage.close()


def test_documents_can_be_off(tmp_path: Path) -> None:
    site = Site()
    world = World(tmp_path, fetch=site, OAUTH_CLIENT_METADATA_DOCUMENTS="off")
    assert world.ask(world.browser(), client_id=URL).status_code == 400
    assert site.asked == 0
    world.storage.close()


def test_logins_that_there_are_outlast_the_end_of_documents(tmp_path: Path) -> None:
    before, _, refresh = logged_in(tmp_path)
    world = World(tmp_path, storage=before.storage, OAUTH_CLIENT_METADATA_DOCUMENTS="off")
    world.key_document = before.key_document
    again = world.refresh(refresh, URL)
    assert again.status_code == 200
    refresh = (again.json or {})["refresh_token"]
    assert world.post("/revoke", None, token=refresh, client_id=URL).status_code == 200
    assert world.refresh(refresh, URL).status_code == 400


class Web:
    """Good documents at the addresses of clients, and a status 404 at those that a stranger makes up."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, url: str) -> bytes:
        self.asked[url] += 1
        if "evil" in url:
            raise FetchFailed("status 404")
        return json.dumps({**GOOD, "client_id": url}).encode()


def test_strangers_cannot_make_us_call_often() -> None:
    site = Site(FetchFailed("status 404"))
    now = 0.0
    documents = ClientDocuments((), lambda: now, fetch=site)
    met: Counter[type] = Counter()
    for number in range(2 * FETCHES_PER_MINUTE):
        with pytest.raises((ClientRefused, DocumentUnavailable)) as why:
            documents.find(f"https://client{number}.example/x")
        met[ClientRefused if issubclass(why.type, ClientRefused) else DocumentUnavailable] += 1
    assert site.asked == FETCHES_PER_MINUTE
    assert met == {ClientRefused: FETCHES_PER_MINUTE, DocumentUnavailable: FETCHES_PER_MINUTE}
    now = 61.0
    with pytest.raises(ClientRefused):
        documents.find("https://client.example/again")


class TakesTooMuchIll:
    """The host of a client, which answers so many requests in a minute and turns away whoever sends more."""

    def __init__(self, limit: int) -> None:
        self.now, self.limit = 0.0, limit
        self.times: list[float] = []

    def __call__(self, url: str) -> bytes:
        self.times = [at for at in self.times if self.now - at < 60] + [self.now]
        if len(self.times) > self.limit:
            raise NotAnswered("status 429")
        if url != URL:
            raise FetchFailed("status 404")
        return json.dumps(GOOD).encode()


def test_strangers_cannot_have_a_clients_host_turn_us_away(tmp_path: Path) -> None:
    host = TakesTooMuchIll(FETCHES_PER_HOST + 2)
    world = World(tmp_path, fetch=host, storage=Memory())
    world.clients.note_login(URL)
    for step in range(4 * 1200):  # four a second for twenty minutes
        world.now = NOON + step / 4
        host.now = world.now
        with contextlib.suppress(ClientRefused, DocumentUnavailable):
            world.clients.find(f"https://client.example/{step}")
        assert len(host.times) <= host.limit, "nobody was turned away"
        if step % 240 == 239:
            assert world.clients.find(URL).redirect_uris == (CALLBACK,)


def test_memory_is_bounded_and_bad_documents_push_no_good_ones_out() -> None:
    now, web = 0.0, Web()
    documents = ClientDocuments((), lambda: now, fetch=web)
    documents.find(URL)
    for number in range(5 * KEPT_MAX):
        now += 0.2
        with pytest.raises(ClientRefused):
            documents.find(f"https://evil{number}.example/x")
    documents.find(URL)
    assert web.asked[URL] == 1
    for number in range(5 * KEPT_MAX):
        now += 0.2
        documents.find(f"https://client{number}.example/client.json")
        documents.find(URL)  # who is asked for is not the one to go
    assert web.asked[URL] == 1
    assert len(documents._documents) == len(documents._failures) == KEPT_MAX


def test_flood_of_made_up_documents_locks_nobody_out_who_was_here_before(tmp_path: Path) -> None:
    """And whoever was not, hears that the server cannot look now, until a minute after the flood at the latest."""
    web = Web()
    world = World(tmp_path, fetch=web, storage=Memory())
    world.now = NOON - 25  # so that our copy becomes too old while others have asked for too much
    tokens = world.redeem(world.code(client_id=URL), URL).json or {}
    new: Counter[str] = Counter()
    for step in range(20 * 1200):  # twenty a second for twenty minutes
        world.now = NOON + step / 20
        with contextlib.suppress(ClientRefused, DocumentUnavailable):
            world.clients.find(f"https://evil{step}.example/x")
        if step % 200 == 150:
            assert world.clients.find(URL).redirect_uris == (CALLBACK,)
            try:
                world.clients.find(f"https://client{step}.example/client.json")
                new["in"] += 1
            except DocumentUnavailable:
                new["later"] += 1
    assert web.asked.total() <= 21 * FETCHES_PER_MINUTE
    assert new["later"] > 20, "this was a flood"
    assert new["in"] > 20, "and it came in waves"
    assert web.asked[URL] == 3, "what the document says is seen anew all the same"
    assert world.refresh(tokens["refresh_token"], URL).status_code == 200
    world.now += 60
    world.clients.find("https://new.example/client.json")


def test_hosts_that_never_answer_hold_few_threads_and_no_known_client() -> None:
    held, go_on = threading.Semaphore(0), threading.Event()

    def fetch(url: str) -> bytes:
        if "evil" in url:
            held.release()
            go_on.wait(20)
            raise Unreachable("no whole answer")
        return json.dumps({**GOOD, "client_id": url}).encode()

    def ask(number: int) -> None:
        with contextlib.suppress(DocumentUnavailable):
            documents.find(f"https://evil.example/{number}")

    documents = ClientDocuments((), lambda: 0.0, fetch=fetch)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(FETCHES_AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.acquire(timeout=20)
    with pytest.raises(DocumentUnavailable, match="too many"):
        documents.find("https://evil.example/another")
    assert documents.find(URL, lambda: True).client_id == URL
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert documents.find("https://client.example/another").redirect_uris == (CALLBACK,)


class Gate:
    """A web whose documents come when it is opened."""

    def __init__(self, web: Fetch | None = None) -> None:
        self.web, self.asked = web or Web(), threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, url: str) -> bytes:
        self.asked.release()
        self.opened.wait(20)
        return self.web(url)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_those_who_open_a_new_client_at_once_wait_for_one_fetch(tmp_path: Path) -> None:
    web = Web()
    gate = Gate(web)
    world = World(tmp_path, fetch=gate)
    with ThreadPoolExecutor(STRANGERS_AT_ONCE + 1) as pool:
        asked = [pool.submit(world.ask, world.browser(), client_id=URL) for _ in range(STRANGERS_AT_ONCE)]
        until(lambda: world.documents._strangers == STRANGERS_AT_ONCE)
        with pytest.raises(DocumentUnavailable, match="too many"):
            world.documents.find(URL)
        known = pool.submit(world.documents.find, URL, lambda: True)
        gate.opened.set()
        assert {page.result(20).status_code for page in asked} == {200}
        assert known.result(20).redirect_uris == (CALLBACK,)
    assert web.asked[URL] == 1
    assert (world.documents._strangers, world.documents._under_way) == (0, {})
    world.storage.close()


@pytest.mark.parametrize("url", [URL, "https://evil.example/x"], ids=["good", "gone"])
def test_known_client_that_waits_for_a_strangers_fetch_gets_what_that_gets(url: str) -> None:
    web = Web()
    gate = Gate(web)
    documents = ClientDocuments((), lambda: 0.0, fetch=gate)
    noted: list[Client | None] = []
    with ThreadPoolExecutor(2) as pool:
        stranger = pool.submit(documents.find, url, note_fetch=noted.append)
        assert gate.asked.acquire(timeout=20)
        known = pool.submit(documents.find, url, lambda: True, noted.append)
        until(lambda: documents._strangers == 2)
        gate.opened.set()
        expected = type(None) if url == URL else ClientRefused
        assert type(known.exception(20)) is type(stranger.exception(20)) is expected
    assert web.asked[url] == len(noted) == 1


def test_wait_for_anothers_fetch_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_documents, "FETCH_SECONDS", 0.05)
    gate = Gate()
    documents = ClientDocuments((), lambda: 0.0, fetch=gate)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(documents.find, URL)
        assert gate.asked.acquire(timeout=20)
        began = time.monotonic()
        with pytest.raises(DocumentUnavailable, match="cannot be fetched now"):
            documents.find(URL)
        gate.opened.set()
        assert time.monotonic() - began < 5


def test_fetch_that_breaks_by_a_mistake_of_ours_leaves_nobody_waiting() -> None:
    gate = Gate(Site(RuntimeError("a defect")))
    documents = ClientDocuments((), lambda: 0.0, fetch=gate)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(documents.find, URL)
        assert gate.asked.acquire(timeout=20)
        second = pool.submit(documents.find, URL)
        until(lambda: documents._strangers == 2)
        gate.opened.set()
        assert isinstance(first.exception(20), RuntimeError)
        assert isinstance(second.exception(client_documents.FETCH_SECONDS / 2), DocumentUnavailable)
    assert (documents._strangers, documents._fetching, documents._under_way) == (0, 0, {})


def test_fetches_for_known_clients_leave_strangers_no_more_room(tmp_path: Path) -> None:
    gate, others = Gate(), Gate()
    documents = ClientDocuments((), lambda: 0.0, fetch=lambda url: (others if "other" in url else gate)(url))
    with ThreadPoolExecutor(2 * FETCHES_AT_ONCE) as pool:
        for number in range(FETCHES_AT_ONCE):
            pool.submit(documents.find, f"https://client{number}.example/x")
            assert gate.asked.acquire(timeout=20)
        known = [pool.submit(documents.find, f"https://other{n}.example/x", lambda: True) for n in range(3)]
        others.opened.set()
        assert all(found.result(20) for found in known)
        gate.opened.set()
        until(lambda: documents._strangers == 0)
        gate.opened.clear()
        for number in range(FETCHES_AT_ONCE):
            pool.submit(documents.find, f"https://later{number}.example/x")
            assert gate.asked.acquire(timeout=20)
        with pytest.raises(DocumentUnavailable, match="too many"):
            documents.find(URL)
        gate.opened.set()


@pytest.mark.parametrize("answer", [GOOD, {}], ids=["good", "wrong"])
def test_what_a_fetch_has_found_is_remembered_though_the_storage_is_down(answer: object) -> None:
    site = Site(answer)
    documents = ClientDocuments((), lambda: 0.0, fetch=site)

    def note(_: Client | None) -> None:
        raise StorageUnavailable("down")

    with pytest.raises(StorageUnavailable):
        documents.find(URL, note_fetch=note)
    with contextlib.nullcontext() if answer else pytest.raises(ClientRefused):
        documents.find(URL, note_fetch=note)
    assert site.asked == 1


class Server:
    """An HTTP server on loopback, which is what a document's host must never lead to in production."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.requests: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(dict(self.headers))
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/client.json"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def replies(
    status: int = 200, body: bytes = b"{}", kind: str = "application/json", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def drips(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.end_headers()
    try:
        for _ in range(200):
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.05)
    except OSError:
        return


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], Server]


def test_fetch_asks_plainly(serve: Serve) -> None:
    server = serve(replies(body=b'{"a": 1}'))
    assert Fetcher(local=True)(server.url) == b'{"a": 1}'
    (headers,) = server.requests
    assert {name.lower() for name in headers} <= {"host", "accept", "accept-encoding", "connection", "user-agent"}


BAD_ANSWERS = {
    "redirect": replies(302, Location="http://127.0.0.1:1/"),
    "not found": replies(404),
    "gone": replies(410),
    "server error": replies(500),
    "text": replies(kind="text/html"),
    "no type": replies(kind=""),
    "nearly JSON": replies(kind="application/jsonx"),
    "compressed": replies(Content_Encoding="gzip"),
    "large": replies(body=b" " * (client_documents.DOCUMENT_MAX_BYTES + 1)),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_answer_that_is_not_taken(serve: Serve, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
    server = serve(answer)
    with pytest.raises(FetchFailed) as why:
        Fetcher(local=True)(server.url)
    assert len(server.requests) == 1
    assert (why.type is NotAnswered) is (answer in (BAD_ANSWERS["redirect"], BAD_ANSWERS["server error"]))
    assert ("redirects are not followed" in str(why.value)) is (answer is BAD_ANSWERS["redirect"])


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/x+json"])
def test_types_that_are_taken(serve: Serve, kind: str) -> None:
    assert Fetcher(local=True)(serve(replies(kind=kind)).url) == b"{}"


def test_slow_answer_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_documents, "FETCH_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        Fetcher(local=True)(serve(drips).url)
    assert time.monotonic() - began < 5


class Dns:
    """The resolver of the fetcher's loop, with names of ours; the addresses that were connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0
        self.connected: list[str] = []
        fetcher = Fetcher(local=False)
        self.fetch = fetcher

        async def getaddrinfo(host: str, port: int, **given: Any) -> list[Any]:
            try:  # an address, as the transport asks for what it is to connect to
                family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
            except ValueError:
                self.asked += 1
                found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if not found:
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]
            return [(family, socket.SOCK_STREAM, 6, "", (host, port))]

        async def sock_connect(_: socket.socket, address: Any) -> None:
            self.connected.append(str(address[0]))
            raise ConnectionRefusedError

        loop = fetcher._loop
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(loop, "sock_connect", sock_connect)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104 - an address to judge, not one to listen on
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_name_that_leads_inside_is_never_connected_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for answers in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        dns = Dns(monkeypatch, answers)
        with pytest.raises(FetchFailed, match="no address on the internet"):
            dns.fetch(URL)
        assert dns.connected == []


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[fd00::1]", "2130706433", "0x7f.1", "127.1", "0"])
def test_address_in_the_url_is_judged_like_a_name(host: str) -> None:
    with pytest.raises(FetchFailed):
        Fetcher(local=False)(f"https://{host}/client.json")


def test_dns_that_changes_between_check_and_use_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dns = Dns(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    with pytest.raises(Unreachable):
        dns.fetch(URL)
    assert dns.asked == 1
    assert set(dns.connected) == {"8.8.8.8"}


def test_name_without_an_address_may_have_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable):
        Dns(monkeypatch, []).fetch(URL)


@pytest.mark.parametrize("host", ["metadata.internal.corp", "127.0.0.1.nip.io", "10.0.0.1", "client.example"])
def test_nothing_is_fetched_through_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """It would resolve the name by itself, so nobody could judge where that leads."""
    monkeypatch.setenv("https_proxy", "http://proxy.internal:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    dns = Dns(monkeypatch, ["8.8.8.8"])
    with pytest.raises(FetchFailed, match="proxy"):
        dns.fetch(f"https://{host}/client.json")
    assert (dns.connected, dns.asked) == ([], 0)
    monkeypatch.setenv("no_proxy", host)
    if host == "client.example":  # which is asked directly then, and judged
        with pytest.raises(Unreachable):
            dns.fetch(f"https://{host}/client.json")
        assert dns.connected == ["8.8.8.8"]


def test_server_behind_a_proxy_needs_a_word_about_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.internal:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    write_files(tmp_path)
    changes = {
        "OAUTH_ISSUER": HTTPS,
        "OAUTH_LOGIN": "github",
        "OAUTH_LOGIN_CLIENT_ID": "x",
        "OAUTH_LOGIN_CLIENT_SECRET": f"file:{tmp_path / 'passphrase'}",
    }
    with pytest.raises(SettingsError, match="OAUTH_CLIENT_METADATA_DOCUMENTS is on"):
        open_services(read_settings(environment(tmp_path, **changes)))
    changes["OAUTH_CLIENT_METADATA_DOCUMENTS"] = "off"
    open_services(read_settings(environment(tmp_path, **changes))).storage.close()


def test_stranger_hears_nothing_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dns = Dns(monkeypatch, ["10.1.2.3"])
    world = World(tmp_path, fetch=dns.fetch)
    page = world.ask(world.browser(), client_id=URL)
    assert page.status_code == 400
    assert "10.1.2.3" not in page.text
    world.storage.close()


def test_certificate_is_held_to_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher = Fetcher(local=False)
    assert fetcher._tls.verify_mode is ssl.CERT_REQUIRED
    assert fetcher._tls.check_hostname is True
    assert isinstance(fetcher._loop, asyncio.AbstractEventLoop)
