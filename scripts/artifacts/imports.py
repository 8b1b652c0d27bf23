"""Find which modules of the shared library some files import, lazily or not. Reads sources; runs nothing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from artifacts.errors import BuildError


def closure(files: Iterable[Path], functions: Path, library: str = "mcp_faas") -> set[Path]:
    """The files of `functions/<library>` that running `files` can reach, the `__init__.py` of each package included."""
    reached: set[Path] = set()
    queue = [path for path in files if path.suffix == ".py"]
    while queue:
        path = queue.pop()
        for module, line in imported_modules(path, functions):
            if module.split(".")[0] != library:
                continue
            found = files_of(module, functions)
            if not found:
                raise BuildError(f"{path} line {line} imports {module}, which {functions / library} does not have")
            queue += found - reached
            reached |= found
    return reached


def files_of(module: str, functions: Path) -> set[Path]:
    """The module's own file and those of the packages above it; nothing when there is no such module."""
    parts = module.split(".")
    folder = functions.joinpath(*parts)
    own = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    if not own.is_file():
        return set()
    packages = {functions.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts))}
    return {own} | {package for package in packages if package.is_file()}


def imported_modules(path: Path, functions: Path) -> Iterator[tuple[str, int]]:
    """Every module that the file names in an import, at whatever depth, with the line."""
    for node in _running_code(_parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path, functions)
            if base:
                yield base, node.lineno
            for alias in node.names:  # `from package import name`: the name may be a module
                if base and files_of(f"{base}.{alias.name}", functions):
                    yield f"{base}.{alias.name}", node.lineno
        elif isinstance(node, ast.Call) and _is_import_call(node) and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value), node.lineno


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        running = ".".join(map(str, sys.version_info[:2]))
        raise BuildError(
            f"{path} line {error.lineno} is not Python {running}, which this build runs on: {error.msg}. "
            "Correct it, or build with a newer Python, e.g. make package PYTHON3=python3.13"
        ) from None


def _running_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk all but what only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        yield child
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _running_code(other)
        else:
            yield from _running_code(child)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _is_import_call(node: ast.Call) -> bool:
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in ("import_module", "__import__") and bool(node.args)


def _absolute(node: ast.ImportFrom, path: Path, functions: Path) -> str:
    if node.level == 0:
        return node.module or ""
    try:
        package = path.parent.relative_to(functions).parts
    except ValueError:
        return ""  # a relative import outside the library cannot reach into it
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
