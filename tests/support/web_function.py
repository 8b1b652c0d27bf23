"""FC's web function as the platform starts it, from its unpacked artifact and its own bootstrap. Loopback only."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2

from artifacts import interpreters
from edges.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
FC_PYTHON = "3.12"


def unpacked(name: str, place: Path) -> tuple[Path, Path]:
    """An artifact of FC's, built and unpacked, and a folder whose `python3` is the Python that it is built for."""
    found = interpreters.find(FC_PYTHON)
    version = FC_PYTHON if found else f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [sys.executable, "scripts/package.py", "--only", name, "--python", version]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(ROOT / f".build/{name}.zip") as archive:
        for entry in archive.infolist():
            where = Path(archive.extract(entry, place / "code"))
            where.chmod(entry.external_attr >> 16 & 0o777 or 0o755)
    (place / "bin").mkdir()
    (place / "bin/python3").symlink_to(found or sys.executable)
    return place / "code", place / "bin"


class Function:
    """One instance: nothing of the development environment, another working directory."""

    def __init__(self, artifact: tuple[Path, Path], log: Path, *modules: Path, **settings: str) -> None:
        self.code, python = artifact
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        environment = {"PATH": f"{python}:{os.defpath}", "FC_SERVER_PORT": str(self.port), **settings}
        # Of ours only what keeps the 0.0.0.0 that FC wants on this machine's loopback, and tools of a test's own.
        environment["PYTHONPATH"] = os.pathsep.join(map(str, [ROOT / "scripts/edges/loopback", *modules]))
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [str(self.code / "bootstrap")], cwd="/", env=environment, stdout=output, stderr=output
            )
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx2.TransportError):
                assert httpx2.get(f"{self.url}/healthz", trust_env=False).text == "ok"
                return
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < until, "not ready in 60 s"
            time.sleep(0.05)

    def stop(self) -> str:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)
        return self.log.read_text()


@contextlib.contextmanager
def running(artifact: tuple[Path, Path], tmp_path: Path, *modules: Path, **settings: str) -> Iterator[Function]:
    function = Function(artifact, tmp_path / "log", *modules, **settings)
    try:
        yield function
    finally:
        function.process.kill()
        function.process.wait()
