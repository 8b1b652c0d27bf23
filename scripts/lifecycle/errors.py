"""What a person can have got wrong before anything begins."""

from __future__ import annotations


class UsageError(Exception):
    """Something on the command line or in the environment cannot be meant so."""
