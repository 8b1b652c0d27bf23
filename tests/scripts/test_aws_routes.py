"""Which route of an HTTP API takes a request."""

from __future__ import annotations

import pytest

from edges.aws_routes import Route, select

ROUTES = ["ANY /{proxy+}", "ANY /mcp", "POST /mcp", "GET /a/{id}", "GET /a/{rest+}", "GET /a/b/{rest+}", "$default"]


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("POST", "/mcp", "POST /mcp", {}),
        ("GET", "/mcp", "ANY /mcp", {}),
        ("POST", "/mcp/", "ANY /{proxy+}", {"proxy": "mcp/"}),
        ("GET", "/a/1", "GET /a/{id}", {"id": "1"}),
        ("GET", "/a/1/2", "GET /a/{rest+}", {"rest": "1/2"}),
        ("GET", "/a/b/2", "GET /a/b/{rest+}", {"rest": "2"}),
        ("PUT", "/a/1", "ANY /{proxy+}", {"proxy": "a/1"}),
        ("GET", "/", "$default", {}),
    ],
)
def test_the_most_specific_route_takes_a_request(method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    selected = select([Route.parse(key) for key in ROUTES], method, path)
    assert selected is not None
    assert (selected[0].key, selected[1]) == (key, parameters)


@pytest.mark.parametrize("key", ["/mcp", "FETCH /mcp", "POST mcp", ""])
def test_a_route_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is none"):
        Route.parse(key)
