"""The rotation on AWS under the fault matrix: every call of every step goes wrong or is the last one, on the stand-in.

Secrets Manager is played by its rules: a step that failed is called again, or the rotation is taken up with the next
schedule, under the same id as long as it is not complete. `make test` takes a sample; MCP_FAULT_MATRIX=full takes all.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edges.secretsmanager import Call, Fault
from mcp_faas.lifecycle.rotator import RunFailed, RunRefused
from mcp_faas.stores import StoreError
from mcp_faas.tokens import DocumentError
from rotating.clock import FastClock
from rotating.secret_rotation import CLIENT, REGION, STEPS, RotationWorld
from rotating.services import AWS_FAULTS, SECRET, Kind, service
from rotating.world import FOREIGN, Killed

ROOT = Path(__file__).resolve().parents[2]
FULL = os.environ.get("MCP_FAULT_MATRIX") == "full"
FAULTS_SAMPLE, KILLS_SAMPLE = (1, 1) if FULL else (127, 37)  # primes, so that they meet each fault and each step
TIMES = {"once": 1, "twice": 2, "for ever": 10_000}
IMPATIENT_SECONDS = 0.25  # only for calls that are meant to hang
ROTATIONS = 4  # that change something: add and deliver, mark, disable, delete
ENOUGH = 9  # rotations after which all must be done, whatever went wrong
FAILURES = (RunFailed, RunRefused, StoreError, DocumentError)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RotationWorld]:
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    function = importlib.import_module("token_guard.aws_rotation")
    clock = FastClock()
    with service("secretsmanager", clock, monkeypatch, tmp_path) as place:
        place.put({"tokens": []})
        yield RotationWorld(place, function, clock, tmp_path, monkeypatch)


def rotate(world: RotationWorld, *, insistent: bool = False) -> Exception | Killed | None:
    """One rotation of the schedule, and how it ended; `insistent`: a step that fails is called once more."""
    token, failed = world.rotation.begin(), None
    for step in STEPS:
        for attempt in (1, 2):
            try:
                world.rotation.step(step, token)
                failed = None
                break
            except (*FAILURES, Killed) as error:
                failed = error
                if attempt == 2 or not insistent:
                    return failed
            finally:
                world.check()
    assert world.rotation.is_complete(), "AWSPENDING would stop the next rotation"
    return failed


def is_done(world: RotationWorld, old: str) -> bool:
    return world.rotation.states() == ["foreign", "current"] and world.document().tokens[1].data != old


def check_converged(world: RotationWorld, old: str) -> None:
    """All is done: one new token, the client has it, and the next rotation finds nothing to do."""
    assert is_done(world, old)
    before = world.service.truth()
    assert rotate(world) is None
    assert world.service.truth() == before
    assert world.client.holds() == world.document().tokens[1].data
    assert len(world.seen - {old}) == 1, "more than one new token was made"


def healthy(world: RotationWorld) -> list[int]:
    """How many calls each rotation makes when nothing goes wrong."""
    world.begin(world.old_token())
    counts = []
    for _ in range(ROTATIONS):
        before = world.service.calls
        assert rotate(world) is None
        counts.append(world.service.calls - before)
        world.wait_for_the_next()
    assert world.rotation.states() == ["foreign", "current"]
    return counts


def pieces(value: str) -> set[str]:
    return {value[place : place + 12] for place in range(len(value) - 11)}


def check_case(
    world: RotationWorld, monkeypatch: pytest.MonkeyPatch, run: int, place: int, fault: str, times: int, insistent: bool
) -> None:
    """One walk of which one rotation goes wrong."""
    old = world.old_token()
    world.begin(old)
    ended = None
    for each in range(ENOUGH):
        first = world.service.calls + 1 + place

        def fail(kind: Kind, number: int, first: int = first, broken: bool = each == run) -> str | None:
            world.watch()
            return fault if broken and first <= number < first + times else None

        world.service.fail = fail
        patience = IMPATIENT_SECONDS if each == run and fault.startswith("timeout") else 8.0
        monkeypatch.setattr(world.rotation.function, "CALL_SECONDS", patience)
        ended = rotate(world, insistent=insistent)
        if ended is not None:
            # what a rotation has prepared from a stale read, the next one finds, and only clears away
            assert each == run or (each == run + 1 and "begins anew" in str(ended)), ended
            shown = str(ended)
            for value in {old.data, FOREIGN.data, *world.seen}:
                assert not any(piece in shown for piece in pieces(value))
        world.wait_for_the_next()
        if is_done(world, old.data):
            break
    world.service.fail = lambda kind, number: world.watch()
    check_converged(world, old.data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_call_goes_wrong_in_every_way(
    world: RotationWorld, monkeypatch: pytest.MonkeyPatch, cases: Counter[str]
) -> None:
    counts = healthy(world)
    matrix = [
        (run, place, fault, times, (run + place) % 3 == 0)
        for fault in AWS_FAULTS
        for times in TIMES.values()
        for run, count in enumerate(counts)
        for place in range(count)
        if times == 1 or place % 2 == 0
    ]
    for case in matrix[::FAULTS_SAMPLE]:
        check_case(world, monkeypatch, *case)
        cases["aws_rotation"] += 1


@pytest.mark.parametrize("insistent", [False, True], ids=["next schedule", "step again"])
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_any_point_the_next_rotation_goes_on(
    world: RotationWorld, cases: Counter[str], insistent: bool
) -> None:
    """As by SIGKILL, before and after every call; the service calls the same step again, or waits for the schedule."""
    world.service.fail = lambda kind, number: world.watch()
    healthy(world)
    total = world.passed
    assert total > 100
    for point in range(0, total, KILLS_SAMPLE):
        old = world.old_token()
        world.begin(old)
        world.kill_at_point(point)
        ends = []
        for _ in range(ENOUGH):
            ends.append(rotate(world, insistent=insistent))
            world.wait_for_the_next()
            if is_done(world, old.data):
                break
        assert world.kill_at is None, "nothing was killed"
        assert [type(end) for end in ends if end] == ([] if insistent else [Killed])
        check_converged(world, old.data)
        cases["aws_rotation killed"] += 1


# all that one rotation writes: the pending version, the label that makes it current, the client's secret
WRITTEN = {
    "pending": ("PutSecretValue", SECRET),
    "current": ("UpdateSecretVersionStage", SECRET),
    "delivery": ("PutSecretValue", CLIENT),
}
PROGRAM = "import json, sys; from token_guard import aws_rotation; aws_rotation.handler(json.load(sys.stdin), None)"


@pytest.mark.parametrize("what", list(WRITTEN))
def test_a_process_that_is_really_killed(world: RotationWorld, what: str) -> None:
    """The write is applied, and its answer never arrives."""
    old = world.old_token()
    world.begin(old)
    reached = threading.Event()

    def fault(call: Call) -> Fault | None:
        world.watch()
        if (call.operation, call.parameters["SecretId"]) != WRITTEN[what]:
            return None
        reached.set()
        return Fault.hang(3600, applied=True)

    world.service.manager.fault = fault
    token = world.rotation.begin()
    ended = 0
    for step in STEPS:
        if not reached.is_set():
            event = {"Step": step, "SecretId": SECRET, "ClientRequestToken": token, "RotationToken": "r" * 32}
            ended = in_a_process(event, reached)
            world.check()
    assert reached.is_set()
    assert ended == -signal.SIGKILL
    world.service.manager.fault = lambda call: world.watch()
    for _ in range(ENOUGH):
        assert rotate(world) is None
        world.wait_for_the_next()
        if is_done(world, old.data):
            break
    check_converged(world, old.data)


def in_a_process(event: dict[str, str], reached: threading.Event) -> int:
    """One step in a process of its own, killed once it gets that far; how it ended."""
    surroundings = {name: value for name, value in os.environ.items() if name != "ROTATION_PROBE"}
    surroundings["PYTHONPATH"] = str(ROOT / "functions")
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=surroundings, text=True
    ) as process:
        assert process.stdin
        with process.stdin as stdin:
            stdin.write(json.dumps(event))
        while process.poll() is None and not reached.wait(0.02):
            pass
        process.kill()
        return process.wait()
