"""A page in a browser, as far as the Fetch standard's CORS protocol goes (§3.3, §4.8 to §4.10), and a shared cache.

Strict: what the standard does not let a page see, it does not see here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx2

SAFELISTED_METHODS = {"GET", "HEAD", "POST"}
SAFELISTED_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
SAFELISTED_REQUEST = {"accept", "accept-language", "content-language"}
SAFELISTED_RESPONSE = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}


class NetworkError(Exception):
    """All that a page learns of an answer that it may not read."""


@dataclass
class Cache:
    """What any cache on the way may keep: `public` answers to GET, told apart by what `Vary` names."""

    kept: list[tuple[str, dict[str, str | None], httpx2.Response]] = field(default_factory=list)

    def find(self, url: str, headers: dict[str, str]) -> httpx2.Response | None:
        for known, varying, response in self.kept:
            if known == url and all(headers.get(name) == value for name, value in varying.items()):
                return response
        return None

    def keep(self, url: str, headers: dict[str, str], response: httpx2.Response) -> None:
        if "public" in response.headers.get("cache-control", ""):
            names = split(response.headers.get("vary", ""))
            self.kept.append((url, {name: headers.get(name) for name in names}, response))


@dataclass
class Page:
    """A page of this origin."""

    http: httpx2.AsyncClient
    origin: str
    cache: Cache = field(default_factory=Cache)
    preflights: list[httpx2.Response] = field(default_factory=list)

    async def fetch(
        self, method: str, url: str, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> httpx2.Response:
        """`fetch(url)` without cookies. Raises `NetworkError` where a browser would, and shows the headers it would."""
        given = {name.lower(): value for name, value in (headers or {}).items()}
        unsafe = sorted(name for name, value in given.items() if not is_safelisted(name, value))
        if method not in SAFELISTED_METHODS or unsafe:
            await self._preflight(method, url, unsafe)
        sent = {**given, "origin": self.origin}
        response = self.cache.find(url, sent) if method == "GET" else None
        if response is None:
            response = await self.http.request(method, url, headers=sent, content=content)
            if method == "GET":
                self.cache.keep(url, sent, response)
        self._check_origin(response)
        exposed = split(response.headers.get("access-control-expose-headers", ""))
        visible = SAFELISTED_RESPONSE | set(exposed)
        seen = [(name, value) for name, value in response.headers.multi_items() if name.lower() in visible]
        return httpx2.Response(response.status_code, headers=seen, content=response.content)

    async def _preflight(self, method: str, url: str, unsafe: list[str]) -> None:
        asked = {"origin": self.origin, "access-control-request-method": method, "accept": "*/*"}
        if unsafe:
            asked["access-control-request-headers"] = ",".join(unsafe)
        answer = await self.http.request("OPTIONS", url, headers=asked)
        self.preflights.append(answer)
        self._check_origin(answer)
        if not 200 <= answer.status_code < 300:
            raise NetworkError(f"the preflight was answered with {answer.status_code}")
        methods = [name.strip() for name in answer.headers.get("access-control-allow-methods", "").split(",")]
        if method not in methods and method not in SAFELISTED_METHODS:
            raise NetworkError(f"{method} is not allowed")
        names = split(answer.headers.get("access-control-allow-headers", ""))
        for name in unsafe:
            if name not in names:  # a star would not name Authorization, and we use none
                raise NetworkError(f"the header {name} is not allowed")

    def _check_origin(self, answer: httpx2.Response) -> None:
        allowed = answer.headers.get_list("access-control-allow-origin")
        if allowed not in ([self.origin], ["*"]):
            raise NetworkError(f"the answer is for {allowed}")


def is_safelisted(name: str, value: str) -> bool:
    if name == "content-type":
        return value.partition(";")[0].strip().lower() in SAFELISTED_TYPES
    return name in SAFELISTED_REQUEST and len(value) <= 128


def split(value: str) -> list[str]:
    return [name.strip().lower() for name in value.split(",") if name.strip()]
