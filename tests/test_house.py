"""The house: which room may import what, who reads the environment, and that the documents' links lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "functions/mcp_faas"
FUNCTIONS = sorted((ROOT / "functions").rglob("*.py"))

# From the outside in: a module may import from its own ring and from those after it, never from one before it.
RINGS = [
    ["server", "platforms"],
    ["gate", "listing", "declarations", "references", "mirrored", "spans"],
    ["cors", "operations"],
    ["asgi"],
    ["doors", "lifecycle", "state_keys"],
    ["jwt_door"],
    ["jwks", "documents", "audit", "tracing"],
    ["logs"],
    ["stores", "issuers"],
    ["settings"],
    ["call", "message", "rotation"],
    ["planning"],
    ["generations"],
    ["auth"],
    ["tokens"],
    ["strict_json", "starting"],
]
PURE = ["auth", "tokens", "strict_json", "generations", "planning", "rotation", "message", "call"]
# What would bring I/O, a clock or the environment into the pure core.
OUTSIDE = {
    "os",
    "io",
    "sys",
    "time",
    "socket",
    "subprocess",
    "pathlib",
    "logging",
    "asyncio",
    "threading",
    "urllib.request",
}
OUTSIDE |= {"http", "httpx2", "boto3", "botocore", "mcp", "starlette", "anyio", "tempfile", "random"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def ring(name: str) -> int:
    return next(number for number, names in enumerate(RINGS) if name in names)


MODULES = [path for path in sorted(LIBRARY.rglob("*.py")) if path.name != "__init__.py" or path.parent.name == "stores"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_imports_point_inward(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mcp_faas" and parts[1] != room(path):
            assert ring(parts[1]) > ring(room(path)), f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) in PURE], ids=lambda path: str(path.relative_to(LIBRARY))
)
def test_pure_rooms_stay_pure(path: Path) -> None:
    for name in imports(path):
        assert not {name, name.split(".")[0], ".".join(name.split(".")[:2])} & OUTSIDE, f"{path.name} imports {name}"


def test_the_last_look_knows_no_planner() -> None:
    """It checks what the planners make, so a mistake that both share would pass."""
    planners = {"renewal", "withdrawal", "sequences", "changes"}
    for name in imports(LIBRARY / "planning/last_look.py"):
        assert not planners & set(name.split(".")), name


def test_settings_alone_read_the_environment() -> None:
    """Entry points hand `os.environ` on; nobody looks into it."""
    for path in FUNCTIONS:
        text = path.read_text(encoding="utf-8")
        if path in (LIBRARY / "settings/__init__.py", LIBRARY / "stores/fc_client.py"):
            continue  # the second takes DEBUG and the proxies away, which make Alibaba's SDK leak
        assert not re.search(r"os\.(getenv|environb)|os\.environ\s*[\[.]|from os import", text), path
        if path.is_relative_to(LIBRARY):
            assert "os.environ" not in text, path


def test_library_says_nothing_at_import() -> None:
    assert (LIBRARY / "__init__.py").read_text() == ""


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if path.name != "__init__.py" or path.read_text():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "scripts/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), flags=re.MULTILINE)
            made = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
            assert anchor in made, f"{path.name} links to {target}"


def test_every_setting_is_documented() -> None:
    readers = (LIBRARY / "settings").glob("*.py")
    read = {name for path in readers for name in re.findall(r'"(MCP_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    told = set(re.findall(r"`(MCP_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text(encoding="utf-8")))
    assert read == told


def test_every_reason_is_documented() -> None:
    from mcp_faas.auth.errors import AuthError

    def below(kind: type[AuthError]) -> Iterator[str]:
        for deeper in kind.__subclasses__():
            yield deeper.reason
            yield from below(deeper)

    told = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    assert [reason for reason in below(AuthError) if f"`{reason}`" not in told] == ["token_rejected"]
