"""Rotations as they happen: the command that a schedule types, each time in a process of its own, and a late client."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mcp_faas.lifecycle.probe import Probe
from mcp_faas.tokens import marks
from support.following_client import FollowingClient

ROOT = Path(__file__).resolve().parents[2]
TOKEN = re.compile(r"mcpt-[0-9A-Za-z]{8}")
NAME = re.compile(r"\bmcp-[0-9TZ]+-[0-9a-f]{8}(?:-[dhrx][0-9TZ]+)*")
DONE = re.compile(r"^done: (?P<what>.*?)\bmcp-[0-9]{8}T[0-9]{6}Z-(?P<fingerprint>[0-9a-f]{8})", re.MULTILINE)
WORDS = {"prove that the door accepts": "accepted", "prove that the door refuses": "refused", "note in the": "mark"}

# What a token goes through from its first moment to its last. FC has no compare-and-swap: there it is looked at again.
LIFE = ["add", "accepted", "deliver", "mark", "disable", "refused", "delete"]
LIFE_ON_FC = ["add", "see", "accepted", "deliver", "mark", "disable", "refused", "delete"]


class Walk:
    """One command line, run from a folder that is not the project's, again and again; its `age` may change between."""

    def __init__(
        self, address: str, url: str, sink: Path, *, overlap: str, age: str | None, **environment: str
    ) -> None:
        where = ["--probe", url, "--deliver", f"file:{sink}", "--overlap", overlap]
        self.age = age
        self._command = [sys.executable, str(ROOT / "scripts/tokens.py"), "rotate", address, *where]
        self._environment: Mapping[str, str] = {**os.environ, **environment}
        self._folder = sink.parent
        self.runs: list[list[tuple[str, str]]] = []  # of each run, what it did to which token
        self.said = ""

    def run(self) -> list[tuple[str, str]]:
        """Once; every run of a walk ends well and shows no token."""
        age = ["--max-age", self.age] if self.age else []
        done = subprocess.run(
            [*self._command, *age], env=self._environment, cwd=self._folder, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert not TOKEN.search(done.stderr)
        self.said += done.stderr
        steps = [(_word(found["what"]), found["fingerprint"]) for found in DONE.finditer(done.stderr)]
        assert bool(steps) != ("nothing to do" in done.stderr), done.stderr
        self.runs.append(steps)
        return steps

    def until(self, enough: Callable[[Walk], bool], seconds: float) -> None:
        """Run again and again, a little apart, until this is so."""
        end = time.monotonic() + seconds
        while not enough(self):
            assert time.monotonic() < end, self.said
            self.run()
            time.sleep(0.3)

    @property
    def lives(self) -> dict[str, list[str]]:
        """Of each token, by its fingerprint, what was done to it. Proofs of one that is in use may be repeated."""
        found: dict[str, list[str]] = {}
        for action, fingerprint in (step for steps in self.runs for step in steps):
            life = found.setdefault(fingerprint, [])
            if action != "accepted" or "accepted" not in life:
                life.append(action)
        return found

    @property
    def overlaps(self) -> list[float]:
        """By the names that it printed: how many seconds a token lived on after the next one was delivered."""
        latest = {said.created: said for said in map(marks, NAME.findall(self.said)) if said}
        lives = [latest[created] for created in sorted(latest)]
        return [
            (old.disabled - new.delivered).total_seconds()
            for old, new in itertools.pairwise(lives)
            if old.disabled and new.delivered
        ]

    @property
    def deleted(self) -> int:
        return sum("delete" in life for life in self.lives.values())


class LatecomerClient:
    """A client that takes the token again only just before an overlap has passed. It relies on the whole of it."""

    def __init__(self, url: str, token_file: Path, overlap_seconds: float) -> None:
        self._probe = Probe(url, 30)
        self._token_file = token_file
        self._overlap = overlap_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.asked = 0
        self.refused: list[str] = []  # what it heard with a token that had to be good

    def __enter__(self) -> LatecomerClient:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            taken = time.monotonic()
            token = self._token_file.read_text().strip()
            while time.monotonic() - taken < self._overlap - 0.3 and not self._stop.wait(0.1):
                answer = self._probe.ask(token)
                if time.monotonic() - taken < self._overlap:  # later it would have to take the token again
                    self.asked += 1
                    if answer.verdict != "accepted":
                        self.refused.append(f"{answer} after {time.monotonic() - taken:.1f} s")


def check_nobody_was_refused(
    walk: Walk, client: FollowingClient, latecomer: LatecomerClient, overlap_seconds: float
) -> None:
    """Two whole rotations went by, each with the overlap that was asked for, and neither client heard a refusal."""
    assert client.failures == []
    # refused with a token that was replaced on the way: only a request that took longer than an overlap
    assert [each for each in client.late if each.ended - each.began < overlap_seconds] == []
    assert latecomer.asked
    assert latecomer.refused == []
    assert len(walk.overlaps) >= 2
    assert min(walk.overlaps) >= overlap_seconds
    assert client.generations >= 3


def _word(what: str) -> str:
    return next((word for beginning, word in WORDS.items() if what.startswith(beginning)), what.split()[0])
