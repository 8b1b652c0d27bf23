"""Each function of `s.yaml`: its limits, its runtime, what starts it, its environment. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_faas.settings import read_settings, require_public_url
from mcp_faas.settings.values import SettingsError
from s_rules.environments import Watched
from s_rules.resources import Contents, Resource, items, mapping, shown

ENVIRONMENT_MAX_BYTES = 4096  # FC counts all names and values of a function together
BUILDER = "make package"

# What FC's pages say of each runtime: its Python, and the folder that PATH must begin with for python3 to be that one.
RUNTIMES = {
    "custom.debian10": ("3.10", "/var/fc/lang/python3.10/bin"),
    "custom.debian11": ("3.12", "/var/fc/lang/python3.12/bin"),
    "custom.debian12": ("3.11", "/usr/bin"),
    "python3.9": ("3.9", None),
    "python3.10": ("3.10", None),
    "python3.12": ("3.12", None),
}


def limits(resource: Resource) -> Iterator[str]:
    path, props = f"{resource.path}.props", resource.props
    runtime, concurrency = str(props.get("runtime")), props.get("instanceConcurrency")
    if not isinstance(props.get("timeout"), int):
        yield f"{path}.timeout is {shown(props.get('timeout'))}; write the seconds, FC's default is 3."
    if runtime.startswith("custom"):
        if not isinstance(concurrency, int):
            yield f"{path}.instanceConcurrency is {shown(concurrency)}; write a number, FC's default is 1."
    elif concurrency not in (None, 1):
        yield f"{path}.instanceConcurrency is {concurrency}; {runtime} handles one request at a time, leave it out."


def code(resource: Resource, artifacts: Mapping[str, Contents]) -> Iterator[str]:
    """Is there an artifact, is it built before a deploy, does it fit the runtime, and does it hold what starts it?"""
    path, props = f"{resource.path}.props", resource.props
    runtime, place = str(props.get("runtime")), str(props.get("code"))
    contents = artifacts.get(place.removeprefix("./"))
    if contents is None:
        choices = ", ".join(f"./{name}" for name in artifacts)
        yield f"{path}.code is {shown(props.get('code'))}; `{BUILDER}` builds: {choices}."
        return
    if runtime not in RUNTIMES:
        yield f"{path}.runtime is {shown(props.get('runtime'))}; choose one of: {', '.join(RUNTIMES)}."
        return
    python, folder = RUNTIMES[runtime]
    if python != contents.python:
        yield f"{path}.runtime is {runtime}, whose Python is {python}; {place} is built for {contents.python}."
    search = resource.environment.get("PATH")
    if folder and str(search).split(":")[0] != folder:
        yield f"{path}.environmentVariables.PATH is {shown(search)}; on {runtime} it must begin with {folder}."
    if runtime.startswith("custom"):
        yield from _start_command(f"{path}.customRuntimeConfig", mapping(props.get("customRuntimeConfig")), contents)
    elif props.get("handler") not in contents.handlers:
        choices = ", ".join(sorted(contents.handlers)) or "none"
        yield f"{path}.handler is {shown(props.get('handler'))}; {place} has: {choices}."


def built_before(found: list[Resource]) -> Iterator[str]:
    """A deploy of old code is no deploy: whoever uploads an artifact builds it first."""
    built = {(r.props.get("functionName"), r.props.get("code")) for r in found if BUILDER in r.before_deploy}
    for resource in found:
        if (resource.props.get("functionName"), resource.props.get("code")) not in built:
            yield f'{resource.path}.actions.pre-deploy is "{resource.before_deploy}"; it must run `{BUILDER}`.'


def _start_command(path: str, config: Mapping[str, Any], contents: Contents) -> Iterator[str]:
    words = [str(word) for word in [*items(config.get("command")), *items(config.get("args"))]]
    names = [word.removeprefix("/code/") for word in words if word.startswith("/code/")]
    if not items(config.get("command")):
        yield f"{path}.command is {shown(config.get('command'))}; write [/code/bootstrap]."
    for name in names:
        if name not in contents.files:
            yield f"{path}.command is {words}, but the artifact has no {name}."
    if names and words[0] == f"/code/{names[0]}" and names[0] in contents.files - contents.executables:
        yield f"{path}.command is {words}, but {names[0]} is not executable in the artifact."
    if not isinstance(config.get("port"), int):
        yield f"{path}.port is {shown(config.get('port'))}; write the port that the server listens on."


def environment(resource: Resource) -> Iterator[str]:
    path = f"{resource.path}.props.environmentVariables"
    size = sum(len(f"{name}{value}".encode()) for name, value in resource.environment.items())
    if size > ENVIRONMENT_MAX_BYTES:
        yield f"{path} has {size} bytes, FC takes {ENVIRONMENT_MAX_BYTES}. For large keys use MCP_JWT_JWKS_URL."
    for name, value in resource.environment.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(name)):
            yield f"{path}.{name} is no name for a variable: letters, digits and underscores, and a letter first."
        if str(name).upper().startswith("FC_"):
            yield f"{path}.{name} is {shown(value)}, but names that start with FC_ are the platform's own."
        if not isinstance(value, str):
            yield f"{path}.{name} is {value!r}, which is not text; put it in quotes."


def settings(resource: Resource) -> Iterator[str]:
    """Would the MCP function start with this environment, and does it read all of it?"""
    if not resource.is_mcp_server:
        return
    path = f"{resource.path}.props.environmentVariables"
    watched = Watched({str(name): str(value) for name, value in resource.environment.items()})
    try:
        found = read_settings(watched)
        require_public_url(found)
    except SettingsError as error:
        yield f"{path}: the function would not start. {error}"
        return
    for name in watched.unread(("MCP_",)):
        yield f"{path}.{name} is set, but with MCP_DOOR {found.door} nothing reads it. Is it misspelt?"
