"""The scripted person follows redirects with cookies, fills in what a page asks, and stays on this machine."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

import pytest

from clients.issuers.browser import Form, LostOnTheWay, walk
from edges.listener import Answer, Listener, Request

LOGIN = '<p><form action="/session" method="post"><input type="hidden" name="prompt" value="login"/>'
LOGIN += '<input type="text" name="login"><input type="password" name="password"></form>'
LOGIN += '<form action="/other"><input name="never"></form>'


def see(location: str, *more: tuple[str, str]) -> Answer:
    return Answer(303, (("location", location), *more))


async def page(request: Request) -> Answer:
    cookies = dict(request.headers).get("cookie", "")
    if request.path == "/begin":
        return see("/login", ("set-cookie", "visit=1; Path=/"))
    if request.path == "/login" and "visit=1" in cookies:
        return Answer(200, (("content-type", "text/html"),), LOGIN.encode())
    sent = {"prompt": ["login"], "login": ["alice"], "password": ["any"]}
    if request.path == "/session" and parse_qs(request.body.decode()) == sent:
        return see("http://127.0.0.1/callback?code=c")
    if request.path == "/away":
        return see("https://elsewhere.example/")
    if request.path == "/round":
        return see("/round")
    return Answer(404)


def walked(path: str, until: str | None = "http://127.0.0.1/callback") -> str:
    async def go() -> str:
        listener = Listener(page, port=0, body_limit_bytes=1024)
        await listener.start()
        try:
            return await walk(f"http://127.0.0.1:{listener.port}{path}", until)
        finally:
            await listener.stop()

    return asyncio.run(go())


def test_a_login_ends_at_the_callback() -> None:
    assert walked("/begin") == "http://127.0.0.1/callback?code=c"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/login", "/login answered 404"),
        ("/away", "elsewhere.example is not on this machine"),
        ("/round", "no end after 20 pages, at /round"),
    ],
)
def test_a_walk_that_goes_wrong_is_told(path: str, told: str) -> None:
    with pytest.raises(LostOnTheWay, match=told):
        walked(path)


def test_the_first_form_counts_and_keeps_what_it_holds() -> None:
    form = Form(LOGIN)
    assert form.action == "/session"
    assert form.fields == {"prompt": "login", "login": "alice", "password": "any"}
