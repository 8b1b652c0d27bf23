"""`make run CLOUD=aws` and the real command that it prints: whole rotations under a client's feet.

The door is the one of `make run`, but for AuthorizerCacheSeconds: a gateway that remembers for a minute makes a walk
of minutes. MCP_WALK=full takes those minutes, with `make run` exactly as it is.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_faas.lifecycle.probe import Probe
from support.following_client import FollowingClient
from support.strangers import strangers
from support.walking import LIFE, ROOT, LatecomerClient, Walk, check_nobody_was_refused

START_SECONDS = 90.0
OVERLAP_SECONDS = 3
ADDRESS = "aws://local/mcp-tokens"
NOT_FULL = pytest.mark.skipif(os.environ.get("MCP_WALK") != "full", reason="takes minutes; MCP_WALK=full runs it")
CACHE_SECONDS = 2.0
QUICK = f"""
import functools, sys
sys.path.insert(0, "scripts")
import dev, local.doors as doors
doors.AwsEdge = functools.partial(doors.AwsEdge, authorizer_ttl_seconds={CACHE_SECONDS})
sys.exit(dev.main())
"""  # `make run` with a gateway that remembers for another time


@dataclass(frozen=True)
class Place:
    """What `make run` has printed, read as a person would."""

    url: str
    token_file: Path
    variables: dict[str, str]  # of the command that rotates


@contextmanager
def make_run(folder: Path, *, quick: bool) -> Iterator[Place]:
    """From a copy of the sources: a change in the checkout would restart the server."""
    for name in ("functions", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    script = ["-c", QUICK] if quick else ["scripts/dev.py"]
    command = [sys.executable, *script, "--cloud", "aws", "--door", "bearer", "--port", "0"]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)
    try:
        until = time.monotonic() + START_SECONDS
        while "Ctrl-C stops it" not in (said := (folder / "err").read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.1)
        url, token_file = re.findall(r"^(?:ready|token) (.*)$", (folder / "out").read_text(), re.MULTILINE)
        (printed,) = re.findall(r"rotate its token with: (.*)$", said, re.MULTILINE)
        words = shlex.split(printed)
        assert words[words.index("rotate") + 1] == ADDRESS
        assert words[-2:] == ["--deliver", f"file:{token_file}"]
        variables = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
        yield Place(url, Path(token_file), variables)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=NOT_FULL)])
def test_a_client_that_follows_is_never_refused(tmp_path: Path, quick: bool) -> None:
    with make_run(tmp_path, quick=quick) as place, strangers(place.url):
        first = place.token_file.read_text().strip()
        age = "6s" if quick else "90s"
        walk = Walk(ADDRESS, place.url, place.token_file, overlap=f"{OVERLAP_SECONDS}s", age=age, **place.variables)
        latecomer = LatecomerClient(place.url, place.token_file, OVERLAP_SECONDS)
        with FollowingClient(place.url, place.token_file) as client, latecomer:
            assert client.await_served(3)
            walk.until(lambda walk: walk.deleted >= 2, seconds=150 if quick else 700)
            last = place.token_file.read_text().strip()
            assert client.await_served(3)
        check_nobody_was_refused(walk, client, latecomer, OVERLAP_SECONDS)
        lives = [*walk.lives.values()]
        assert lives[0][-3:] == LIFE[-3:], "that of `make run` was there before"
        assert lives[1] == LIFE
        probe = Probe(place.url, 10)
        assert probe.ask(last).status == 200
        assert probe.ask(first).verdict == "refused"
        before = listed(place)
        later = Walk(ADDRESS, place.url, place.token_file, overlap="1h", age="30d", **place.variables)
        assert later.run() == [], "nothing is due"
        assert listed(place) == before


def listed(place: Place) -> list[tuple[str, bool]]:
    """Names and whether they are on."""
    command = [sys.executable, str(ROOT / "scripts/tokens.py"), "list", ADDRESS, "--json"]
    done = subprocess.run(
        command, env={**os.environ, **place.variables}, capture_output=True, text=True, timeout=60, check=True
    )
    return [(token["name"], token["enabled"]) for token in json.loads(done.stdout)["tokens"]]
