"""Keep a token from taking the place of a token document: by where both are, and by what is there. Writes nothing.

A document that is overwritten by one bare token locks everybody out, and the other tokens are lost.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from mcp_faas.lifecycle.sinks import SinkError

_ARN = re.compile(r"arn:[^:]*:secretsmanager:(?P<region>[^:]*):[^:]*:secret:(?P<name>.+)")
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")  # which Secrets Manager gives an ARN, and an ARN may be given without


def same_file(one: Path, other: Path) -> bool:
    """Do two paths, through whatever links, lead to one file?"""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there, or nobody may look
        return False


def same_secret(region: str, name: str, other_region: str, other_name: str) -> bool:
    """Are these one secret? Each is given by its name, its whole ARN, or the ARN without the random end.

    Whose account it is cannot be seen in a name, so that two accounts' secrets of one name count as one.
    """
    arn, other_arn = _ARN.fullmatch(name), _ARN.fullmatch(other_name)
    region, name = (arn["region"], arn["name"]) if arn else (region, name)
    other_region, other_name = (other_arn["region"], other_arn["name"]) if other_arn else (other_region, other_name)
    if region != other_region:
        return False
    return (
        name == other_name
        or bool(arn and _SUFFIX.sub("", name) == other_name)
        or bool(other_arn and _SUFFIX.sub("", other_name) == name)
    )


def refuse_document(text: str) -> None:
    """Raise SinkError if this is a token document, whole or damaged, which no token may replace."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict) and "tokens" in found:
        raise SinkError(
            "holds a token document, and one token in its place would lock everybody out; name another place"
        )
