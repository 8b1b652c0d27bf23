"""Somebody without a token at the door, now and then, who must never be let in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime, timezone

from mcp_faas.lifecycle.probe import Probe
from mcp_faas.tokens import mint

KNOCK_SECONDS = 1.0


@contextlib.contextmanager
def strangers(url: str) -> Iterator[None]:
    """Each tries another token that there is not, which makes the door read its document anew.

    Without anybody like them a door that caches knows a deleted token for up to a minute, and a test would wait for it.
    """
    gone = threading.Event()
    let_in: list[str] = []

    def knock() -> None:
        while not gone.wait(KNOCK_SECONDS):
            answer = Probe(url, 30).ask(mint(datetime.now(timezone.utc)).data)
            if answer.verdict == "accepted":
                let_in.append(str(answer))

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield
    finally:
        gone.set()
        thread.join(60)
    assert let_in == [], "a stranger was let in"
