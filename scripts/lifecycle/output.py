"""The two streams of `tokens.py`: what was asked for on stdout, the story on stderr. No word of either is made here.

A stream can be closed, full or read by nobody. For what was asked for, that is a failure; the loss of the story stops
nothing, because a rotation that ends in the middle for want of a listener would be worse.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

# A person who writes a token where a name belongs gets no second copy of it, in the log of a pipeline for example.
_TOKEN = re.compile(r"\bmcpt-[0-9A-Za-z]{8,}(?:-[0-9A-Za-z]*)?")


class OutputLost(Exception):
    """What was asked for did not leave this process. The message says why, after the words "standard output"."""


def show(text: str, end: str = "\n") -> None:
    """Print what was asked for."""
    if sys.stdout is None:  # it was closed before the start, and print() would say nothing about that
        raise OutputLost("is closed")
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        _let_go(sys.stdout)
        raise OutputLost(f"cannot be written: {error.strerror}") from None


def say(sentence: str) -> None:
    """One line of the story, without anything of the shape of a token."""
    if sys.stderr is None:  # print() would take stdout in its place
        return
    try:
        print(concealed(sentence), file=sys.stderr, flush=True)
    except OSError:
        _let_go(sys.stderr)


def concealed(text: str) -> str:
    """The text with each token of ours replaced by a word."""
    return _TOKEN.sub("[token]", text)


def _let_go(stream: TextIO) -> None:
    """Let the rest of its buffer go nowhere: it would fail once more, with a traceback, when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
