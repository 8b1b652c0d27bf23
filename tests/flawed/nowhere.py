"""Servers that are no MCP endpoint and have no door: what a mistyped host, port or path leads to."""

from __future__ import annotations

from flawed.correct import Answer, Correct, Request, as_json

HTML = [("content-type", "text/html")]


class Files(Correct):
    """`python3 -m http.server`: files to GET, and no idea of POST."""

    def answer(self, request: Request) -> Answer:
        if request.method in ("GET", "HEAD"):
            return Answer(404, HTML, b"<h1>File not found</h1>")
        return Answer(501, HTML, b"<h1>Unsupported method</h1>")


class NothingIsFound(Correct):
    def answer(self, request: Request) -> Answer:
        return Answer(404, HTML, b"<h1>Not found</h1>")


class NothingIsAllowed(Correct):
    def answer(self, request: Request) -> Answer:
        return Answer(405, [("allow", "GET, HEAD")])


class Elsewhere(Correct):
    """Everything is a login page for people, or has moved."""

    def answer(self, request: Request) -> Answer:
        return Answer(302, [("location", f"{self.base}/login")])


class Website(Correct):
    """One page for people at every address."""

    def answer(self, request: Request) -> Answer:
        return Answer(200, HTML, b"<!doctype html><h1>Welcome</h1>")


class AnotherApi(Correct):
    """JSON, and not a word of JSON-RPC."""

    def answer(self, request: Request) -> Answer:
        return as_json(200, {"status": "ok"})


class Down(Correct):
    def answer(self, request: Request) -> Answer:
        return Answer(503, HTML, b"<h1>Service unavailable</h1>")


# With the words that the advice must hold.
NOWHERE: dict[type[Correct], str] = {
    Files: "something else than an MCP server answers",
    NothingIsFound: "the path is wrong",
    NothingIsAllowed: "does not allow POST",
    Elsewhere: "this address sends callers elsewhere",
    Website: "something else than an MCP server answers",
    AnotherApi: "something else than an MCP server answers",
    Down: "the function does not start",
}
