"""Run a built artifact as Lambda runs it: the real emulator, the real runtime client, the artifact's own Python.

Nothing of the development environment enters: the working directory is the artifact, the environment is made here, and
the interpreter is one of its own that holds what Lambda's runtime holds, the client and the AWS SDK.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from artifacts import archive, interpreters
from artifacts.deployables import DEFAULT_PYTHON, Target
from artifacts.locks import pins_for
from edges.processes import GUARD, free_port

ROOT = Path(__file__).resolve().parent.parent
RUNTIMES = ROOT / ".build/runtimes"
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
# What Lambda's own runtime has beside the standard library; `pip check` below proves that nothing is missing.
IN_THE_RUNTIME = frozenset(
    [
        *("awslambdaric", "simplejson", "snapshot-restore-py"),
        *("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"),
    ]
)
INVOKE = "/2015-03-31/functions/function/invocations"
START_SECONDS = 30
EVENT_LIMIT_BYTES = 6 * 1024 * 1024  # what is longer the emulator cuts silently


def lambda_python() -> tuple[str, Path]:
    """What to build for and run with: Lambda's default Python if this machine has it, else the one of the tests."""
    found = interpreters.find(DEFAULT_PYTHON)
    return (DEFAULT_PYTHON, found) if found else (f"{sys.version_info[0]}.{sys.version_info[1]}", Path(sys.executable))


def build(logical_id: str, into: Path, version: str) -> Path:
    """A function of the template as Lambda has it: built for that Python and this processor, zipped and unpacked."""
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        built, zipped = Path(scratch) / "built", Path(scratch) / "built.zip"
        command = [sys.executable, str(ROOT / "scripts/package.py"), "--sam", logical_id, "--into", str(built)]
        done = subprocess.run([*command, "--python", version, "--arch", ARCHITECTURE], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{logical_id} was not built:\n{done.stdout}{done.stderr}")
        archive.write(built, zipped)
        with zipfile.ZipFile(zipped) as archived:
            archived.extractall(into)
    return into


def runtime(version: str, interpreter: Path) -> Path:
    """An environment like the one of Lambda's runtime, from the lock, made once: its interpreter."""
    pins = pins_for(Target(version, ARCHITECTURE), ROOT / "requirements/run.txt")
    wanted = "".join(f"{pin}\n" for pin in pins if pin.requirement.name in IN_THE_RUNTIME)
    stamp = hashlib.sha256(f"{interpreter.resolve()}\n{wanted}".encode()).hexdigest()[:12]
    place = RUNTIMES / f"python{version}-{stamp}"
    RUNTIMES.mkdir(parents=True, exist_ok=True)
    with (RUNTIMES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two workers one makes it
        if not place.exists():
            _make_runtime(place, interpreter, wanted)
    return place / "bin/python"


def _make_runtime(place: Path, interpreter: Path, wanted: str) -> None:
    with tempfile.TemporaryDirectory(dir=RUNTIMES) as scratch:
        made, requirements = Path(scratch) / "made", Path(scratch) / "requirements.txt"
        requirements.write_text(wanted)
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--python", str(interpreter), str(made)], check=True)
        install = ["pip", "install", "--python", str(made), "--require-hashes", "--no-deps", "-r", str(requirements)]
        subprocess.run([*uv, *install], check=True)
        subprocess.run([*uv, "pip", "check", "--python", str(made)], check=True)
        made.rename(place)


def emulator() -> Path:
    """The binary that comes inside the SAM CLI."""
    name = f"aws-lambda-rie-{ARCHITECTURE}"
    found = sorted((ROOT / ".venv/tools/sam").glob(f"lib/python*/site-packages/samcli/local/rapid/{name}"))
    if not found:
        raise FileNotFoundError(f"no {name} under .venv/tools/sam; run: make setup")
    return found[0]


class FunctionError(Exception):
    """The function raised, timed out, did not start, or said too much. `status` is the emulator's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """A result in payload format 2.0."""

    status: int
    headers: Mapping[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


class Emulator:
    """One instance of a function: `with Emulator(...) as function: function.invoke(event)`. One call at a time.

    A second call while one is under way would make the emulator panic, so it waits here.
    """

    def __init__(
        self,
        artifact: Path,
        handler: str,
        *,
        python: Path,
        environment: Mapping[str, str],
        timeout_seconds: int = 30,
    ) -> None:
        self._artifact = artifact
        self._handler = handler
        self._python = python
        self._timeout_seconds = timeout_seconds
        self._environment = {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": "UTC",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_seconds),
            "LAMBDA_TASK_ROOT": str(artifact),
            **environment,
        }
        self._one_at_a_time = threading.Lock()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the emulator
        self._said = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Emulator:
        self._port, runtime_port = free_port(), free_port()
        command = [
            str(emulator()),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
            *(str(self._python), "-m", "awslambdaric", self._handler),
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), *command],
            cwd=self._artifact,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.02)
        self.__exit__(None, None, None)
        raise RuntimeError(f"the emulator did not start: {self.output[-500:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()  # the guard's signal
            process.wait(START_SECONDS)
        self._said = self.output
        self._output.close()
        if kind is not None:
            print(self._said[-4000:])  # pytest shows it beside the failure

    @property
    def output(self) -> str:
        """All that the function and the emulator have said."""
        if self._output.closed:
            return self._said
        return os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0).decode(errors="replace")

    def raw(self, event: bytes) -> bytes:
        """Any bytes as an event, and the function's result as bytes; FunctionError when there is none."""
        if len(event) > EVENT_LIMIT_BYTES:
            raise ValueError(
                f"an event of {len(event)} bytes; Lambda's own check refuses more than {EVENT_LIMIT_BYTES}"
            )
        with self._one_at_a_time:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_seconds + 60)
            try:
                connection.request("POST", INVOKE, event)
                response = connection.getresponse()
                body = response.read()
            finally:
                connection.close()
        if response.status != 200 or body.startswith(b"Task timed out") or b'"errorType":' in body[:4000]:
            raise FunctionError(response.status, body.decode(errors="replace"))
        return body

    def invoke(self, event: Any) -> Any:
        """The function's result; FunctionError when there is none."""
        return json.loads(self.raw(json.dumps(event).encode()))

    def request(self, event: Any) -> Answer:
        """The answer that a front door would make of the result."""
        result = self.invoke(event)
        return Answer(result["statusCode"], result.get("headers") or {}, result.get("body") or "")

    @property
    def resident_bytes(self) -> int:
        """Memory of the function's process, children and emulator not included."""
        for pid in _below(self._process.pid if self._process else 0):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if arguments[1:3] == [b"-m", b"awslambdaric"]:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                return pages * os.sysconf("SC_PAGE_SIZE")
        raise RuntimeError("no function is running")


def _below(root: int) -> Iterator[int]:
    """Every process that this one started, and those that they started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        if parent == root:
            yield int(folder.name)
            yield from _below(int(folder.name))


@contextmanager
def copied(artifact: Path, into: Path) -> Iterator[Path]:
    """A copy of an artifact that a test may change."""
    into.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=into)) / artifact.name
    shutil.copytree(artifact, place)
    try:
        yield place
    finally:
        shutil.rmtree(place)
