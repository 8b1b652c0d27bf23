"""Your room: the tools, resources and prompts of your MCP server. Replace what is here with your own.

Any file with an `MCPServer` called `server` will do. `scopes` is optional: it says which scopes an operation needs.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import datetime, timezone

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from pydantic import BaseModel, Field

from mcp_faas.auth.scopes import Scopes

server = MCPServer(
    "mcp-faas-demo",
    version="0.1.0",
    instructions="A small server on a serverless function: arithmetic, words, dice, notes, and who you are.",
)
scopes = Scopes()

NOTES = {
    "welcome": "This server runs on a function. Its door is locked; you have the key.",
    "rotation": "Two tokens are valid during the overlap, so nobody is locked out when one is replaced.",
}


@server.tool()
async def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@server.tool()
def word_count(text: str) -> int:
    """Count the words of a text. A plain function: it runs in a thread, so it may block."""
    return len(re.findall(r"\w+", text))


class Roll(BaseModel):
    """What `roll` answers: a client sees these fields and their meaning in the tool's output schema."""

    dice: list[int] = Field(description="What each die shows")
    total: int = Field(description="Their sum")


@server.tool()
async def roll(dice: str) -> Roll:
    """Roll dice, written like 2d6: two dice with six sides."""
    found = re.fullmatch(r"([1-9][0-9]?)d([1-9][0-9]{0,2})", dice.strip())
    if found is None:
        # A ToolError reaches the model with its text; the text of any other exception stays in the log.
        raise ToolError(f"{dice!r} is no roll; write the number of dice, a d and their sides, like 2d6.")
    shown = [secrets.randbelow(int(found[2])) + 1 for _ in range(int(found[1]))]
    return Roll(dice=shown, total=sum(shown))


class Caller(BaseModel):
    """Who is asking, as the door established it."""

    client: str | None
    subject: str | None
    scopes: list[str]


@server.tool()
async def whoami() -> Caller:
    """Tell who the caller is to this server."""
    token = get_access_token()
    if token is None:
        return Caller(client=None, subject=None, scopes=[])
    return Caller(client=token.client_id, subject=token.subject, scopes=token.scopes)


@scopes.tool("mcp:tools:countdown")
@server.tool()
async def countdown(seconds: float) -> str:
    """Wait some seconds. Needs the scope `mcp:tools:countdown`, for time on a function costs money."""
    if not 0 <= seconds <= 20:
        raise ToolError("Ask for 0 to 20 seconds.")
    await asyncio.sleep(seconds)
    return f"{datetime.now(timezone.utc):%H:%M:%S} UTC, after {seconds:g} s"


@server.resource("notes://index", mime_type="text/plain")
async def note_names() -> str:
    """The names of all notes."""
    return "\n".join(sorted(NOTES))


@server.resource("notes://note/{name}", mime_type="text/plain")
async def note(name: str) -> str:
    """One note by its name."""
    if name not in NOTES:
        raise ResourceNotFoundError(f"There is no note called {name!r}.")
    return NOTES[name]


@server.prompt()
async def summarize(text: str, words: int = 50) -> str:
    """Ask for a summary of a text."""
    return f"Summarize the following text in at most {words} words:\n\n{text}"
