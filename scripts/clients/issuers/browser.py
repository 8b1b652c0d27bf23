"""A person at a browser, scripted: follow redirects, fill in each form, agree to all. Judges nothing, runs no script.

Also a program that a client can open as its browser: `python browser.py [USER FILE] URL`. It never leaves loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

from mcp_faas.stores import LOOPBACK

LONGEST_WALK = 20
PATIENCE_SECONDS = 60.0
SLOWNESS_POLLS, POLL_SECONDS = 100, 0.1
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Person:
    """Who sits there."""

    user: str
    password: str = field(repr=False)


ANYBODY = Person("alice", "any")  # the pages for development take whatever they are given


class LostOnTheWay(RuntimeError):
    """The walk did not end where it should; the message says where it was."""


class Form(HTMLParser):
    """The first form of a page: where it goes, and what a person would send with it."""

    def __init__(self, page: str, person: Person = ANYBODY) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False
        self._filled = {"text": person.user, "password": person.password}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action, self._inside = found.get("action", ""), True
        elif tag == "input" and self._inside and found.get("name"):
            filled = self._filled.get(found.get("type", "text"))
            self.fields[found["name"]] = found.get("value", "") if filled is None else filled
        elif tag == "button" and self._inside and found.get("value") == "allow":
            self.fields[found["name"]] = "allow"

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


async def walk(url: str, until: str | None = None, person: Person = ANYBODY) -> str:
    """Begin at an authorization URL; the address of the page that asks nothing more, or begins with `until`.

    That one is not fetched: whoever names it has nobody who listens there.
    """
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        request = client.build_request("GET", on_loopback(url))
        for _ in range(LONGEST_WALK):
            answer = await sent(client, request)
            here = str(answer.url)
            if answer.status_code in REDIRECTS:
                onward = urljoin(here, str(answer.headers["location"]))
                if until is not None and onward.startswith(until):
                    return onward
                request = client.build_request("GET", on_loopback(onward))
                continue
            if answer.status_code != 200:
                raise LostOnTheWay(f"{urlsplit(here).path} answered {answer.status_code}")
            form = Form(answer.text, person)
            if form.action is None:
                return here
            request = client.build_request("POST", on_loopback(urljoin(here, form.action)), data=form.fields)
    raise LostOnTheWay(f"no end after {LONGEST_WALK} pages, at {request.url.path}")


async def sent(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    """A person needs longer for a login than a client to listen for its end, and this browser does not.

    `mcp-remote` opens the browser for more scope before it listens, and takes one that finds nobody for a failure.
    """
    for _ in range(SLOWNESS_POLLS):
        with contextlib.suppress(httpx2.ConnectError):
            return await client.send(request)
        await asyncio.sleep(POLL_SECONDS)
    return await client.send(request)


def on_loopback(url: str) -> str:
    host = urlsplit(url).hostname
    if host not in LOOPBACK:
        raise LostOnTheWay(f"{host} is not on this machine")
    return url


if __name__ == "__main__":
    *who, address = sys.argv[1:]
    somebody = Person(who[0], Path(who[1]).read_text(encoding="utf-8").removesuffix("\n")) if who else ANYBODY
    asyncio.run(walk(address, person=somebody))
