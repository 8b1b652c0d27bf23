"""The fuzz targets, bounded: hypothesis everywhere, atheris where it has wheels. `make fuzz` goes on for longer."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing.targets import TARGETS, PromiseBroken, access_token
from support.odd_tokens import odd_tokens

ROOT = Path(__file__).parent.parent.parent
RUNS = 2000
EXAMPLES = 150
HAS_ATHERIS = importlib.util.find_spec("atheris") is not None


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def edits(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and seeds with a piece of them replaced."""

    def edit(seed: bytes, at: int, length: int, new: bytes) -> bytes:
        start = at % (len(seed) + 1)
        return seed[:start] + new + seed[start + length :]

    edited = st.builds(edit, st.sampled_from(seeds), st.integers(0, 10**6), st.integers(0, 30), st.binary(max_size=30))
    return st.one_of(edited, edited, st.binary(max_size=300))


@pytest.mark.parametrize("name", TARGETS)
def test_promises_hold_for_edited_bytes(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        target.run(seed)

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(edits(target.seeds))
    def holds(data: bytes) -> None:
        target.run(data)

    holds()


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=30), st.just([]), st.just({}), st.just([{}]))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every member of a JSON value, inner ones too."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield (*path, name)
        yield from leaves(child, (*path, name))


@pytest.mark.parametrize("name", ["lambda_event", "fc_event", "body_behind_the_door", "jwk_set", "token_document"])
def test_promises_hold_for_edited_members(name: str) -> None:
    """One member of a seed is something else: what bytes alone seldom reach, because most edits are no JSON."""
    target = TARGETS[name]
    places = [(seed, path) for seed in target.seeds for path in leaves(json.loads(seed))]

    @settings(max_examples=2 * EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(places), JUNK)
    def holds(place: tuple[bytes, tuple[Any, ...]], junk: Any) -> None:
        value = json.loads(place[0])
        inner = value
        for name in place[1][:-1]:
            inner = inner[name]
        inner[place[1][-1]] = junk
        target.run(json.dumps(value).encode())

    holds()


def test_nothing_odd_is_let_in_or_escapes() -> None:
    """Odd tokens signed by a real key: whatever comes, it is a principal or one of the documented refusals."""
    outcomes = {"in": 0, "refused": 0}

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(odd_tokens())
    def holds(text: str) -> None:
        try:
            access_token(text.encode("utf-8", "surrogatepass"))
            outcomes["refused"] += 1
        except PromiseBroken:  # signed by a key of the set, with claims that may be good: not for this target to judge
            outcomes["in"] += 1

    holds()
    assert all(outcomes.values()), outcomes


@pytest.mark.skipif(not HAS_ATHERIS, reason="atheris has wheels for Linux on x86_64 only; requirements/dev.in")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_promises_hold_under_the_fuzzer() -> None:
    command = [sys.executable, str(ROOT / "scripts/fuzz.py"), "--runs", str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = re.findall(r"^fuzz ([a-z_]+): (\d+) runs", done.stdout, re.M)
    assert sorted(name for name, _ in runs) == sorted(TARGETS)
    assert all(int(count) >= RUNS for _, count in runs)


@pytest.mark.skipif(not HAS_ATHERIS, reason="atheris has wheels for Linux on x86_64 only; requirements/dev.in")
@pytest.mark.timeout(120)
def test_broken_promise_is_found_and_told(tmp_path: Path) -> None:
    """A verifier that lets everything in, under the same driver: the run is red, and the input is kept."""
    (tmp_path / "sitecustomize.py").write_text(
        "import mcp_faas.auth.jwt as module\nmodule.verify = lambda *_: None\n", encoding="utf-8"
    )
    roots = [tmp_path, ROOT / "functions", ROOT / "functions/mcp_server", ROOT / "tests"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))}
    command = [sys.executable, str(ROOT / "scripts/fuzz.py"), "access_token", "--runs", "200000"]
    command += ["--folder", str(tmp_path / "found")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environ)
    assert done.returncode == 1
    assert "PromiseBroken" in done.stdout
    assert list((tmp_path / "found/access_token").glob("crash-*"))
