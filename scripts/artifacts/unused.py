"""The list of what the functions never import: data with reasons. How it is applied, and when not: `stripping.py`.

A row that takes out less than 15 kB of a wheel is not worth its lines. Binaries are never changed: pip has checked
the hash of each.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERYTHING = ("*",)

# What the project's own requirements name. The rows were made in view of these and what they bring; a package that
# comes from elsewhere is a user's, and nobody has read it.
OURS = (
    "mcp",
    "mangum",
    "pyjwt[crypto]",
    "uvicorn",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
    "alibabacloud_fc20230330",
    "alibabacloud-oss-v2",
    "flask",
    "authlib",
    "joserfc",
    "httpx2",
    "cryptography",
    "serverless-wsgi",
    "waitress",
    "boto3",
)


@dataclass(frozen=True)
class Unused:
    """Files of one locked distribution that one or more artifacts leave out."""

    distribution: str
    files: tuple[str, ...]  # patterns, relative to the artifact's root; `*` crosses folders; `!`: these stay
    why: str
    artifacts: tuple[str, ...]
    imports: tuple[str, ...] = ()  # modules that are in these files, or lead to them: who imports one keeps the files
    words: tuple[str, ...] = ()  # what else needs them, as it stands in a source
    spared: tuple[str, ...] = ()  # locked sources that name an import of these, and do without it
    required_by: tuple[str, ...] = ()  # distributions that require all of it, and do without it
    named_for_another: bool = False  # the project's own requirements name it, for an artifact that keeps it
    needs: tuple[str, ...] = ()  # distributions without which the files cannot run; one that is installed keeps them
    readers: tuple[str, ...] = ()  # modules that open the files by name: a user's package or file with one keeps them
    read_by: tuple[str, ...] = ()  # the function's own files that have one, and name only what stays

    @property
    def takes_all(self) -> bool:
        """Can nobody import the distribution any more?"""
        return any("." not in name for name in self.imports)

    def __str__(self) -> str:
        return self.distribution if self.files == EVERYTHING else f"{', '.join(self.files)} of {self.distribution}"


AWS = ("aws/mcp_server",)
SERVERS = ("aws/mcp_server", "fc/mcp_server")
FC_SERVER = ("fc/mcp_server",)
FC_GUARD = ("fc/token_guard",)
FC_OAUTH = ("fc/oauth_server",)
OAUTH = ("aws/oauth_server", *FC_OAUTH)
HTTP_CLIENTS = (*SERVERS, *OAUTH)
EVERYWHERE = (*HTTP_CLIENTS, *FC_GUARD)

WEBSOCKETS = ("websockets_impl", "websockets_sansio_impl", "wsproto_impl")
HTTP2_IMPORTERS = ("__init__", "connection", "http_proxy", "socks_proxy")
SOCKS_IMPORTERS = ("__init__", "connection_pool")
AWS_SERVICES = ("dynamodb", "secretsmanager")  # what the function calls
LOGINS = ("sso", "sso-oidc", "signin", "sts")  # what botocore itself calls to get credentials
OSS = ("aio", "agentic", "dataprocess", "tables", "vectors")  # of alibabacloud_oss_v2

ROWS = (
    Unused(
        distribution="uvicorn",
        files=EVERYTHING,
        why="An HTTP server; on Lambda the runtime client takes the calls.",
        artifacts=AWS,
        imports=("uvicorn",),
        # Both within functions that nobody calls on Lambda, and the last one in a `try`.
        spared=("mcp/server/mcpserver/server.py", "sse_starlette/sse.py"),
        required_by=("mcp",),
        named_for_another=True,
    ),
    Unused(
        distribution="click",
        files=EVERYTHING,
        why="Reads uvicorn's command line.",
        artifacts=AWS,
        imports=("click",),
        required_by=("uvicorn",),
    ),
    Unused(
        distribution="cffi",
        files=("cffi/*",),
        why="Builds bindings; what is built, cryptography's, needs the library beside it alone, `_cffi_backend`.",
        artifacts=HTTP_CLIENTS,
        imports=("cffi",),
        required_by=("cryptography",),
    ),
    Unused(
        distribution="pycparser",
        files=EVERYTHING,
        why="Parses C for cffi when it builds.",
        artifacts=HTTP_CLIENTS,
        imports=("pycparser",),
        required_by=("cffi",),
    ),
    Unused(
        distribution="pydantic",
        files=("pydantic/v1/*",),
        why="Version 1 for those who have not moved: the protocol's and the demo's models are of version 2.",
        artifacts=SERVERS,
        imports=("pydantic.v1", "pydantic.utils"),  # what `pydantic.utils` had is handed on to version 1
        words=("__get_validators__",),  # a type with this method alone makes pydantic look whether it is of version 1
        spared=("pydantic/_internal/_generate_schema.py",),
    ),
    Unused(
        distribution="pydantic",
        files=("pydantic/mypy.py",),
        why="A plugin of mypy.",
        artifacts=SERVERS,
        imports=("pydantic.mypy",),
        needs=("mypy",),
    ),
    Unused(
        distribution="pydantic",
        files=("pydantic/experimental/pipeline.py",),
        why="An experiment, for those who import it.",
        artifacts=SERVERS,
        imports=("pydantic.experimental.pipeline",),
    ),
    Unused(
        distribution="jsonschema",
        files=("jsonschema/tests/*", "jsonschema/benchmarks/*"),
        why="Its own tests and measurements.",
        artifacts=SERVERS,
        imports=("jsonschema.tests", "jsonschema.benchmarks"),
    ),
    Unused(
        distribution="referencing",
        files=("referencing/tests/*",),
        why="Its own tests.",
        artifacts=SERVERS,
        imports=("referencing.tests",),
    ),
    Unused(
        distribution="httpx2",
        files=("httpx2/websockets/*",),
        why="Web sockets, which raise an error without wsproto.",
        artifacts=HTTP_CLIENTS,
        imports=("httpx2.websockets",),
        spared=("httpx2/_client.py",),  # in a `try` that names wsproto to the caller
        needs=("wsproto",),
    ),
    Unused(
        distribution="httpx2",
        files=("httpx2/_main.py",),
        why="Its command line, which cannot run without rich.",
        artifacts=HTTP_CLIENTS,
        imports=("httpx2._main",),
        spared=("httpx2/__init__.py",),  # a deprecated name of it, on demand
        needs=("rich",),
    ),
    Unused(
        distribution="httpcore2",
        files=("httpcore2/*/http2.py",),
        why="HTTP/2, which raises an error without h2.",
        artifacts=HTTP_CLIENTS,
        imports=("httpcore2._async.http2", "httpcore2._sync.http2"),
        # In a `try`, and in branches for a client that was made with `http2=True`, which httpx2 refuses without h2.
        spared=tuple(f"httpcore2/_{kind}/{name}.py" for kind in ("async", "sync") for name in HTTP2_IMPORTERS),
        needs=("h2",),
    ),
    Unused(
        distribution="httpcore2",
        files=("httpcore2/*/socks_proxy.py",),
        why="SOCKS, which raises an error without socksio.",
        artifacts=HTTP_CLIENTS,
        imports=("httpcore2._async.socks_proxy", "httpcore2._sync.socks_proxy"),
        # In a `try`, and in a branch for a proxy that httpx2 refuses without socksio.
        spared=tuple(f"httpcore2/_{kind}/{name}.py" for kind in ("async", "sync") for name in SOCKS_IMPORTERS),
        needs=("socksio",),
    ),
    Unused(
        distribution="anyio",
        files=("anyio/_backends/_trio.py",),
        why="The side for trio; the server runs on asyncio.",
        artifacts=HTTP_CLIENTS,
        imports=("anyio._backends._trio",),
        needs=("trio",),
    ),
    Unused(
        distribution="truststore",
        files=("truststore/_macos.py", "truststore/_windows.py"),
        why="Other systems' certificate stores.",
        artifacts=HTTP_CLIENTS,
        imports=("truststore._macos", "truststore._windows"),
        spared=("truststore/_api.py",),  # asks for the system first
    ),
    Unused(
        distribution="uvicorn",
        files=("uvicorn/protocols/websockets/*_impl.py",),
        why="Web sockets, which MCP does not use, and which cannot run without either package.",
        artifacts=FC_SERVER,
        imports=tuple(f"uvicorn.protocols.websockets.{name}" for name in WEBSOCKETS),
        spared=("uvicorn/protocols/websockets/auto.py",),  # asks for the packages first
        needs=("websockets", "wsproto"),
    ),
    Unused(
        distribution="mcp",
        files=("mcp/client/auth/*",),
        why="How a client logs in.",
        artifacts=SERVERS,
        imports=("mcp.client.auth",),
    ),
    Unused(
        distribution="mcp",
        files=("mcp/cli/*",),
        why="The SDK's command line, which ends at once without typer.",
        artifacts=SERVERS,
        imports=("mcp.cli",),
        needs=("typer",),
    ),
    Unused(
        distribution="starlette",
        files=("starlette/testclient.py",),
        why="A client for tests.",
        artifacts=SERVERS,
        imports=("starlette.testclient",),
    ),
    Unused(
        distribution="cryptography",
        files=("*.pyi",),
        why="Types of its library, for type checkers.",
        artifacts=EVERYWHERE,
    ),
    Unused(
        distribution="pydantic-core",
        files=("*.pyi",),
        why="Types of its library, for type checkers.",
        artifacts=SERVERS,
    ),
    Unused(
        distribution="attrs",
        files=("*.pyi",),
        why="Types, for type checkers.",
        artifacts=SERVERS,
    ),
    Unused(
        distribution="pycryptodome",
        files=("Crypto/SelfTest/*",),
        why="Its own tests.",
        artifacts=FC_GUARD,
        imports=("Crypto.SelfTest",),
    ),
    Unused(
        distribution="alibabacloud-oss-v2",
        files=tuple(f"alibabacloud_oss_v2/{name}/*" for name in OSS),
        why="Services beside the object store, and its asynchronous client; one object is read and written.",
        artifacts=FC_GUARD,
        imports=tuple(f"alibabacloud_oss_v2.{name}" for name in OSS),
    ),
    Unused(
        distribution="websocket-client",
        files=("websocket/tests/*",),
        why="Its own tests.",
        artifacts=FC_GUARD,
        imports=("websocket.tests",),
    ),
    Unused(
        distribution="multidict",
        files=("multidict/_testcapi.*",),
        why="A library for its own tests.",
        artifacts=FC_GUARD,
        imports=("multidict._testcapi",),
    ),
    Unused(
        distribution="botocore",
        files=("botocore/data/*/*", *(f"!botocore/data/{name}/*" for name in (*AWS_SERVICES, *LOGINS))),
        why="Descriptions of services that nothing calls.",
        artifacts=FC_OAUTH,
        readers=("boto3", "botocore"),
        read_by=("authorization_server/storage/dynamodb.py",),
    ),
    Unused(
        distribution="boto3",
        files=("boto3/data/*",),
        why="Descriptions for `boto3.resource`; the function has clients.",
        artifacts=FC_OAUTH,
        readers=("boto3",),
        read_by=("authorization_server/storage/dynamodb.py",),
    ),
    Unused(
        distribution="authlib",
        files=("authlib/integrations/*",),
        why="For other web frameworks and HTTP clients; the server is built on what is beneath.",
        artifacts=OAUTH,
        imports=("authlib.integrations",),
    ),
)
