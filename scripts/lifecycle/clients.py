"""Print what a client wants pasted to reach a server. The token itself never enters here.

Where a client can take the token from the environment, a prompt or a file, the configuration refers to it; where it
cannot, the word TOKEN stands for it. Behind door `jwt` a client that can log in needs none.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lifecycle.errors import UsageError
from lifecycle.output import say, show
from lifecycle.urls import token_endpoint

VARIABLE = "MCP_TOKEN"
HEADER_FILE = "~/.config/mcp-faas/header"


Writer = Callable[[str, str, bool], str]  # (url, name, with a token) -> text


@dataclass(frozen=True)
class ClientFormat:
    """One client's own way to write down a server."""

    where: str  # the file to paste into, or what to do with the lines
    kind: Literal["json", "toml", "shell"]
    write: Writer
    remark: str
    logs_in: bool = True  # at the issuer that the endpoint's metadata names, where it has no token


def _json(shape: Callable[[str, str, bool], dict[str, Any]]) -> Writer:
    return lambda url, name, token: json.dumps(shape(url, name, token), indent=2, ensure_ascii=False)


def _servers(entry: Callable[[str], dict[str, Any]]) -> Writer:
    return _json(lambda url, name, token: {"mcpServers": {name: _server(entry(url), token)}})


def _server(entry: dict[str, Any], token: bool) -> dict[str, Any]:
    return {member: value for member, value in entry.items() if token or member != "headers"}


def _bearer(reference: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {reference}"}


def _bridge(url: str, name: str, token: bool) -> dict[str, Any]:
    bridge: dict[str, Any] = {"command": "npx", "args": ["-y", "mcp-remote", url]}
    if token:
        # no blank after the colon: some clients split arguments at blanks
        bridge["args"] += ["--header", "Authorization:${AUTH_HEADER}"]
        bridge["env"] = {"AUTH_HEADER": "Bearer TOKEN"}
    return {"mcpServers": {name: bridge}}


def _vscode(url: str, name: str, token: bool) -> dict[str, Any]:
    prompt = {"type": "promptString", "id": "mcp-token", "description": f"Token of {name}", "password": True}
    server = {"type": "http", "url": url, "headers": _bearer("${input:mcp-token}")}
    return {**({"inputs": [prompt]} if token else {}), "servers": {name: _server(server, token)}}


def _codex(url: str, name: str, token: bool) -> str:
    # a JSON string is a TOML string, too
    entry = f"[mcp_servers.{name}]\nurl = {json.dumps(url)}"
    return f'{entry}\nbearer_token_env_var = "{VARIABLE}"' if token else entry


def _supergateway(url: str, name: str, token: bool) -> str:
    return f'npx -y supergateway --streamableHttp {shlex.quote(url)} --oauth2Bearer "${VARIABLE}" --logLevel none'


def _mcp_remote(url: str, name: str, token: bool) -> str:
    command = f"npx -y mcp-remote {shlex.quote(url)} --transport http-only"
    return f"{command} --header-file {HEADER_FILE}" if token else command


_EXPORT = (
    f'Set {VARIABLE} where the client starts, for example: export {VARIABLE}="$(cat PATH)" with the delivered file.'
)
_PASTE = (
    "Write the token in the place of TOKEN, and keep the file to yourself (chmod 600); this client takes no reference."
)
_LOGIN = "Without a token the client asks the endpoint where to log in, and opens a browser there."

FORMATS: dict[str, ClientFormat] = {
    "claude-code": ClientFormat(
        ".mcp.json in the project",
        "json",
        _servers(lambda url: {"type": "http", "url": url, "headers": _bearer(f"${{{VARIABLE}}}")}),
        f"{_EXPORT} An unset variable is sent as it is written, so the door refuses it.",
    ),
    "claude-desktop": ClientFormat(
        "claude_desktop_config.json",
        "json",
        _json(_bridge),
        f"{_PASTE} Its own connectors take no header, hence the bridge.",
    ),
    "cursor": ClientFormat(
        "~/.cursor/mcp.json or .cursor/mcp.json",
        "json",
        _servers(lambda url: {"url": url, "headers": _bearer(f"${{env:{VARIABLE}}}")}),
        _EXPORT,
    ),
    "vscode": ClientFormat(
        ".vscode/mcp.json",
        "json",
        _json(_vscode),
        "VS Code asks for the token once and keeps it. If it asks for an OAuth client id, the token was refused.",
    ),
    "windsurf": ClientFormat(
        "~/.codeium/windsurf/mcp_config.json",
        "json",
        _servers(lambda url: {"serverUrl": url, "headers": _bearer(f"${{env:{VARIABLE}}}")}),
        _EXPORT,
    ),
    "codex": ClientFormat("~/.codex/config.toml", "toml", _codex, _EXPORT),
    "gemini-cli": ClientFormat(
        "~/.gemini/settings.json",
        "json",
        _servers(lambda url: {"httpUrl": url, "headers": _bearer(f"${{{VARIABLE}}}"), "timeout": 30000}),
        _EXPORT,
    ),
    "qwen-code": ClientFormat(
        "~/.qwen/settings.json",
        "json",
        _servers(
            lambda url: {
                "httpUrl": url,
                "headers": _bearer(f"${{{VARIABLE}}}"),
                "timeout": 30000,
                "discoveryTimeoutMs": 30000,
            }
        ),
        _EXPORT,
    ),
    "cline": ClientFormat(
        "cline_mcp_settings.json",
        "json",
        _servers(
            lambda url: {
                "type": "streamableHttp",
                "url": url,
                "headers": _bearer("TOKEN"),
                "disabled": False,
                "autoApprove": [],
            }
        ),
        _PASTE,
    ),
    "lingma": ClientFormat("the MCP settings of Lingma, as a STDIO server", "json", _json(_bridge), _PASTE),
    "supergateway": ClientFormat(
        "a shell, or the command of a client that speaks STDIO only",
        "shell",
        _supergateway,
        f"{_EXPORT} It takes the token as an argument only, which other users of the machine can see.",
        logs_in=False,
    ),
    "mcp-remote": ClientFormat(
        "a shell, or the command of a client that speaks STDIO only",
        "shell",
        _mcp_remote,
        f"{HEADER_FILE} (chmod 600) holds `Authorization: Bearer` and the token, which is so in no process list.",
    ),
    "inspector": ClientFormat(
        "mcp.json, for: npx @modelcontextprotocol/inspector --cli --config mcp.json --server NAME --method tools/list",
        "json",
        _servers(lambda url: {"type": "streamable-http", "url": url, "headers": _bearer("TOKEN")}),
        _PASTE,
        logs_in=False,
    ),
    "generic": ClientFormat(
        "the client's list of MCP servers",
        "json",
        _servers(lambda url: {"type": "http", "url": url, "headers": _bearer("TOKEN")}),
        _PASTE,
    ),
}

_OTHER_NAMES = {"gemini": "gemini-cli", "qwen": "qwen-code", "mcp-inspector": "inspector", "通义灵码": "lingma"}
CLIENTS = tuple(FORMATS)


def client_name(text: str) -> str:
    """The client that a person means by `VS Code`, `vs-code` or `vscode`."""
    known = {_letters(name): name for name in FORMATS} | {_letters(name): to for name, to in _OTHER_NAMES.items()}
    found = known.get(_letters(text))
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no client known here; choose from: {', '.join(CLIENTS)}")
    return found


def _letters(text: str) -> str:
    return re.sub(r"[\s_-]", "", text.lower())


def run_config(arguments: argparse.Namespace) -> int:
    token_endpoint(arguments.url)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", arguments.name):
        raise UsageError("--name takes letters, digits, `-` and `_`: some clients allow nothing else")
    chosen = FORMATS[arguments.client]
    if arguments.no_token and not chosen.logs_in:
        raise UsageError(f"--no-token: {arguments.client} cannot log in as it is started here, so it needs a token")
    text = chosen.write(arguments.url, arguments.name, not arguments.no_token)
    remark = _LOGIN if arguments.no_token else chosen.remark
    if arguments.json:
        show(
            json.dumps(
                {
                    "client": arguments.client,
                    "where": chosen.where,
                    "kind": chosen.kind,
                    "text": text,
                    "remark": remark,
                }
            )
        )
        return 0
    show(text)
    say(f"Paste into: {chosen.where}\n{remark}")
    return 0
