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
        raise TargetRefused("there are several resources here; name one with the parameter resource")
    if requested[0] not in offered:
        raise TargetRefused("there is no such resource here")
    return requested[0]


def confirm(requested: Sequence[str], granted: str) -> str:
    """At the token endpoint: nothing, or the resource that was granted. Raises `TargetRefused`."""
    if any(name != granted for name in requested) or len(requested) > 1:
        raise TargetRefused("the grant is for another resource")
    return granted
