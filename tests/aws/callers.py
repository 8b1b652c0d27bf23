"""A client of an AWS stand-in, for tests: its calls, and what the functions behind it have said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from edges.aws import AwsEdge
from edges.serving import running

FUNCTION = Path(__file__).parents[1] / "scripts/aws_function"


class Caller:
    """A client of one edge, and the lines that its functions have said."""

    def __init__(self, edge: AwsEdge, client: httpx2.Client, lines: list[str]) -> None:
        self.edge, self.client, self.lines = edge, client, lines

    def __call__(self, path: str = "/mcp", order: Any = None, method: str = "POST", **more: Any) -> httpx2.Response:
        return self.client.request(method, path, json=order or {}, **more)

    def seen(self, **more: Any) -> dict[str, Any]:
        answer = self(**more)
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    def asked(self) -> int:
        """How often the authorizer was."""
        return sum(line.startswith("asked ") for line in self.lines)


@contextmanager
def serving(kind: Any = "http-api", **more: Any) -> Iterator[Caller]:
    lines: list[str] = []
    given = {"port": 0, "environment": {}, "code": FUNCTION, "python": sys.executable, "log": lines.append, **more}
    edge = AwsEdge(kind=kind, **given)
    with running(edge), httpx2.Client(timeout=60, trust_env=False) as client:
        client.base_url = httpx2.URL(f"http://127.0.0.1:{edge.port}")
        yield Caller(edge, client, lines)
