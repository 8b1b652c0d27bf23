"""One resource of `s.yaml` as it is written and as it is rendered, and what an artifact holds. Data only, no rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MCP_ARTIFACT = "mcp_server"
GUARD_ARTIFACT = "token_guard"
OAUTH_ARTIFACT = "oauth_server"


@dataclass(frozen=True)
class Contents:
    """What `make package` puts at the root of one artifact, as far as `s.yaml` can name it."""

    python: str
    files: frozenset[str]
    executables: frozenset[str]
    handlers: frozenset[str]


@dataclass(frozen=True)
class Trigger:
    """The configuration of one trigger, with its path for a sentence about it."""

    path: str
    name: str
    config: Mapping[str, Any]
    written: Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """One resource; every property is safe to read whatever the file holds."""

    name: str
    written: Mapping[str, Any]
    rendered: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"resources.{self.name}"

    @property
    def props(self) -> Mapping[str, Any]:
        return mapping(self.rendered.get("props"))

    @property
    def environment(self) -> Mapping[str, Any]:
        return mapping(self.props.get("environmentVariables"))

    @property
    def is_mcp_server(self) -> bool:
        return self._artifact == MCP_ARTIFACT

    @property
    def is_rotator(self) -> bool:
        return self._artifact == GUARD_ARTIFACT

    @property
    def is_authorization_server(self) -> bool:
        return self._artifact == OAUTH_ARTIFACT

    @property
    def _artifact(self) -> str:
        return str(self.props.get("code")).rstrip("/").rpartition("/")[2]

    @property
    def before_deploy(self) -> str:
        """The commands that run before a deploy, one a line."""
        steps = items(mapping(self.rendered.get("actions")).get("pre-deploy"))
        return "\n".join(str(mapping(step).get("run", "")) for step in steps)

    def triggers(self, kind: str) -> Iterator[Trigger]:
        written = items(mapping(self.written.get("props")).get("triggers"))
        for place, trigger in enumerate(items(self.props.get("triggers"))):
            if mapping(trigger).get("triggerType") == kind:
                source = mapping(written[place]) if place < len(written) else {}
                path = f"{self.path}.props.triggers[{place}].triggerConfig"
                config = mapping(mapping(trigger).get("triggerConfig"))
                name = str(mapping(trigger).get("triggerName"))
                yield Trigger(path, name, config, mapping(source.get("triggerConfig")))


def plainly_deployed(rendered: Mapping[str, Any]) -> set[str] | None:
    """The resources that an `s deploy` without a name deploys; None: all of them."""
    steps = mapping(rendered.get("flow")).get("deploy")
    if not isinstance(steps, list):
        return None
    return {str(name) for step in steps for name in (items(step) or [step])}


def resources(written: object, rendered: object) -> list[Resource]:
    """The resources of a parsed file and of what the command line makes of it."""
    sources = mapping(mapping(written).get("resources"))
    parts = mapping(mapping(rendered).get("resources"))
    return [Resource(name, mapping(sources.get(name)), mapping(part)) for name, part in parts.items()]


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def shown(value: object) -> str:
    """A value as a sentence shows it."""
    if value is None:
        return "not set"
    return f'"{value}"' if isinstance(value, str) else str(value)
