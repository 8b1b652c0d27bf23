"""The table of what is measured: our artifact, what users would take instead, the floor. Data; no file is read.

Each handler file is what the documentation of its library tells a user to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Era = Literal["2026-07-28", "2025-11-25"]
MODERN: Era = "2026-07-28"
LEGACY: Era = "2025-11-25"
ERAS: tuple[Era, ...] = (MODERN, LEGACY)
ERA_NAMES: dict[Era, str] = {MODERN: "modern", LEGACY: "legacy"}

Packaging = Literal["ours", "sam build", "bytecode"]
SDK_LOCK = "functions/mcp_server/requirements.txt"  # the very versions of the SDK and of Mangum that ours runs on


@dataclass(frozen=True)
class Peer:
    """One stack as it lies in /var/task."""

    name: str
    what: str
    packaging: Packaging
    handler: str
    files: tuple[str, ...] = ()  # of handlers/, each under the name that it has there
    lock: str | None = None
    eras: tuple[Era, ...] = ERAS
    door: Literal["platform", "jwt"] | None = None
    starts_a_process_per_call: bool = False
    remark: str = ""

    @property
    def folder(self) -> str:
        """Which folder it runs from; the doors of ours share one."""
        return "ours" if self.packaging == "ours" else self.name


PLATFORM = Peer("ours-platform", "this project, door platform", "ours", "aws_lambda.handler", door="platform")
JWT = Peer(
    "ours-jwt", "this project, door jwt, RS256, key set in MCP_JWT_JWKS", "ours", "aws_lambda.handler", door="jwt"
)
PLAIN = Peer(
    "plain",
    "official SDK with Mangum, as `sam build` packs it",
    "sam build",
    "sdk_mangum.handler",
    ("sdk_mangum.py", "sdk_tools.py"),
    SDK_LOCK,
    remark="no bytecode, and Lambda's read-only folder never gets any",
)
SDK = Peer(
    "sdk-mangum",
    "official SDK with Mangum, with bytecode",
    "bytecode",
    "sdk_mangum.handler",
    ("sdk_mangum.py", "sdk_tools.py"),
    SDK_LOCK,
)
FASTMCP = Peer(
    "fastmcp",
    "fastmcp with Mangum, with bytecode",
    "bytecode",
    "fastmcp_mangum.handler",
    ("fastmcp_mangum.py",),
    "requirements/bench-fastmcp.txt",
)
AWSLABS = Peer(
    "awslabs",
    "awslabs.mcp-lambda-handler, with bytecode",
    "bytecode",
    "awslabs_handler.handler",
    ("awslabs_handler.py",),
    "requirements/bench-awslabs.txt",
    remark="speaks the protocol of 2024 only: not like for like",
)
STDIO = Peer(
    "run-mcp-servers",
    "run-mcp-servers-with-aws-lambda, with bytecode",
    "bytecode",
    "stdio_handler.handler",
    ("stdio_handler.py", "stdio_server.py"),
    "requirements/bench-stdio.txt",
    eras=(LEGACY,),
    starts_a_process_per_call=True,
    remark="starts a server for each call, with version 1 of the official SDK",
)
FLOOR = Peer(
    "floor",
    "JSON in, JSON out, standard library",
    "bytecode",
    "floor.handler",
    ("floor.py",),
    remark="checks nothing and is no MCP server",
)

OURS = (JWT, PLATFORM)
PEERS = (JWT, PLATFORM, PLAIN, SDK, FASTMCP, AWSLABS, STDIO, FLOOR)
