"""A stack's process that is asked by lines of JSON. It ends with its `with` block."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.cold import surroundings

CHILDREN = Path(__file__).with_name("children")


class ChildFailed(Exception):
    """The process ended, or said that a call went wrong."""


class Child:
    """`script` of children/, run with nothing but the stack's own folder to import from."""

    def __init__(
        self, script: str, python: Path, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = [str(python), str(CHILDREN / script), str(folder), *arguments]
        self._environment = surroundings(folder, "", "127.0.0.1:9", environment or {})
        self._folder = folder

    def __enter__(self) -> Child:
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            bufsize=1,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process was started without pipes")
        self._questions, self._answers = self._process.stdin, self._process.stdout
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._questions.close()
        self._answers.close()
        self._said.close()

    def tell(self, question: object) -> None:
        self._questions.write(json.dumps(question) + "\n")
        self._questions.flush()

    def ask(self, question: object) -> Any:
        """Its answer. Raises `ChildFailed`."""
        try:
            self.tell(question)
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._said.seek(0)
            raise ChildFailed(self._said.read().decode(errors="replace")[-2000:])
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise ChildFailed(answer["error"])
        return answer
