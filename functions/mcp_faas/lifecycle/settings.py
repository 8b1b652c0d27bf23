"""The settings of the two rotation functions. Only names and checks; who reads them has the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from mcp_faas.rotation import Policy
from mcp_faas.stores import Access

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


def fc_access(environment: Mapping[str, str], timeout: float) -> Access:
    """The role's credentials as the platform gives them for this invocation: they are renewed, so they are not kept."""
    key_id, secret = (environment.get(f"ALIBABA_CLOUD_ACCESS_KEY_{part}") for part in ("ID", "SECRET"))
    if not key_id or not secret:
        raise RotationSettingsError("there are no credentials: give the function a role, as docs/alibaba.md shows.")
    return Access(
        timeout,
        fc_key=(key_id, secret, environment.get("ALIBABA_CLOUD_SECURITY_TOKEN", "")),
        fc_endpoint=environment.get("ROTATION_FC_ENDPOINT", ""),
        oss_endpoint=environment.get("OSS_ENDPOINT", ""),
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
