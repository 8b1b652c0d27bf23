"""The settings of the two rotation functions. Only names and checks; who reads them has the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from mcp_faas.rotation import Policy

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=3650)


class RotationSettingsError(ValueError):
    """A setting that keeps the function from rotating; the message is for the person who set it."""


@dataclass(frozen=True)
class RotationSettings:
    """When to replace, where to prove, where to deliver."""

    policy: Policy
    probe: str
    deliver: str


def rotation_settings(environment: Mapping[str, str]) -> RotationSettings:
    """ROTATION_MAX_AGE, ROTATION_OVERLAP, ROTATION_PROBE and ROTATION_DELIVER."""
    deliver = environment.get("ROTATION_DELIVER", "")
    age = _span(environment, "ROTATION_MAX_AGE", "30d")
    overlap = _span(environment, "ROTATION_OVERLAP", "24h")
    return RotationSettings(
        Policy(age, overlap, delivering=bool(deliver)), environment.get("ROTATION_PROBE", ""), deliver
    )


def _span(environment: Mapping[str, str], name: str, default: str) -> timedelta:
    text = environment.get(name, "") or default
    span = duration(text)
    if span is None:
        raise RotationSettingsError(f"{name} is {text!r}; it takes a whole number and s, m, h or d, like {default}.")
    return span


def duration(text: str) -> timedelta | None:
    """`90m` as a time span; None if it is none, or longer than ten years."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    span = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None
    return span if span is not None and span <= LONGEST else None
