"""The function of `s.yaml` that rotates tokens: what starts it, what it may do, what it is told. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_faas.lifecycle.probe import Probe
from mcp_faas.lifecycle.settings import RotationSettingsError, rotation_settings
from mcp_faas.settings import read_log_level, read_tokens_address
from mcp_faas.settings.values import SettingsError
from s_rules.environments import Watched
from s_rules.resources import Resource, items, plainly_deployed, shown

EVERY = re.compile(r"@every ([1-9][0-9]{0,3})m")
RUN_MINUTES, LONGEST_MINUTES = 2, 24 * 60  # a run takes up to two; a step that waits a day longer is no rotation
LEAST_TIMEOUT_SECONDS = 120
# fc3 makes an ARN of a name, and small letters of both; RAM's own names may have capitals.
ROLE = re.compile(r"(acs:ram::[0-9]+:role/)?[a-z0-9][a-z0-9.-]{0,63}")
ADDRESSES = re.compile(r"fc://[^/\s]+/[^/\s]+/[^/\s]+|fc-domain://[^/\s]+/[^/\s]+")
OBJECT = re.compile(r"oss://[a-z0-9-]+/[a-z0-9][a-z0-9-]{1,61}[a-z0-9]/[^\s?#]+")
OWN_SETTINGS = ("MCP_", "ROTATION_")


def rotator(resource: Resource, found: list[Resource]) -> Iterator[str]:
    """Would it rotate, when it should, and may nobody else start it?"""
    if not resource.is_rotator:
        return
    yield from _started_by(resource)
    yield from _may(resource, found)
    yield from _told(resource, found)


def plain_deploy(found: list[Resource], rendered: Mapping[str, Any]) -> Iterator[str]:
    """Whoever types `s deploy` need not have made the role yet."""
    named = plainly_deployed(rendered)
    for resource in found:
        if resource.is_rotator and (named is None or resource.name in named):
            yield (
                f"flow.deploy would deploy {resource.name} with a plain `s deploy`, with or without its role; "
                f"leave it to `s {resource.name} deploy`."
            )


def _started_by(resource: Resource) -> Iterator[str]:
    path, kinds = f"{resource.path}.props", [item.get("triggerType") for item in _triggers(resource)]
    if kinds != ["timer"]:
        yield f"{path}.triggers has {', '.join(map(str, kinds)) or 'nothing'}; write one timer: nobody else starts it."
    for trigger in resource.triggers("timer"):
        every = trigger.config.get("cronExpression")
        minutes = EVERY.fullmatch(str(every))
        if not minutes or not RUN_MINUTES <= int(minutes[1]) <= LONGEST_MINUTES:
            yield (
                f"{trigger.path}.cronExpression is {shown(every)}; write '@every 60m', or another number of minutes "
                f"from {RUN_MINUTES} to {LONGEST_MINUTES}."
            )
        if trigger.config.get("enable") is not True:
            yield f"{trigger.path}.enable is {shown(trigger.config.get('enable'))}; write true, or nothing is rotated."


def _may(resource: Resource, found: list[Resource]) -> Iterator[str]:
    path, role, timeout = f"{resource.path}.props", resource.props.get("role"), resource.props.get("timeout")
    if not isinstance(role, str) or not ROLE.fullmatch(role):
        yield f"{path}.role is {shown(role)}; write the name or the ARN of its RAM role, in small letters."
    for other in found:
        if role and not other.is_rotator and other.props.get("role") == role:
            yield f"{other.path}.props.role is that of {resource.path}, which may rewrite triggers; give it another."
    if isinstance(timeout, int) and timeout < LEAST_TIMEOUT_SECONDS:
        yield f"{path}.timeout is {timeout}; a run may take {LEAST_TIMEOUT_SECONDS} s."
    if resource.props.get("internetAccess") is False:
        yield f"{path}.internetAccess is False; it calls FC's API over the internet."


def _told(resource: Resource, found: list[Resource]) -> Iterator[str]:
    """The settings as the function itself reads them, and no others."""
    path = f"{resource.path}.props.environmentVariables"
    watched = Watched({str(name): str(value) for name, value in resource.environment.items()})
    try:
        settings = rotation_settings(watched)
        address = read_tokens_address(watched)
        read_log_level(watched)
        if settings.probe:
            Probe(settings.probe, timeout=1)
    except (SettingsError, RotationSettingsError, ValueError) as error:
        yield f"{path}: the function would not rotate. {error}"
        return
    yield from _document(path, address, found)
    if settings.deliver and not OBJECT.fullmatch(settings.deliver):
        yield f"{path}.ROTATION_DELIVER is {shown(settings.deliver)}; it takes oss://REGION/BUCKET/KEY."
    for name in watched.unread(OWN_SETTINGS):
        yield f"{path}.{name} is set, but nothing reads it. Is it misspelt?"


def _document(path: str, address: str, found: list[Resource]) -> Iterator[str]:
    if not ADDRESSES.fullmatch(address):
        yield f"{path}.MCP_TOKENS is {shown(address)}; it takes fc://REGION/FUNCTION/TRIGGER or fc-domain://REGION/DOMAIN."
        return
    region, function, *trigger = address.partition("://")[2].split("/")
    here = [r for r in found if (r.props.get("region"), r.props.get("functionName")) == (region, function)]
    names = {t.name for r in here for t in r.triggers("http") if t.config.get("authType") == "bearer"}
    if trigger and here and trigger[0] not in names:
        choices = ", ".join(sorted(names)) or "none"
        yield f"{path}.MCP_TOKENS is {shown(address)}; the triggers of {function} that hold tokens are: {choices}."


def _triggers(resource: Resource) -> list[Mapping[str, Any]]:
    return [item for item in items(resource.props.get("triggers")) if isinstance(item, Mapping)]
