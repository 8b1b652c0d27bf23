"""Check s.yaml without a network: render it as a deploy would, hold it against fc3's schema, then against our rules."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# The settings of a function are judged by its own code.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functions"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functions/oauth_server"))

import yaml

from artifacts import sources
from artifacts.deployables import ARTIFACTS, DEFAULT_ARCHITECTURE, DEFAULT_PYTHON, target_of
from artifacts.errors import BuildError
from s_rules import authorization, doors, functions, literals, rotation
from s_rules.resources import Contents, Resource, resources
from serverless_devs import CommandLineError, template

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"


def artifacts() -> dict[str, Contents]:
    """What the builder would put into each artifact for FC, read from the sources: nothing needs to be built."""
    found = {}
    for artifact in ARTIFACTS:
        if artifact.cloud != "fc" or not sources.is_there(artifact, FUNCTIONS):
            continue
        places = {place.as_posix(): source for source, place in sources.collect(artifact, FUNCTIONS).items()}
        found[f".build/{artifact.name}"] = Contents(
            python=target_of(artifact, DEFAULT_PYTHON, DEFAULT_ARCHITECTURE).python,
            files=frozenset(places),
            executables=frozenset(artifact.executables),
            handlers=frozenset(f"{entry}.handler" for entry in artifact.entries if _has_handler(places[f"{entry}.py"])),
        )
    return found


def _has_handler(source: Path) -> bool:
    """Does the module define or assign `handler`, the name that every entry point here has, when it is imported?"""
    waiting: list[ast.AST] = [ast.parse(source.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef) and node.name == "handler":
                return True
            if isinstance(node, ast.Assign) and any(
                getattr(target, "id", None) == "handler" for target in node.targets
            ):
                return True
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                waiting.append(node)
    return False


def complaints(
    text: str, written: Mapping[str, Any], rendered: Mapping[str, Any], built: Mapping[str, Contents]
) -> Iterator[str]:
    """A sentence with the path and the value for everything that the schema lets pass; none: it may be deployed."""
    found = resources(written, rendered)
    if not found:
        yield "resources is empty: there is nothing to deploy."
    for resource in found:
        yield from _one(resource, built)
        yield from rotation.rotator(resource, found)
        yield from authorization.server(resource)
    yield from functions.built_before(found)
    yield from doors.same_function(found)
    yield from doors.plain_deploy(found, rendered)
    yield from rotation.plain_deploy(found, rendered)
    yield from literals.secrets(text, found)


def _one(resource: Resource, built: Mapping[str, Contents]) -> Iterator[str]:
    component = resource.rendered.get("component")
    if component != "fc3":
        yield f"{resource.path}.component is {component}; it must be fc3, which the schema and these rules are about."
    yield from doors.http_triggers(resource)
    yield from functions.limits(resource)
    yield from functions.code(resource, built)
    yield from functions.environment(resource)
    yield from functions.settings(resource)


def check(path: Path) -> list[str]:
    """Everything that is wrong with a template."""
    try:
        text = path.read_text(encoding="utf-8")
        written = yaml.safe_load(text)
        with template(text) as copy:
            rendered = copy.render()
            return [*copy.verify(), *complaints(text, written, rendered, artifacts())]
    except (CommandLineError, BuildError, OSError, yaml.YAMLError) as error:
        return [str(error)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "s.yaml", help="default: the repository's s.yaml")
    path: Path = parser.parse_args().file
    wrong = check(path)
    for sentence in wrong:
        print(f"{path.name}: {sentence}", file=sys.stderr)
    if not wrong:
        print(f"{path.name}: renders, fits fc3's schema and our rules")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
