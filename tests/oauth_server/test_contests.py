"""Many at once at the endpoints: of all who present one code, one gets tokens; a consent and a login count once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from authorizing.world import PASSPHRASE, World, fields

AT_ONCE = 50


def test_one_code_and_fifty_who_have_it(world: World) -> None:
    code = world.code()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: world.redeem(code), range(AT_ONCE)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: AT_ONCE - 1}
    assert {(answer.json or {}).get("error") for answer in answers} == {None, "invalid_grant"}


def post_at_once(world: World, path: str, form: dict[str, str], cookies: list[str]) -> Counter[int]:
    """The same form from many copies of one browser."""

    def post(_: int) -> int:
        browser = world.browser()
        for cookie in cookies:
            name, value = cookie.split(";")[0].split("=", 1)
            browser.set_cookie(name, value, domain="127.0.0.1")
        return browser.post(path, data=form).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(post, range(AT_ONCE)))


def test_one_consent_and_one_login_given_many_times(world: World) -> None:
    browser = world.browser()
    page = world.ask(browser)
    cookies = page.headers.getlist("Set-Cookie")
    consent = {**fields(page.text), "decision": "allow"}
    assert post_at_once(world, "/authorize", consent, cookies) == {303: 1, 400: AT_ONCE - 1}
    page = world.ask(browser)
    agreed = world.decide(browser, page.text)
    cookies = [*page.headers.getlist("Set-Cookie"), *agreed.headers.getlist("Set-Cookie")]
    login = {**fields(browser.get(agreed.location).text), "username": "dev", "password": PASSPHRASE}
    assert post_at_once(world, "/authorize/login", login, cookies) == {303: 1, 400: AT_ONCE - 1}
