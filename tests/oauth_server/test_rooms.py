"""The house of the authorization server: which room may import what, and that the pure ones stay pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "functions/oauth_server/authorization_server"
# From the outside in: a module imports from those after it alone.
RINGS = [
    ["lambda_events"],
    ["app"],
    ["audit", "pages", "services"],
    ["flow", "translations"],
    ["browser", "logins", "protocol", "authorization_requests"],
    ["access_tokens", "client_documents", "key_source", "key_rotation"],
    ["clients"],
    ["keeping", "signing_keys"],
    ["storage", "registration"],
    ["metadata", "standing"],
    ["settings"],
    ["people", "redirects", "resources", "scopes", "records"],
]
PURE = [
    "access_tokens",
    "metadata",
    "people",
    "records",
    "redirects",
    "registration",
    "resources",
    "scopes",
    "settings",
    "standing",
]
PURE += ["signing_keys", "translations"]
OUTSIDE = {"os", "io", "sys", "time", "socket", "subprocess", "pathlib", "logging", "asyncio", "threading", "tempfile"}
OUTSIDE |= {"flask", "werkzeug", "httpx2", "boto3", "botocore", "sqlite3", "http"}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.read_text(encoding="utf-8").strip())


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def ring(name: str) -> int:
    return next(number for number, names in enumerate(RINGS) if name in names)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "authorization_server":
                yield from (f"{node.module}.{name.name}" for name in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inward(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "authorization_server" and parts[1] != room(path):
            assert ring(parts[1]) >= ring(room(path)), f"{path.name} imports {name}"
            assert not _back(parts[1], room(path)), f"{path.name} and {parts[1]} import each other"


def _back(inner: str, outer: str) -> bool:
    sources = [path for path in MODULES if room(path) == inner]
    return any(name.split(".")[:2] == ["authorization_server", outer] for path in sources for name in imports(path))


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) in PURE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_pure_rooms_stay_pure(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & OUTSIDE
