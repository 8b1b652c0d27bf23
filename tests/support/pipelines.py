"""The pipelines of docs/ci as data: what each job runs, with what settings. Judges nothing, runs nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / "docs/ci/github-actions.yml"
GITLAB = ROOT / "docs/ci/gitlab-ci.yml"
FLOW = ROOT / "docs/ci/alibaba-flow.yml"
INSTALL = "python3 scripts/setup.py run"
TOOL = "scripts/tokens.py"

# What a user fills in, as the README's table has it.
SAMPLES = {
    "ROTATION_AWS_ADDRESS": "aws://eu-west-1/mcp-server/tokens",
    "ROTATION_AWS_ENDPOINT": "https://example.execute-api.eu-west-1.amazonaws.com/mcp",
    "ROTATION_AWS_SINK": "aws://eu-west-1/mcp-server/client-token",
    "ROTATION_ALIBABA_ADDRESS": "fc://cn-hangzhou/mcp-server/http",
    "ROTATION_ALIBABA_ENDPOINT": "https://mcp-server-example.cn-hangzhou.fcapp.run/mcp",
    "ROTATION_ALIBABA_SINK": "oss://cn-hangzhou/bucket/mcp-server/token",
}


@dataclass(frozen=True)
class Job:
    """One job: its shell script, and the variables that it or its runner sets for it."""

    name: str
    script: str
    settings: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[list[str]]:
        """The words of each line, as a shell would split them."""
        for line in self.script.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)

    def rotations(self) -> Iterator[list[str]]:
        """What stands behind `scripts/tokens.py` each time it is called, variables filled in with samples."""
        values = {f"${name}": value for name, value in SAMPLES.items()}
        for name, value in self.settings.items():
            values[f"${name}"] = next(
                (text for key, text in SAMPLES.items() if value == f"${{{{ vars.{key} }}}}"), value
            )
        for words in self.lines():
            if TOOL in words:
                yield [values.get(word, word) for word in words[words.index(TOOL) + 1 :]]


def load(text: str) -> Any:
    """Decoded YAML; a key twice in one mapping is refused, where PyYAML would take the last."""
    return yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader


class _Strict(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep)
        if len(made) != len(node.value):
            raise yaml.YAMLError(f"a key twice{node.start_mark}")
        return made


def github_jobs(text: str) -> list[Job]:
    """The steps of a job run in shells of their own, but are one story here."""
    found = []
    for name, job in load(text)["jobs"].items():
        steps = [step for step in job["steps"] if "run" in step]
        settings = {key: str(value) for step in (job, *steps) for key, value in step.get("env", {}).items()}
        found.append(Job(name, "\n".join(step["run"] for step in steps), settings))
    return found


def gitlab_jobs(text: str) -> list[Job]:
    pipeline = load(text)
    found = []
    for name, job in pipeline.items():
        if not name.startswith("."):
            variables = {**pipeline[job["extends"]].get("variables", {}), **job.get("variables", {})}
            found.append(Job(name, "\n".join(job["script"]), {key: str(value) for key, value in variables.items()}))
    return found


def flow_jobs(text: str) -> list[Job]:
    pipeline = load(text)
    settings = {entry["key"]: str(entry["value"]) for entry in pipeline["variables"]}
    jobs = [job for stage in pipeline["stages"].values() for job in stage["jobs"].items()]
    return [Job(name, "\n".join(step["with"]["run"] for step in job["steps"].values()), settings) for name, job in jobs]


JOBS = {GITHUB: github_jobs, GITLAB: gitlab_jobs, FLOW: flow_jobs}
