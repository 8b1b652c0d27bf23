"""Write the lock files that no longer agree with what they are made from: exact versions and hashes, for Python 3.10
and later on every platform, and no address.

A lock is stale when its `.in`, or one that this reads in, says something else than it did (`requirements/locked.json`
has a digest of each), or when it pins another version than a lock that decides over it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# In this order: what is deployed decides, and everything above it must agree.
LOCKS = {
    "functions/mcp_server/requirements": [],
    "functions/mcp_server/requirements-otel": ["functions/mcp_server/requirements.txt"],
    "functions/token_guard/requirements-fc": [],
    "functions/oauth_server/requirements": ["functions/mcp_server/requirements.txt"],
    "functions/oauth_server/requirements-fc": ["functions/oauth_server/requirements.txt"],
    "requirements/uv": [],
    "requirements/run": [
        "functions/mcp_server/requirements.txt",
        "functions/token_guard/requirements-fc.txt",
        "functions/oauth_server/requirements-fc.txt",
        "requirements/uv.txt",
    ],
    "requirements/dev": ["requirements/run.txt", "functions/mcp_server/requirements-otel.txt"],
    "requirements/sam": [],
    "requirements/checkov": [],
    "requirements/schemathesis": [],
    "requirements/bench-plots": [],
}
# What `make bench` measures beside our own runs on the machine that it measures, and some of it on no older Python.
BENCH = {
    "requirements/bench-awslabs": [],
    "requirements/bench-fastmcp": ["functions/mcp_server/requirements.txt"],
    "requirements/bench-stdio": [],
}
EVERYWHERE = ["--universal", "--python-version", "3.10"]
ON_LAMBDA = ["--python-platform", "linux", "--python-version", "3.13"]
LOCKED = "requirements/locked.json"


def requirements_of(path: Path) -> Iterator[str]:
    """What a file and those that it reads in ask for; comments ask for nothing."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        reads_in = re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)$", text)
        if reads_in:
            yield from requirements_of(path.parent / reads_in[1])
        elif text:
            yield text


def digest_of(root: Path, stem: str) -> str:
    text = "\n".join(requirements_of(root / f"{stem}.in"))
    return hashlib.sha256(text.encode()).hexdigest()


def pins_of(lock: Path) -> dict[str, set[str]]:
    """The versions of each package; more than one where markers choose."""
    pins = defaultdict(set)
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock.read_text("utf-8"), re.MULTILINE):
        pins[name].add(version)
    return pins


def why_stale(root: Path, stem: str, constraints: list[str], digests: dict[str, str]) -> str:
    """Empty when it is not."""
    lock = root / f"{stem}.txt"
    if not lock.exists():
        return "there is none"
    if digests.get(stem) != digest_of(root, stem):
        return f"{stem}.in has changed"
    pins = pins_of(lock)
    for constraint in constraints:
        for name, versions in pins_of(root / constraint).items():
            if not pins.get(name, versions) <= versions:
                return f"{constraint} has another {name}"
    return ""


def read_digests(root: Path) -> dict[str, str]:
    path = root / LOCKED
    digests: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return digests


def write(root: Path, stem: str, constraints: list[str], options: list[str]) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", *(ON_LAMBDA if stem in BENCH else EVERYWHERE)]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header"]
    command += [*options, "--output-file", f"{stem}.txt", f"{stem}.in"]
    for constraint in constraints:
        command += ["--constraint", constraint]
    subprocess.run(command, cwd=root, check=True)
    digests = {**read_digests(root), stem: digest_of(root, stem)}
    (root / LOCKED).write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="Other options are those of `uv pip compile`.")
    parser.add_argument("--all", action="store_true", help="those that are not stale too, as with any option of uv's")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is stale, and fail")
    chosen, options = parser.parse_known_args(arguments)
    stale = False
    for stem, constraints in {**LOCKS, **BENCH}.items():
        reason = why_stale(root, stem, constraints, read_digests(root))
        stale = stale or bool(reason)
        if chosen.check and reason:
            print(f"{stem}.txt is stale: {reason}. Run: make lock")
        elif not chosen.check and (reason or chosen.all or options):
            print(f"lock {stem}.txt{f': {reason}' if reason else ''}", file=sys.stderr, flush=True)
            write(root, stem, constraints, options)
    if chosen.check:
        return int(stale)
    if not (stale or chosen.all or options):
        print("lock: every lock agrees with its .in; ALL=on writes them all the same", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
