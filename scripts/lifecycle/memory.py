"""Keep the memory of this process to itself: tokens are in it for as long as it runs. Reads and writes no file."""

from __future__ import annotations

import contextlib
import resource
import sys

PR_SET_DUMPABLE = 4  # prctl(2)


def keep_private() -> None:
    """Leave no core file behind, whatever kills this process, and let no other process of this user look into it.

    Two ways, because each has a hole: a core that the kernel pipes to a program ignores the limit, and only Linux has
    the other. Programs that this one starts begin with the system's own settings for the second.
    """
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, limit))
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):  # a Python or a libc without it
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
