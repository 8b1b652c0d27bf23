"""The one error of a build: a sentence for the person who typed the command. No logic."""

from __future__ import annotations


class BuildError(Exception):
    """The build cannot go on; the text says what is wrong, with which file, and what to do."""
