"""Run one command and end it, with all it started, as soon as stdin closes. Standard library only, nothing of ours.

The parent holds the other end of stdin: when it dies, by SIGKILL too, the system closes the pipe. That works on every
POSIX system, which a parent-death signal does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 1.0  # uvicorn needs less; whoever stops us promised to be gone within three seconds


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send to the command and to whatever it started; a group that is gone already is what we wanted."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group that holds only a zombie
        return


def end(child: subprocess.Popen[bytes]) -> None:
    """Ask, wait a moment, insist."""
    signal_group(child.pid, signal.SIGTERM)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        signal_group(child.pid, signal.SIGKILL)


def main(command: list[str]) -> int:
    """The command's exit code, as a shell would report it."""
    try:
        # A session of its own: the Ctrl-C of a terminal reaches the parent alone, which then closes our stdin.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def watch_parent() -> None:
        while os.read(0, 1024):
            pass
        end(child)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: threading.Thread(target=end, args=(child,), daemon=True).start())
    threading.Thread(target=watch_parent, daemon=True).start()
    code = child.wait()
    signal_group(child.pid, signal.SIGKILL)  # what the command left behind
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
