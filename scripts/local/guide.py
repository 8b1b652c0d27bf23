"""What a person pastes to connect a client to `make run`. Text only; the token is named by its file, never shown."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from local.doors import SECRET, TRIGGER, Place

NAME = "mcp-faas"
JSON_HEADERS = '-H "Content-Type: application/json" -H "Accept: application/json, text/event-stream"'
LIST_TOOLS = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})

NOTES = {
    "bearer": "",
    "jwt": "# Door jwt has OAuth metadata; some clients that find it want to log in and drop a configured header.\n"
    "# The Inspector and curl send it. There is no login here: the token is in the file.\n\n",
}


def guide(place: Place, token_file: Path) -> str:
    """Configurations for the usual clients, for a POSIX shell."""
    url = place.url
    bearer = f'"Authorization: Bearer $(cat {shlex.quote(str(token_file))})"'
    configuration = {
        "mcpServers": {NAME: {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${MCP_TOKEN}"}}}
    }
    return f"""
{NOTES[place.door]}# Claude Code
claude mcp add --transport http {NAME} {url} --header {bearer}

# MCP Inspector, in the terminal
npx -y @modelcontextprotocol/inspector --cli {url} --transport http --method tools/list --header {bearer}

# curl
curl -sS {url} -H {bearer} {JSON_HEADERS} -d '{LIST_TOOLS}'

# Clients with a JSON file; first: export MCP_TOKEN="$(cat {shlex.quote(str(token_file))})"
{json.dumps(configuration)}
"""


def login_guide(place: Place, who: str) -> str:
    """The same for door oauth. `who` says how to log in there."""
    url = place.url
    return f"""
# Each of these opens a browser, where you log in {who}

# Claude Code
claude mcp add --transport http {NAME} {url}

# MCP Inspector, in the browser: transport Streamable HTTP, this URL, Connect
npx -y @modelcontextprotocol/inspector
{url}

# Clients without OAuth of their own
npx -y mcp-remote {url}

# Clients with a JSON file
{json.dumps({"mcpServers": {NAME: {"type": "http", "url": url}}})}
"""


def rotation(place: Place, token_file: Path) -> str:
    """The command that rotates the tokens of this door, as in the cloud but for the address and the short overlap."""
    if place.cloud == "fc":
        settings, address = f"FC_ENDPOINT={place.api_url}", TRIGGER
    else:
        settings = f"AWS_ENDPOINT_URL={place.api_url} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
        address = f"aws://{place.region}/{SECRET}"
    return (
        f"{settings} .venv/bin/python scripts/tokens.py rotate {address} --overlap 3s --probe {place.url} "
        f"--deliver file:{shlex.quote(str(token_file))}"
    )
