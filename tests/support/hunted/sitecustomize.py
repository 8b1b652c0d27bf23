"""Loaded by a Python that is hunted for secrets: notes what it opens for writing, starts, sets and asks for by URL.

A file is gone before anybody scans a folder, a child before anybody reads its arguments; the interpreter's own audit
events miss neither. What a file held is noted before it is overwritten or removed.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

LARGEST_BYTES = 1 << 20
SAID = {
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.putenv",
    "os.symlink",
    "os.link",
    "os.mkdir",
    "syslog.syslog",
    "syslog.openlog",
    "sys.excepthook",
    "sys.unraisablehook",
}
_record = int(os.environ["HUNT_RECORD"])  # a pipe: it takes what is noted on a full disk, too
_inside = threading.local()


def _note(event: str, path: str = "", content: bytes = b"") -> None:
    line = json.dumps({"event": event, "path": path, "content": base64.b64encode(content).decode()}).encode() + b"\n"
    while line:
        line = line[os.write(_record, line) :]


def _text(path: Any) -> str:
    if isinstance(path, int):
        try:
            return str(Path(f"/proc/self/fd/{path}").readlink())
        except OSError:  # no such system: what it is called is unknown, what it holds is not
            return f"descriptor {path}"
    return str(Path(os.fsdecode(path)).absolute())


def _held(path: Any) -> bytes:
    try:
        handle = path if isinstance(path, int) else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.pread(handle, LARGEST_BYTES, 0) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
        finally:
            if handle is not path:
                os.close(handle)
    except (OSError, ValueError):
        return b""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if getattr(_inside, "busy", False):
        return
    _inside.busy = True
    try:
        if event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                _note("written", _text(path), _held(path))
        elif event in ("os.remove", "os.truncate"):
            _note("gone", _text(arguments[0]), _held(arguments[0]))
        elif event == "os.rename":
            _note("gone", _text(arguments[1]), _held(arguments[1]))
            _note("written", _text(arguments[1]), _held(arguments[0]))
        elif event == "urllib.Request":
            _note(event, content=str(arguments[0]).encode())
        elif event in SAID:
            _note(event, content=repr(arguments).encode("utf-8", "backslashreplace"))
    finally:
        _inside.busy = False


sys.addaudithook(_hook)
