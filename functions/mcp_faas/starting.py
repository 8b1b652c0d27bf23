"""What an entry point does around its own imports. Imports nothing that the first line of a function would wait for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Start without the garbage collector, and leave what the start has made out of every later collection.

    A start makes some hundred thousand objects, and hardly one of them is garbage: looking for it takes 6 % of a start.
    Frozen, they cost no call a pause. They are not collected even once before that, which would take longer than all
    the collections that are left out: docs/bench/cold-start.md.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def after_restore(start: Callable[[], object]) -> None:
    """Have Lambda call `start` in each instance that begins with a copy of this one (SnapStart), and not before.

    What is made before that is in every copy: connections, keys, secrets, and the numbers that `random` will give.
    """
    from random import seed

    from snapshot_restore_py import register_after_restore  # a part of Lambda's runtime, not of the artifact

    register_after_restore(seed)  # from the operating system, whose own source is not copied
    register_after_restore(start)
