"""Run the pinned Serverless Devs command line on a template without a network. Knows no rule of ours.

It runs in a scratch folder with a home of its own, so that nothing of this machine's `~/.s` is read and nothing is left
there, and with a component that only knows a schema, because the real one comes from its vendor's own registry.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent / "tests/serverless_devs"
MODULES = HOME / "node_modules"
STAMP = MODULES / ".installed-from"
COMPONENT = HOME / "fc3"
COMMAND = MODULES / "@serverless-devs/s/bin/s"
OLDEST_NODE = 18
TIMEOUT_SECONDS = 300  # of one command; an install on a slow line is the longest

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_COMPONENT_LINE = re.compile(r"^(\s*component:\s*)fc3\s*$", re.MULTILINE)


class CommandLineError(Exception):
    """The command line is not there or refuses; the message says what and what to do."""


@dataclass(frozen=True)
class Done:
    """How one command ended."""

    code: int
    output: str = field(repr=False)

    @property
    def reasons(self) -> list[str]:
        """The lines of its story that tell why, without the frame around them."""
        body = self.output.split("Error Message:", 1)[-1].split("A complete log", 1)[0]
        lines = (line.strip() for line in body.splitlines())
        return [line for line in lines if line and not line.startswith(("Env:", "Logs:", "Feedback:", ">>", "[20"))]


def find_node() -> str:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise CommandLineError(
            f"Node is missing: install Node {OLDEST_NODE} or later, with npm. The command line that deploys "
            "s.yaml, and that checks it, runs on Node."
        )
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.findall(r"\d+", told)[0]) < OLDEST_NODE:
        raise CommandLineError(f"This is Node {told}: install Node {OLDEST_NODE} or later.")
    return node


def install() -> None:
    """Put the locked package into `node_modules`; at once if it is there already. No script of a package runs."""
    lock = HOME / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes() + (HOME / "package.json").read_bytes()).hexdigest()
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # a check and a test at the same time install once
        if STAMP.exists() and STAMP.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        if done.returncode != 0:
            raise CommandLineError(f"`{' '.join(command)}` in {HOME} failed:\n{done.stdout}{done.stderr}".rstrip())
        STAMP.write_text(wanted)


@dataclass(frozen=True)
class Template:
    """A copy of one template in a scratch folder."""

    node: str
    folder: Path

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """One command on the copy; nothing of the caller's environment but PATH reaches it."""
        settings = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder / "home"),
            "NODE_ENV": "test",  # without it the command line looks for updates and reports its use, in the background
            **(environment or {}),
        }
        command = [self.node, str(COMMAND), *arguments, "-t", "s.yaml"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        return Done(done.returncode, _COLOURS.sub("", done.stdout))

    def render(self) -> Mapping[str, Any]:
        """The template as a deploy would see it: all variables replaced."""
        done = self.run("preview", "-o", "json")
        start = re.search(r"^\{", done.output, re.MULTILINE)
        if done.code != 0 or start is None:
            raise CommandLineError("it cannot be rendered: " + " ".join(done.reasons))
        rendered: Mapping[str, Any] = json.JSONDecoder().raw_decode(done.output, start.start())[0]
        resources = rendered.get("resources") or {}
        for resource in resources.values():
            if resource.get("component") == "./fc3":
                resource["component"] = "fc3"
        return rendered

    def verify(self) -> list[str]:
        """What fc3's schema says against it, each with its path."""
        done = self.run("verify")
        return [] if done.code == 0 else done.reasons


@contextlib.contextmanager
def template(text: str) -> Iterator[Template]:
    """A scratch copy of this text whose component is the schema, gone afterwards."""
    node = find_node()
    install()
    with tempfile.TemporaryDirectory(prefix="s-yaml-") as scratch:
        folder = Path(scratch)
        shutil.copytree(COMPONENT, folder / "fc3")
        (folder / "s.yaml").write_text(_COMPONENT_LINE.sub(r"\1./fc3", text), encoding="utf-8")
        settings = folder / "home/.s/set-config.yml"
        settings.parent.mkdir(parents=True)
        settings.write_text("analysis: disable\nlog: disable\n")
        yield Template(node, folder)
