"""What stands where on this machine for each cloud and door: the edges, and the environment of the function.

The settings here are those of `template.yaml` and `s.yaml`, as far as they make a difference that a client can see.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edges.aws import AwsEdge
from edges.fc import FcEdge
from edges.processes import Log
from mcp_faas.tokens import TokenDocument

Cloud = Literal["fc", "aws"]
Door = Literal["bearer", "jwt", "oauth"]
Front = Literal["http-api", "function-url"]

FUNCTIONS = Path(__file__).resolve().parent.parent.parent / "functions"
REGION = "local"
TRIGGER = f"fc://{REGION}/mcp-server/http"
SECRET = "mcp-tokens"  # noqa: S105  # its name

FC_METHODS = {"bearer": ("GET", "POST", "DELETE"), "jwt": ("GET", "POST", "DELETE", "OPTIONS")}
FC_METHODS["oauth"] = FC_METHODS["jwt"]
FC_HOSTS = ("127.0.0.1", "localhost")  # in door oauth the custom domain that leads to both functions
FC_TIMEOUT_SECONDS = 60.0
FC_INSTANCE_CONCURRENCY = 20
AWS_TIMEOUT_SECONDS = 29.0
AWS_ROUTES = ("POST /mcp", "GET /mcp", "DELETE /mcp")
AWS_OPEN_ROUTES = ("OPTIONS /mcp", "GET /healthz")
# The paths of the authorization server in door oauth, with the methods that each has.
OAUTH_ROUTES = {
    "/.well-known/oauth-authorization-server": ("GET", "OPTIONS"),
    "/.well-known/openid-configuration": ("GET", "OPTIONS"),
    "/authorize": ("GET", "POST"),
    "/authorize/callback": ("GET",),
    "/authorize/login": ("GET", "POST"),
    "/introspect": ("POST",),
    "/jwks.json": ("GET", "OPTIONS"),
    "/register": ("POST", "OPTIONS"),
    "/revoke": ("POST", "OPTIONS"),
    "/token": ("POST", "OPTIONS"),
}
OAUTH_METHODS = ("GET", "POST", "OPTIONS")
AWS_METADATA_ROUTES = tuple(
    f"{method} /.well-known/oauth-protected-resource{path}" for method in ("GET", "OPTIONS") for path in ("", "/mcp")
)

# Of the caller's environment the function gets what a person may have set for its tools, not who that person is on a
# cloud, nor what belongs to this process, nor what the door decides.
NOT_FOR_FUNCTIONS = ("AWS_", "ALIBABA_CLOUD_", "FC_", "PYTHON", "MCP_JWT_", "OAUTH_")
DECIDED_HERE = ("MCP_DOOR", "MCP_PUBLIC_URL", "MCP_TOKENS", "MCP_TOKEN")
OAUTH_DECIDED_HERE = ("OAUTH_ISSUER", "OAUTH_RESOURCES", "OAUTH_SIGNING_KEYS", "OAUTH_STORE")
LOCAL_LOGIN_DECIDED_HERE = (
    "OAUTH_ALLOWED_DOMAINS",
    "OAUTH_ALLOWED_ORGS",
    "OAUTH_ALLOWED_USERS",
    "OAUTH_GITHUB_URL",
    "OAUTH_LOCAL_PASSPHRASE",
    "OAUTH_LOGIN_CLIENT_ID",
    "OAUTH_LOGIN_CLIENT_SECRET",
    "OAUTH_LOGIN_ISSUER",
)
LOOPBACK = "127.0.0.1,localhost,::1"


@dataclass(frozen=True)
class Place:
    """Which door on which cloud, and at which ports."""

    cloud: Cloud
    door: Door
    front: Front
    port: int
    api_port: int
    issuer_port: int
    lasting: bool  # chosen by a person, who will come back to it: then its token stays good from one run to the next

    @property
    def region(self) -> str:
        return REGION

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def issuer_url(self) -> str:
        """In door oauth the host of the endpoint is the issuer as well."""
        return f"http://127.0.0.1:{self.port if self.door == 'oauth' else self.issuer_port}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"


def function_environment(own: Mapping[str, str], place: Place, state_key: Path) -> dict[str, str]:
    """The function's environment: what the caller exported for it, and the settings of the door."""
    passed = {
        name: value
        for name, value in own.items()
        if not name.startswith(NOT_FOR_FUNCTIONS) and name not in DECIDED_HERE
    }
    # A proxy is for the way out, and the key set of door jwt is on this machine.
    passed["NO_PROXY"] = passed["no_proxy"] = ",".join(
        filter(None, [own.get("NO_PROXY") or own.get("no_proxy"), LOOPBACK])
    )
    passed.setdefault("MCP_REQUEST_STATE_KEY", f"file:{state_key}")
    if place.door == "bearer":
        return {**passed, "MCP_DOOR": "platform"}
    door = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": place.issuer_url, "MCP_PUBLIC_URL": place.url}
    return {**passed, **door, **({"MCP_JWT_PROFILE": "mcp-faas"} if place.door == "oauth" else {})}


async def add_authorization_server(edge: FcEdge | AwsEdge, environment: Mapping[str, str]) -> None:
    """Door oauth: the second function, behind the same host. Returns when it answers."""
    if isinstance(edge, FcEdge):
        await edge.add(
            "oauth-server", "oauth_server", environment=environment, methods=OAUTH_METHODS, paths=[*OAUTH_ROUTES]
        )
        return
    await edge.add(
        "oauth-server",
        code=FUNCTIONS / "oauth_server",
        environment={**environment, "PYTHONPATH": str(FUNCTIONS)},
        routes=[f"{method} {path}" for path, methods in OAUTH_ROUTES.items() for method in methods],
        timeout_seconds=AWS_TIMEOUT_SECONDS,
    )


def has_local_login(own: Mapping[str, str]) -> bool:
    """Door oauth: do people log in with the passphrase that is made here, and not at a provider?"""
    return (own.get("OAUTH_LOGIN") or "local") == "local"


def left_out(own: Mapping[str, str], door: Door) -> list[str]:
    """What the caller set for the door of a function, and the one here does not take. Names alone, for a sentence."""
    decided = DECIDED_HERE
    if door == "oauth":
        decided = (*decided, *OAUTH_DECIDED_HERE, *(LOCAL_LOGIN_DECIDED_HERE if has_local_login(own) else ()))
    return sorted(
        name
        for name, value in own.items()
        if value and (name.startswith("MCP_JWT_") or name in decided) and name != "MCP_TOKEN"  # a client's
    )


def make_edge(
    place: Place, document: TokenDocument | None, environment: Mapping[str, str], log: Log
) -> FcEdge | AwsEdge:
    """The stand-in for the cloud's front door, not started yet. `document` opens door bearer, and is None in jwt."""
    if place.cloud == "fc":
        return _fc(place, document, environment, log)
    return _aws(place, document, environment, log)


def _fc(place: Place, document: TokenDocument | None, environment: Mapping[str, str], log: Log) -> FcEdge:
    trigger: dict[str, object] = {
        "methods": [*FC_METHODS[place.door]],
        "authType": "anonymous",
        "disableURLInternet": False,
    }
    if document is not None:
        trigger |= {"authType": "bearer", "authConfig": document.to_object()}
    return FcEdge(
        trigger=trigger,
        code=FUNCTIONS,
        environment=environment,
        log=log,
        port=place.port,
        api_port=place.api_port,
        region=REGION,
        domains={host: {"authType": "anonymous"} for host in FC_HOSTS} if place.door == "oauth" else None,
        timeout_seconds=FC_TIMEOUT_SECONDS,
        instance_concurrency=FC_INSTANCE_CONCURRENCY,
    )


def _aws(place: Place, document: TokenDocument | None, environment: Mapping[str, str], log: Log) -> AwsEdge:
    path = {"PYTHONPATH": str(FUNCTIONS)}
    guarded = document is not None
    edge = AwsEdge(
        kind=place.front,
        port=place.port,
        api_port=place.api_port,
        code=FUNCTIONS / "mcp_server",
        environment={**environment, **path},
        token_guard_code=FUNCTIONS / "token_guard" if guarded else None,
        authorizer_environment={
            "MCP_TOKENS": f"aws://{REGION}/{SECRET}",
            "AWS_ENDPOINT_URL": place.api_url,
            "NO_PROXY": LOOPBACK,
            **path,
        }
        if guarded
        else None,
        python=sys.executable,
        log=log,
        timeout_seconds=AWS_TIMEOUT_SECONDS,
        routes=AWS_ROUTES,
        open_routes=AWS_OPEN_ROUTES if guarded else AWS_OPEN_ROUTES + AWS_METADATA_ROUTES,
    )
    if document is not None and edge.secrets is not None:
        secret = {"Name": SECRET, "SecretString": document.dump(), "ClientRequestToken": str(uuid.uuid4())}
        edge.secrets.region(REGION).create_secret(secret)
    return edge
