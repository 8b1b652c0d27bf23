"""Route keys of an HTTP API, `POST /mcp` or `ANY /{proxy+}` or `$default`, and which one takes a request. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

METHODS = frozenset(["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])


@dataclass(frozen=True)
class Route:
    """One route of the template. An open one has no authorizer."""

    key: str
    method: str
    segments: tuple[str, ...]
    is_open: bool = False

    @classmethod
    def parse(cls, key: str, *, is_open: bool = False) -> Route:
        if key == "$default":
            return cls(key, "ANY", (), is_open)
        method, _, path = key.partition(" ")
        if method not in METHODS or not path.startswith("/"):
            raise ValueError(f'route {key!r} is none; write "$default", "METHOD /path" or "ANY /path/{{proxy+}}"')
        return cls(key, method, tuple(path.split("/")[1:]), is_open)

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path parameters when this route takes the request, else None."""
        if self.method not in ("ANY", method):
            return None
        if self.key == "$default":
            return {}
        parts = path.split("/")[1:]
        parameters: dict[str, str] = {}
        for position, segment in enumerate(self.segments):
            if segment.endswith("+}"):
                rest = "/".join(parts[position:])
                return {**parameters, segment[1:-2]: rest} if rest else None
            if position >= len(parts):
                return None
            if segment.startswith("{"):
                parameters[segment[1:-1]] = parts[position]
            elif segment != parts[position]:
                return None
        return parameters if len(parts) == len(self.segments) else None

    @property
    def rank(self) -> tuple[int, int, int]:
        """Best first: a full match, then a greedy one (the longer the better), then `$default`; a method before ANY."""
        greedy = any(segment.endswith("+}") for segment in self.segments)
        group = 2 if self.key == "$default" else 1 if greedy else 0
        variables = sum(segment.startswith("{") for segment in self.segments)
        return group, variables - len(self.segments), int(self.method == "ANY")


def select(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route that takes the request, with its path parameters; None is the gateway's own 404."""
    found = [(route, parameters) for route in routes if (parameters := route.match(method, path)) is not None]
    return min(found, key=lambda match: match[0].rank, default=None)
