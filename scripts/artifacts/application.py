"""Assemble the Serverless Devs application: the project with blanks in s.yaml, and the form that fills them."""

from __future__ import annotations

import fnmatch
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from artifacts.errors import BuildError
from artifacts.sources import LEFT_OUT_FOLDERS

# What `publish/publish.yaml` asks for, and the line of s.yaml that it fills. The names are evaluated as JavaScript by
# `s init`, so the variable `function` cannot lend its own.
VARIABLES = {"function_name": "function"} | {
    name: name for name in ("region", "public_url", "issuer", "audience", "profile", "scopes", "allowed_origins")
}
BLANKS = {
    "access": (r"^access: \S+$", "access: '{{ access }}'"),
    "resource": (r"^    - \['?mcp_server(?:_jwt)?'?\]", "    - ['{{ resource }}']"),
    **{name: (rf"^  {of}: ('[^']*'|\S+)", f"  {of}: '{{{{ {name} }}}}'") for name, of in VARIABLES.items()},
}

# Named one by one: a file that somebody left in the project's folder does not travel.
FORM = ("publish.yaml", "version.md", "readme.md", "hook")
PROJECT = (
    *(".ci", ".checkov.yaml", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "docs", "functions"),
    *("publish", "pyproject.toml", "requirements", "s.yaml", "samconfig.toml", "scripts", "template.yaml", "tests"),
)
LEFT_OUT_NAMES = ("*.pyc", ".env", ".installed-from", ".DS_Store")


def assemble(root: Path, into: Path) -> None:
    for name in FORM:
        _copy(root / "publish" / name, into / name)
    for name in PROJECT:
        if (root / name).exists():
            _copy(root / name, into / "src" / name)
    description = into / "src/s.yaml"
    description.write_text(with_blanks(description.read_text(encoding="utf-8")), encoding="utf-8")


def with_blanks(description: str) -> str:
    """s.yaml as a template. The repository's own has values, so that it can be deployed as it is."""
    for name, (pattern, blank) in BLANKS.items():
        description, count = re.subn(pattern, blank, description, flags=re.MULTILINE)
        if count != 1:
            raise BuildError(
                f"publish/publish.yaml asks for {name}, but s.yaml has {count} lines for it instead of one"
            )
    return description


def _copy(source: Path, target: Path) -> None:
    for path in _files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        # By content, not by mode: a downloaded zip of the project has no modes, and must give the same package.
        place.chmod(0o755 if path.read_bytes().startswith(b"#!") else 0o644)


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
        return
    for path in source.rglob("*"):
        if not path.is_file() or LEFT_OUT_FOLDERS & set(path.relative_to(source).parts):
            continue
        if not any(fnmatch.fnmatch(path.name, pattern) for pattern in LEFT_OUT_NAMES):
            yield path
