"""Secrets that stand in the text of a file. No I/O; a finding names the line and never quotes what was found.

Whatever an endpoint shows to strangers anyway (its URL, its issuer, its audience, its public keys) is no secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from s_rules.resources import Resource, items, mapping

PUBLIC_SETTINGS = ("MCP_PUBLIC_URL", "MCP_JWT_ISSUER", "MCP_JWT_AUDIENCE", "MCP_JWT_JWKS_URL", "MCP_JWT_JWKS")
PRIVATE_KEY_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}  # RFC 7518 §6

KNOWN_SHAPES = {
    "a token of this project": re.compile(r"mcpt-[0-9A-Za-z]{8,}"),
    "a JWT": re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}"),
    "an Alibaba Cloud access key": re.compile(r"LTAI[0-9A-Za-z]{12,}"),
    "an AWS access key": re.compile(r"A[KS]IA[0-9A-Z]{16}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a list of tokens": re.compile(r"tokenData"),
}
RUN = re.compile(r"[A-Za-z0-9+/=~._-]{32,}")  # FC's alphabet and length, and the underscore that other makers use
MIXED = re.compile(r"(?=[a-zA-Z]*[0-9])(?=[0-9]*[a-zA-Z])[0-9A-Za-z]{16,}")  # words and version numbers are not this


def secrets(text: str, found: list[Resource]) -> Iterator[str]:
    """One sentence for each line of the file that holds what only a secret looks like."""
    public = {
        word
        for resource in found
        for name in PUBLIC_SETTINGS
        for word in [str(resource.environment.get(name, "")), *str(resource.environment.get(name, "")).split()]
    }
    for number, line in enumerate(text.splitlines(), 1):
        kinds = [kind for kind, shape in KNOWN_SHAPES.items() if shape.search(line)]
        for word in sorted(public - {""}, key=len, reverse=True):
            line = line.replace(word, "")
        if not kinds and any(MIXED.search(run) for run in RUN.findall(line)):
            kinds = ["a value that looks like a token"]
        for kind in kinds:
            yield f"line {number} holds {kind}; a secret does not belong into this file, nor into its history."
    yield from _private_keys(found)


def _private_keys(found: list[Resource]) -> Iterator[str]:
    for resource in found:
        try:
            keys = items(mapping(json.loads(str(resource.environment.get("MCP_JWT_JWKS") or "{}"))).get("keys"))
        except ValueError:  # the function would not start with it, and that is another rule's sentence
            continue
        if any(PRIVATE_KEY_MEMBERS & set(mapping(key)) for key in keys):
            path = f"{resource.path}.props.environmentVariables.MCP_JWT_JWKS"
            yield f"{path} holds a private or symmetric key; leave its public half there and make a new one."
