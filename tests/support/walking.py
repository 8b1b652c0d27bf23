"""Types `tokens.py rotate` as a schedule does, in a process of its own each time, and keeps what it said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOKEN = re.compile(r"mcpt-[0-9A-Za-z]{8}")
DONE = re.compile(r"^done: (?P<what>.*?)\bmcp-[0-9]{8}T[0-9]{6}Z-(?P<fingerprint>[0-9a-f]{8})", re.MULTILINE)
WORDS = {"prove that the door accepts": "accepted", "prove that the door refuses": "refused", "note in the": "mark"}

# What a token goes through from its first moment to its last. FC has no compare-and-swap: there it is looked at again.
LIFE = ["add", "accepted", "deliver", "mark", "disable", "refused", "delete"]
LIFE_ON_FC = ["add", "see", "accepted", "deliver", "mark", "disable", "refused", "delete"]


class Walk:
    """One command line, run from a folder that is not the project's, again and again."""

    def __init__(self, address: str, url: str, sink: Path, *, overlap: str, age: str, **environment: str) -> None:
        where = ["--probe", url, "--deliver", f"file:{sink}", "--overlap", overlap, "--max-age", age]
        self._command = [sys.executable, str(ROOT / "scripts/tokens.py"), "rotate", address, *where]
        self._environment: Mapping[str, str] = {**os.environ, **environment}
        self._folder = sink.parent
        self.runs: list[list[tuple[str, str]]] = []  # of each run, what it did to which token
        self.said = ""

    def run(self) -> list[tuple[str, str]]:
        """Once; every run of a walk ends well and shows no token."""
        done = subprocess.run(
            self._command, env=self._environment, cwd=self._folder, capture_output=True, text=True, timeout=120
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
    def deleted(self) -> int:
        return sum("delete" in life for life in self.lives.values())


def _word(what: str) -> str:
    return next((word for beginning, word in WORDS.items() if what.startswith(beginning)), what.split()[0])
