"""Which of the operator's resources a token is asked for (RFC 8707). No I/O. One audience per token, always."""

from __future__ import annotations

from collections.abc import Sequence


class TargetRefused(ValueError):
    """RFC 8707 `invalid_target`; the message is for the client's author and quotes nothing."""


def choose(requested: Sequence[str], offered: Sequence[str]) -> str:
    """The one resource that is meant. Raises `TargetRefused`.

    Compared byte for byte with OAUTH_RESOURCES, so what is relative, has a fragment or is somebody else's is refused
    without being parsed.
    """
    if len(requested) > 1:
        raise TargetRefused("ask for one resource at a time: a token is for one alone")
    if not requested:
        if len(offered) == 1:
            return offered[0]
        raise TargetRefused(f"resource is missing, and has to be one of {' '.join(offered)} to the letter")
    if requested[0] not in offered:
        raise TargetRefused(f"resource has to be {' or '.join(offered)} to the letter, and is something else")
    return requested[0]
