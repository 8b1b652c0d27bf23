"""The table of what is built, for whom and from what. Data and look-ups only: no file is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from artifacts.errors import BuildError

Cloud = Literal["aws", "fc"]

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")  # the runtimes that Lambda has and that the locks resolve for
ARCHITECTURES = ("x86_64", "arm64")
DEFAULT_PYTHON = "3.13"
DEFAULT_ARCHITECTURE = "x86_64"
FC_PYTHON = "3.12"  # what custom.debian11 and the built-in python3.12 run; newer ones FC does not have

# Where the platform unpacks an artifact. Tracebacks show this path, wherever the artifact was built.
CODE_FOLDERS: dict[Cloud, str] = {"aws": "/var/task", "fc": "/code"}


@dataclass(frozen=True)
class Target:
    """The machine that an artifact will run on."""

    python: str
    architecture: str

    @property
    def machine(self) -> str:
        """The architecture as Linux, ELF and wheel names call it."""
        return {"x86_64": "x86_64", "arm64": "aarch64"}[self.architecture]

    def __str__(self) -> str:
        return f"Python {self.python} on {self.architecture}"


@dataclass(frozen=True)
class Artifact:
    """One row: a folder of `functions/`, as one cloud takes it."""

    cloud: Cloud
    deployable: str
    entries: tuple[str, ...]  # modules that the cloud, or MCP_SERVER, calls by name
    requirements: str | None = None  # lock file in the deployable's folder
    extras: tuple[str, ...] = ()  # requirements-NAME.txt beside it, for those who ask for it
    sdists: tuple[str, ...] = ()  # packages of the lock that have no wheel; pure Python, or the build refuses
    executables: tuple[str, ...] = ()
    sam_ids: tuple[str, ...] = ()  # the functions of template.yaml that run this artifact

    @property
    def name(self) -> str:
        return f"{self.cloud}/{self.deployable}"

    @property
    def code_folder(self) -> str:
        return CODE_FOLDERS[self.cloud]

    @property
    def claims(self) -> set[str]:
        """Files that are in the folder for this artifact; the other cloud's artifact leaves them out."""
        return {f"{entry}.py" for entry in self.entries} | set(self.executables)


EXTRAS = ("otel",)  # what sends OpenTelemetry's spans: docs/tracing.md

ARTIFACTS = (
    Artifact("aws", "mcp_server", ("aws_lambda", "tools"), "requirements.txt", EXTRAS, sam_ids=("McpServer",)),
    Artifact("aws", "token_guard", ("aws_authorizer", "aws_rotation"), sam_ids=("AwsAuthorizer", "AwsRotation")),
    Artifact(
        "aws",
        "oauth_server",
        ("aws_lambda", "aws_key_rotation"),
        "requirements.txt",
        sam_ids=("OauthServer", "AwsKeyRotation"),
    ),
    Artifact("fc", "mcp_server", ("alibaba_fc", "tools"), "requirements.txt", EXTRAS, executables=("bootstrap",)),
    Artifact("fc", "token_guard", ("fc_rotation",), "requirements-fc.txt", sdists=("alibabacloud-tea",)),
    Artifact("fc", "oauth_server", ("alibaba_fc",), "requirements-fc.txt", executables=("bootstrap",)),
)


def target_of(artifact: Artifact, python: str, architecture: str) -> Target:
    """The flags choose for Lambda; FC has one Python that is new enough, and x86_64 alone."""
    return Target(FC_PYTHON, "x86_64") if artifact.cloud == "fc" else Target(python, architecture)


def claimed_by_others(artifact: Artifact) -> set[str]:
    siblings = [row.claims for row in ARTIFACTS if row.deployable == artifact.deployable]
    return set().union(*siblings) - artifact.claims


def chosen(names: list[str]) -> list[Artifact]:
    """Rows by full name (`aws/mcp_server`), by cloud (`aws`) or by deployable (`mcp_server`); none named: all."""
    for name in names:
        if not any(name in (row.name, row.cloud, row.deployable) for row in ARTIFACTS):
            choices = ", ".join(row.name for row in ARTIFACTS)
            raise BuildError(f'there is no artifact "{name}"; choose from: {choices}')
    return [row for row in ARTIFACTS if not names or {row.name, row.cloud, row.deployable} & set(names)]


def for_sam(logical_id: str) -> Artifact:
    for row in ARTIFACTS:
        if logical_id in row.sam_ids:
            return row
    known = ", ".join(sam_id for row in ARTIFACTS for sam_id in row.sam_ids)
    raise BuildError(
        f'no artifact belongs to "{logical_id}" of template.yaml; known are: {known}. '
        "A new function is a row in scripts/artifacts/deployables.py."
    )
