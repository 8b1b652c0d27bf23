"""The server that the official conformance suite talks to: what its scenarios name, and nothing of this project.

An ordinary `MCPServer` called `server`, made with no option of ours, as a user's own file would be: it reaches the
suite through the deployed entry points with MCP_SERVER=conformance_tools:server. Names and wanted texts are the
suite's; whatever only a stateful or streaming server can do is here as well, so that the suite's verdict on it stays
an observation and not a missing fixture.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import wave
import zlib
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer, UserMessage
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    CompletionArgument,
    CompletionContext,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

PAUSE_SECONDS = 0.05  # the suite wants messages of one call to arrive apart


def one_pixel_png() -> bytes:
    """The smallest red picture, made here so that no opaque blob has to be believed."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
        + chunk(b"IEND", b"")
    )


def short_silence_wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * 8)
    return buffer.getvalue()


PICTURE = one_pixel_png()
PICTURE_TEXT = base64.b64encode(PICTURE).decode()
SOUND_TEXT = base64.b64encode(short_silence_wav()).decode()


def text(value: str) -> TextContent:
    return TextContent(type="text", text=value)


def picture() -> ImageContent:
    return ImageContent(type="image", data=PICTURE_TEXT, mime_type="image/png")


def embedded(uri: str, mime_type: str, value: str) -> EmbeddedResource:
    content = TextResourceContents(uri=uri, mime_type=mime_type, text=value)
    return EmbeddedResource(type="resource", resource=content)


async def listed_schema() -> str:
    """Carries the schema that the suite looks for in the list."""
    return "listed"


# What JSON Schema 2020-12 adds, keyword by keyword as scenario json-schema-2020-12 looks for it.
RICH_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {part: {"type": "string"} for part in ("street", "city")},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
rich_tool = Tool.from_function(listed_schema, name="json_schema_2020_12_tool")

server = MCPServer("conformance", version="1", tools=[rich_tool.model_copy(update={"parameters": RICH_SCHEMA})])


# Content of every kind.


@server.tool()
async def test_simple_text() -> str:
    """Answers with one text."""
    return "This is a simple text response for testing."


@server.tool()
async def test_image_content() -> list[ImageContent]:
    """Answers with one picture."""
    return [picture()]


@server.tool()
async def test_audio_content() -> list[AudioContent]:
    """Answers with one sound."""
    return [AudioContent(type="audio", data=SOUND_TEXT, mime_type="audio/wav")]


@server.tool()
async def test_embedded_resource() -> list[EmbeddedResource]:
    """Answers with one resource in the answer itself."""
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


@server.tool()
async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Answers with a text, a picture and a resource."""
    data = json.dumps({"test": "data", "value": 123})
    return [
        text("Multiple content types test:"),
        picture(),
        embedded("test://mixed-content-resource", "application/json", data),
    ]


@server.tool()
def test_error_handling() -> str:
    """Fails, always."""
    raise RuntimeError("This tool intentionally returns an error for testing")


@server.tool("test_x_mcp_header")
async def region_in_a_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "nowhere",
) -> str:
    """Has a parameter that travels in the header Mcp-Param-Region as well."""
    return region


# Messages from the server during a call: a stateless JSON answer has no place for them.


@server.tool()
async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
    """Logs three lines while it works."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(line)
        await asyncio.sleep(PAUSE_SECONDS)
    return "logged"


@server.tool()
async def test_logging_tool(ctx: Context[Any, Any]) -> str:
    """Logs one line, which a caller that asked for no level must not get."""
    await ctx.info("a line that was not asked for")
    return "logged"


@server.tool()
async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
    """Reports three steps of progress."""
    for step in (0, 50, 100):
        await ctx.report_progress(step, 100)
        await asyncio.sleep(PAUSE_SECONDS)
    return "done"


@server.tool()
async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
    """Asks the client's model in the middle of a call, as clients before 2026-07-28 knew it."""
    message = SamplingMessage(role="user", content=text(prompt))
    answer = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {words(answer)}"


class Reply(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """One default for each primitive type (SEP-1034)."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field(default="active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


def titled(*values: str) -> list[dict[str, str]]:
    return [{"const": value, "title": value.title()} for value in values]


class Choices(BaseModel):
    """The five ways to write a choice (SEP-1330); the field names are the suite's."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["one", "two", "three"]})
    titledSingle: str = Field(json_schema_extra={"oneOf": list[Any](titled("one", "two", "three"))})
    legacyEnum: str = Field(json_schema_extra={"enum": ["one", "two"], "enumNames": ["One", "Two"]})
    untitledMulti: list[str] = Field(json_schema_extra={"items": {"type": "string", "enum": ["one", "two"]}})
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": list[Any](titled("one", "two"))}})


async def ask_user(ctx: Context[Any, Any], message: str, form: type[BaseModel]) -> str:
    answer = await ctx.elicit(message, form)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"Elicitation completed: action={answer.action}, content={content}"


@server.tool()
async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
    """Asks the user in the middle of a call, as clients before 2026-07-28 knew it."""
    return await ask_user(ctx, message, Reply)


@server.tool()
async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
    """Asks with a default in every field."""
    return await ask_user(ctx, "Check these values", Defaults)


@server.tool()
async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
    """Asks for choices."""
    return await ask_user(ctx, "Choose", Choices)


# Questions as results (2026-07-28): the call ends, and the client calls again with the answers.

Asking = str | InputRequiredResult


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema: dict[str, Any] = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(question: str, max_tokens: int = 100) -> CreateMessageRequest:
    messages = [SamplingMessage(role="user", content=text(question))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=messages, max_tokens=max_tokens))


def ask(state: str | None = None, **questions: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=questions, request_state=state)


def answers(ctx: Context[Any, Any]) -> dict[str, Any]:
    return dict(ctx.input_responses or {})


def words(answer: object) -> str:
    """What a model said, if it said it in text."""
    if isinstance(answer, CreateMessageResult) and isinstance(answer.content, TextContent):
        return answer.content.text
    return "nothing"


def field_of(answer: object, field: str) -> str:
    """What the user put into a form's field; empty if that is not what came back."""
    content = answer.content if isinstance(answer, ElicitResult) else None
    return str((content or {}).get(field, ""))


@server.tool()
async def test_input_required_result_elicitation(ctx: Context[Any, Any]) -> Asking:
    """Asks for a name and greets."""
    name = field_of(answers(ctx).get("user_name"), "name")
    return f"Hello, {name}!" if name else ask(user_name=form("What is your name?", "name"))


@server.tool()
async def test_input_required_result_sampling(ctx: Context[Any, Any]) -> Asking:
    """Asks the client's model for a capital."""
    if answer := answers(ctx).get("capital_question"):
        return f"The model said: {words(answer)}"
    return ask(capital_question=sample("What is the capital of France?"))


@server.tool()
async def test_input_required_result_list_roots(ctx: Context[Any, Any]) -> Asking:
    """Asks for the client's roots and names them."""
    answer = answers(ctx).get("client_roots")
    if isinstance(answer, ListRootsResult):
        return ", ".join(str(root.uri) for root in answer.roots) or "no roots"
    return ask(client_roots=ListRootsRequest())


@server.tool()
async def test_input_required_result_request_state(ctx: Context[Any, Any]) -> Asking:
    """Finishes only with the state that it gave away before."""
    if "confirm" in answers(ctx) and ctx.request_state == "asked once":
        return "state-ok"
    return ask("asked once", confirm=form("Please confirm", "ok", "boolean"))


@server.tool()
async def test_input_required_result_multiple_inputs(ctx: Context[Any, Any]) -> Asking:
    """Asks the user, the model and the client in one go."""
    if {"user_name", "greeting", "client_roots"} <= answers(ctx).keys():
        return "All three have answered."
    return ask(
        "asked three",
        user_name=form("What is your name?", "name"),
        greeting=sample("Generate a greeting", 50),
        client_roots=ListRootsRequest(),
    )


@server.tool()
async def test_input_required_result_multi_round(ctx: Context[Any, Any]) -> Asking:
    """Asks twice; what the first round learnt travels in the state."""
    given = answers(ctx)
    if "step2" in given and ctx.request_state:
        return f"{ctx.request_state} likes {field_of(given['step2'], 'color')}."
    if name := field_of(given.get("step1"), "name"):
        return ask(name, step2=form("Step 2: What is your favorite color?", "color"))
    return ask("nobody yet", step1=form("Step 1: What is your name?", "name"))


@server.tool()
async def test_input_required_result_tampered_state(ctx: Context[Any, Any]) -> Asking:
    """Would finish with any state at all: that a changed one is refused is for the layers around it to do."""
    if ctx.request_state is not None:
        return "state-ok"
    return ask("untouched", confirm=form("Please confirm", "ok", "boolean"))


@server.tool()
async def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> InputRequiredResult:
    """Asks only for what the client declared."""
    able = ctx.client_capabilities
    questions: dict[str, InputRequest] = {}
    if able is not None and able.sampling is not None:
        questions["sampled"] = sample("Say hello", 50)
    if able is not None and able.elicitation is not None:
        questions["asked"] = form("What is your name?", "name")
    return ask("asked by capability", **questions)


@server.tool()
async def test_streaming_elicitation(ctx: Context[Any, Any]) -> Asking:
    """Asks a question, which must come as a result and never as a request of the server's own."""
    return "answered" if answers(ctx) else ask(question=form("What is your name?", "name"))


@server.tool()
async def test_missing_capability(ctx: Context[Any, Any]) -> str:
    """Needs a client that can sample."""
    able = ctx.client_capabilities
    if able is None or able.sampling is None:
        data: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs a client that can sample", data)
    return "the client can sample"


# Lists that change.


async def passing_tool() -> str:
    """Comes and goes."""
    return "here"


async def passing_prompt() -> str:
    """Comes and goes."""
    return "here"


@server.tool()
async def test_trigger_tool_change(ctx: Context[Any, Any]) -> str:
    """Changes the list of tools and says so."""
    server.add_tool(passing_tool)
    server.remove_tool("passing_tool")
    await ctx.notify_tools_changed()
    return "changed"


@server.tool()
async def test_trigger_prompt_change(ctx: Context[Any, Any]) -> str:
    """Changes the list of prompts and says so."""
    server.add_prompt(Prompt.from_function(passing_prompt))
    server.remove_prompt("passing_prompt")
    await ctx.notify_prompts_changed()
    return "changed"


@server.tool()
async def test_reconnection(ctx: Context[Any, Any]) -> str:
    """Closes its stream in the middle of the call."""
    await ctx.close_sse_stream()
    return "back again"


# Resources and prompts.


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A text that never changes."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """A picture that never changes."""
    return PICTURE


@server.resource("test://watched-resource", mime_type="text/plain")
def watched_resource() -> str:
    """A text that a client may subscribe to."""
    return "watched"


@server.resource("test://template/{id}/data", mime_type="application/json")
def template_data(id: str) -> str:
    """A text for each id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.prompt()
def test_simple_prompt() -> list[UserMessage]:
    """A prompt without arguments."""
    return [UserMessage(text("This is a simple prompt for testing."))]


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    """A prompt with two arguments."""
    return [UserMessage(text(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"))]


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    """A prompt that brings a resource along."""
    resource = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(resource), UserMessage(text("Please process the embedded resource above."))]


@server.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """A prompt that brings a picture along."""
    return [UserMessage(picture()), UserMessage(text("Please analyze the image above."))]


@server.prompt()
async def test_input_required_result_prompt(ctx: Context[Any, Any]) -> list[UserMessage] | InputRequiredResult:
    """A prompt that asks before it answers."""
    if answer := answers(ctx).get("user_context"):
        return [UserMessage(text(f"Keep in mind: {field_of(answer, 'context')}"))]
    return ask(user_context=form("What context should the prompt use?", "context"))


@server.completion()  # type: ignore[no-untyped-call, untyped-decorator] # the SDK left this decorator untyped
async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: CompletionContext | None
) -> Completion:
    """Completes what begins as the words it knows."""
    known = [word for word in ("test", "testing", "tested") if word.startswith(argument.value)]
    return Completion(values=known, total=len(known), has_more=False)


# Methods that 2026-07-28 removed and older clients may still call. MCPServer has no decorator for them.
REMOVED_METHODS = ("logging/setLevel", "resources/subscribe", "resources/unsubscribe")


async def answer_removed_methods(ctx: Any, call_next: Any) -> Any:
    """Says yes to an older client, and leaves a modern one the error that it must get."""
    if ctx.method in REMOVED_METHODS and ctx.protocol_version < "2026-07-28":
        return {}
    return await call_next(ctx)


server.middleware.append(answer_removed_methods)
