"""The door of each function: its HTTP trigger, its tokens, and what a deploy may do to them. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from s_rules.resources import Resource, Trigger, items, mapping, plainly_deployed, shown

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")
DOORS_OF = {"bearer": ("platform",), "anonymous": ("bearer", "jwt")}  # authType -> values of MCP_DOOR
FIRST_DOCUMENT = "${env('MCP_FC_AUTH_CONFIG', '')}"
FIRST_DOCUMENT_GUARD = "scripts/first_tokens.py"


def http_triggers(resource: Resource) -> Iterator[str]:
    triggers = list(resource.triggers("http"))
    if len(triggers) > 1:
        yield f"{resource.path}.props.triggers has {len(triggers)} HTTP triggers; FC takes one for a function."
    for trigger in triggers:
        yield from _shape(trigger)
        yield from _who_checks(resource, trigger)
    if "customDomain" in resource.props:
        yield (
            f"{resource.path}.props.customDomain is set; fc3 prints the whole domain, its tokens included, when it "
            "deploys one. Make the domain in the console, as docs/alibaba.md says."
        )


def _shape(trigger: Trigger) -> Iterator[str]:
    methods, internet = trigger.config.get("methods"), trigger.config.get("disableURLInternet")
    if "POST" not in items(methods) or not set(map(str, items(methods))) <= set(METHODS):
        yield f"{trigger.path}.methods is {shown(methods)}; write a list with POST, of: {', '.join(METHODS)}."
    if not isinstance(internet, bool):
        yield (
            f"{trigger.path}.disableURLInternet is {shown(internet)}; write true or false: whether strangers reach the "
            "default host must not be a default."
        )


def _who_checks(resource: Resource, trigger: Trigger) -> Iterator[str]:
    auth_type, door = trigger.config.get("authType"), resource.environment.get("MCP_DOOR")
    if auth_type not in DOORS_OF:
        yield f"{trigger.path}.authType is {shown(auth_type)}; choose one of: {', '.join(DOORS_OF)}."
    elif resource.is_mcp_server and door not in DOORS_OF[auth_type]:
        yield (
            f"{trigger.path}.authType is {auth_type}, but MCP_DOOR is {shown(door)}; with {auth_type} it must be "
            f"{' or '.join(DOORS_OF[auth_type])}: one of the two must check, and not both."
        )
    if auth_type == "anonymous" and "authConfig" in trigger.config:
        yield f"{trigger.path}.authConfig is set, but authType is anonymous, which checks nothing. Leave it out."
    if auth_type == "bearer":
        yield from _first_tokens(resource, trigger)


def _first_tokens(resource: Resource, trigger: Trigger) -> Iterator[str]:
    """The tokens of door bearer come from outside the file, and its trigger is made behind a guard."""
    if trigger.written.get("authConfig") != FIRST_DOCUMENT:
        yield (  # never the value: it may be a token
            f"{trigger.path}.authConfig is not {FIRST_DOCUMENT}: tokens in the file could be read by everybody who has "
            "it, and each deploy would undo the rotation."
        )
    if FIRST_DOCUMENT_GUARD not in resource.before_deploy:
        yield (
            f'{resource.path}.actions.pre-deploy is "{resource.before_deploy}"; it must run {FIRST_DOCUMENT_GUARD}, or '
            "a deploy could put nothing in the place of the tokens."
        )


def same_function(found: list[Resource]) -> Iterator[str]:
    """Resources of one function must agree on it, its door above all: between two would be a moment without any."""
    first: dict[tuple[str, str], Resource] = {}
    for resource in found:
        region, function = str(resource.props.get("region")), str(resource.props.get("functionName"))
        other = first.setdefault((region, function), resource)
        for name in sorted({*resource.props, *other.props} - {"triggers"}):
            if resource.props.get(name) != other.props.get(name):
                yield (
                    f"{resource.path}.props.{name} is not that of {other.path}, but both are the function {function} "
                    f"in {region}: each deploy of one would undo the other. Give one of them a functionName of its own."
                )


def plain_deploy(found: list[Resource], rendered: Mapping[str, Any]) -> Iterator[str]:
    """`s deploy` without a name must not come near the tokens."""
    holders = {r.name for r in found for t in r.triggers("http") if t.config.get("authType") == "bearer"}
    named = plainly_deployed(rendered)
    if holders and named is None:
        names = ", ".join(sorted(holders))
        yield f"{_deploy(rendered)}, so a plain `s deploy` would undo the rotation of {names}."
    for name in sorted((named or set()) & holders):
        yield f"flow.deploy names {name}, whose trigger holds tokens: a plain `s deploy` would undo each rotation."


def _deploy(rendered: Mapping[str, Any]) -> str:
    return f"flow.deploy is {shown(mapping(rendered.get('flow')).get('deploy'))}"
