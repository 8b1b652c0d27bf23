"""Run a program and keep all that it shows to anybody: streams, arguments, environments, files. Judges nothing.

Three watchers: the interpreter's audit events (see `hunted/`), a reader of /proc for the program and its descendants,
and a scan of every folder that it was given, when it has ended.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

HOOK = Path(__file__).resolve().parent / "hunted"
LARGEST_BYTES = 1 << 20  # of a file that is looked into; a core file is one by its name
SAMPLE_SECONDS = 0.004
FOLDERS = ("home", "tmp", "work")
Place = Literal["stdout", "stderr", "arguments", "environment", "file", "event"]


@dataclass(frozen=True)
class Sight:
    """Something that the program showed."""

    place: Place
    name: str  # of the file or the event
    content: bytes = field(repr=False)


@dataclass
class Seen:
    """All of it."""

    exit: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    sights: list[Sight] = field(repr=False)
    samples: int

    def written(self) -> set[str]:
        """The files that were opened for writing, or appeared."""
        return {sight.name for sight in self.sights if sight.place == "file"}


def make_folders(folder: Path) -> dict[str, Path]:
    """Home, temporary and working folder of a program that is to be watched."""
    made = {name: folder / name for name in FOLDERS}
    for each in made.values():
        each.mkdir(parents=True)
    return made


def watch(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *, stdin: str = "",
    started: Callable[[subprocess.Popen[bytes]], None] = lambda process: None, seconds: float = 110.0, **popen: Any,
) -> Seen:  # fmt: skip
    """Run it in these folders, with nothing of our own environment but the way to programs."""
    record = Record()
    known = {path: _beginning(path) for path in _files(folder)}
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(HOOK),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HUNT_RECORD": str(record.end),
        **environment,
    }
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
    given_fds = (record.end,)
    process = subprocess.Popen([*map(str, command)], env=given, cwd=folder / "work", pass_fds=given_fds, **streams)
    sampler = Sampler(process.pid)
    try:
        started(process)
        out, err = process.communicate(stdin.encode() if streams["stdin"] == subprocess.PIPE else None, seconds)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    finally:
        sampler.stop()
        record.close()
    sights = [Sight("stdout", "", out or b""), Sight("stderr", "", err or b""), *sampler.sights, *record.sights()]
    for path in _files(folder):
        if known.get(path) != (content := _beginning(path)):
            sights.append(Sight("file", str(path), content))
    return Seen(process.returncode, (out or b"").decode(), (err or b"").decode(), sights, sampler.samples)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES)


class Record:
    """The pipe into which the hunted program's audit events go."""

    def __init__(self) -> None:
        self._reader, self.end = os.pipe()
        self._content = b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self.end)
        self._thread.join()
        os.close(self._reader)

    def sights(self) -> list[Sight]:
        sights = []
        for line in self._content.splitlines():
            note = json.loads(line)
            place: Place = "file" if note["event"] in ("written", "gone") else "event"
            sights.append(Sight(place, note["path"] or note["event"], base64.b64decode(note["content"])))
        return sights

    def _drain(self) -> None:
        while chunk := os.read(self._reader, 1 << 16):
            self._content += chunk


class Sampler:
    """Reads the arguments and the environment of a process and of all below it, again and again."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[tuple[Place, bytes], Sight] = {}
        self.samples = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def sights(self) -> list[Sight]:
        return [*self._seen.values()]

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            pids = [str(self._pid)]
            for pid in pids:
                pids += self._read(f"{pid}/task/{pid}/children").decode().split()
                self._keep("arguments", pid, self._read(f"{pid}/cmdline"))
                self._keep("environment", pid, self._read(f"{pid}/environ"))

    def _keep(self, place: Place, pid: str, content: bytes) -> None:
        if content:
            self.samples += 1
            self._seen.setdefault((place, content), Sight(place, f"process {pid}", content))

    @staticmethod
    def _read(path: str) -> bytes:
        try:
            return Path("/proc", path).read_bytes()
        except OSError:  # it has ended, it shows this to its owner only, or there is no /proc
            return b""
