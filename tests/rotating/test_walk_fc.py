"""`make run` and the real command, as in the README of a rotation on FC: whole rotations under a client's feet."""

from __future__ import annotations

import json
import os
import re
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
from support.walking import LIFE_ON_FC, ROOT, LatecomerClient, Walk, check_nobody_was_refused

START_SECONDS = 90.0
OVERLAP_SECONDS = 3
ADDRESS = "fc://local/mcp-server/http"


@dataclass(frozen=True)
class Place:
    """What `make run` has printed, read as a person would."""

    url: str
    api_url: str
    token_file: Path

    @property
    def host(self) -> str:
        return self.url.removesuffix("/mcp")


@contextmanager
def make_run(folder: Path) -> Iterator[Place]:
    """From a copy of the sources: a change in the checkout would restart the server."""
    for name in ("functions", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, str(folder / "scripts/dev.py"), "--cloud", "fc", "--door", "bearer", "--port", "0"]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
    try:
        until = time.monotonic() + START_SECONDS
        while "Ctrl-C stops it" not in (said := (folder / "err").read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.1)
        url, token_file = re.findall(r"^(?:ready|token) (.*)$", (folder / "out").read_text(), re.MULTILINE)
        (api_url,) = re.findall(r"FC_ENDPOINT=(\S+)", said)
        yield Place(url, api_url, Path(token_file))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_client_that_follows_is_never_refused(tmp_path: Path) -> None:
    with make_run(tmp_path) as place:
        first = place.token_file.read_text().strip()
        walk = Walk(
            ADDRESS, place.url, place.token_file, overlap=f"{OVERLAP_SECONDS}s", age=None, FC_ENDPOINT=place.api_url
        )
        latecomer = LatecomerClient(place.url, place.token_file, OVERLAP_SECONDS)
        with FollowingClient(place.url, place.token_file) as client, latecomer:
            assert client.await_served(3)
            walk.until(lambda walk: walk.deleted >= 1, seconds=100)  # what `make run` begins with is old enough
            walk.age = "6s"
            walk.until(lambda walk: walk.deleted >= 2, seconds=100)
            last = place.token_file.read_text().strip()
            assert client.await_served(3)
        check_nobody_was_refused(walk, client, latecomer, OVERLAP_SECONDS)
        lives = [*walk.lives.values()]
        assert lives[0] == [action for action in LIFE_ON_FC if action != "add"], "that of `make run` was there before"
        assert lives[1] == LIFE_ON_FC
        probe = Probe(place.url, 10)
        assert probe.ask(last).status == 200
        assert probe.ask(first).verdict == "refused"
        before = listed(place)
        later = Walk(ADDRESS, place.url, place.token_file, overlap="1h", age="30d", FC_ENDPOINT=place.api_url)
        assert later.run() == [], "nothing is due"
        assert "next: replace mcp-" in later.said
        assert listed(place) == before
        assert tokens("list", ADDRESS, FC_ENDPOINT=place.api_url).startswith(f"URL   {place.host}\n\nNAME ")


def listed(place: Place) -> list[tuple[str, bool]]:
    """Names and whether they are on; and where the door is."""
    found = json.loads(tokens("list", ADDRESS, "--json", FC_ENDPOINT=place.api_url))
    assert found["url"] == place.host
    return [(token["name"], token["enabled"]) for token in found["tokens"]]


def tokens(*arguments: str, **environment: str) -> str:
    command = [sys.executable, str(ROOT / "scripts/tokens.py"), *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True
    ).stdout
