"""Cold start: from the start of the process to the first answered call, under Lambda's real runtime client.

The process is killed after its answer, so that no teardown is measured: it would hide behind `gc.freeze` what the
collector costs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.runtime_api import RuntimeApi

PATIENCE_SECONDS = 60.0


class NoAnswer(Exception):
    """The instance did not answer as it should; the message has what it said."""


@dataclass(frozen=True)
class Start:
    """One cold start. CPU time and memory of the function's process, the time with that of children it waited for."""

    wall_seconds: float
    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True)
class Instance:
    """What is needed to start a stack, and what to ask it."""

    name: str
    folder: Path
    handler: str
    python: Path
    event: dict[str, Any]
    environment: Mapping[str, str]
    expects: Callable[[Any], bool] | None = None  # of the result; None: that `add` of 2 and 3 was answered


def surroundings(folder: Path, handler: str, runtime_api: str, more: Mapping[str, str]) -> dict[str, str]:
    """What Lambda gives an instance, and nothing of this machine's. Its code folder cannot be written to."""
    return {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": handler,
        **more,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
    }


def start(instance: Instance) -> Start:
    """Start it once and let it answer once. Raises `NoAnswer`."""
    event = json.dumps(instance.event).encode()
    with RuntimeApi(event) as api, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(instance.python), "-m", "awslambdaric", instance.handler],
            cwd=instance.folder,
            env=surroundings(instance.folder, instance.handler, api.address, instance.environment),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            answered = api.wait(PATIENCE_SECONDS)
            resident = resident_bytes(process.pid) if answered else 0
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if not answered or api.failed or not is_good(api.answer, instance.expects or has_added):
            said.seek(0)
            output = said.read().decode(errors="replace")[-2000:]
            raise NoAnswer(f"{instance.name} answered {api.answer[:500]!r}, and said:\n{output}")
    return Start(api.answered_at - began, usage.ru_utime + usage.ru_stime, resident)


def has_added(result: Any) -> bool:
    """Is this the answer to `add` of 2 and 3?"""
    return bool(result["statusCode"] == 200 and json.loads(result["body"])["result"]["content"][0]["text"] == "5")


def is_good(answer: bytes, expects: Callable[[Any], bool]) -> bool:
    try:
        return expects(json.loads(answer))
    except (ValueError, KeyError, TypeError, IndexError):
        return False


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def rounds(instances: list[Instance], count: int, warm_up: int = 2) -> Iterable[dict[str, Start]]:
    """Round after round, every stack once in each, the first in turn; the first `warm_up` are thrown away."""
    for number in range(warm_up + count):
        turn = number % len(instances)
        starts = {instance.name: start(instance) for instance in [*instances[turn:], *instances[:turn]]}
        if number >= warm_up:
            yield starts
