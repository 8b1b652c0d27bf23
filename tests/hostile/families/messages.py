"""Family `messages`: a good token, and a body that must not reach a tool. What the caller may not do is 403."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

from hostile.case import GUARDED_SCOPE, REQUIRED_SCOPE, Case, Expect, Request, World, insufficient_scope, plain
from support import mcp

UNREAD = plain(400, "message_malformed")
WRONG_TYPE = plain(415, "message_malformed")
TOO_LARGE = plain(413, "message_too_large")
ANSWERED = plain(200, "ok")  # a JSON-RPC error from the SDK: the era before 2026-07-28 answers them with 200
BAD_REQUEST = plain(400, "ok")
UNKNOWN = plain(404, "ok")
NO_SCOPE = insufficient_scope(f"{REQUIRED_SCOPE} {GUARDED_SCOPE}")

CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "touch", "arguments": {}}}
TEXT = json.dumps(CALL).encode()

BODIES: dict[str, bytes] = {
    "empty": b"",
    "blanks": b"   ",
    "not JSON": b"hello",
    "cut": TEXT[:-1],
    "two messages": TEXT + TEXT,
    "two lines": TEXT + b"\n" + TEXT,
    "a tail": TEXT + b"x",
    "a batch": b"[" + TEXT + b"]",
    "an empty batch": b"[]",
    "a text": json.dumps(TEXT.decode()).encode(),
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "no jsonrpc": json.dumps({name: value for name, value in CALL.items() if name != "jsonrpc"}).encode(),
    "jsonrpc 1.0": TEXT.replace(b'"2.0"', b'"1.0"'),
    "jsonrpc a number": TEXT.replace(b'"2.0"', b"2.0"),
    "JSONRPC in upper case": TEXT.replace(b"jsonrpc", b"JSONRPC"),
    "a byte order mark": b"\xef\xbb\xbf" + TEXT,
    "UTF-16": TEXT.decode().encode("utf-16"),
    "UTF-16 without a mark": TEXT.decode().encode("utf-16-le"),
    "UTF-32": TEXT.decode().encode("utf-32"),
    "an invalid byte": TEXT.replace(b"touch", b"to\xffuch"),
    "a surrogate in UTF-8": TEXT.replace(b"touch", b"to\xed\xa0\x80uch"),
    "a lone surrogate": TEXT.replace(b"touch", b"to\\ud800uch"),
    "a lone low surrogate": TEXT.replace(b"touch", b"to\\udc00uch"),
    "an overlong form": TEXT.replace(b"touch", b"to\xc0\x80uch"),
    "NaN": TEXT.replace(b"{}", b'{"a": NaN}'),
    "Infinity": TEXT.replace(b"{}", b'{"a": -Infinity}'),
    "a number of 5000 digits": TEXT.replace(b"{}", b'{"a": ' + b"9" * 5000 + b"}"),
    "100,000 open lists": b"[" * 100_000,
    "100,000 open objects": b'{"a":' * 100_000,
    "deep arguments": TEXT.replace(b"{}", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "single quotes": TEXT.replace(b'"', b"'"),
    "a comment": TEXT[:-1] + b"/**/}",
    "a comma at the end": TEXT[:-1] + b",}",
    "method twice": TEXT[:-1] + b', "method": "ping"}',
    "method twice, the good one last": b'{"method": "ping", ' + TEXT[1:],
    "method twice, once escaped": TEXT[:-1] + b', "\\u006dethod": "ping"}',
    "name twice": TEXT.replace(b'"name": "touch"', b'"name": "guarded", "name": "touch"'),
    "params twice": TEXT[:-1] + b', "params": {"name": "guarded"}}',
    "id twice": TEXT[:-1] + b', "id": 2}',
    "id null": TEXT.replace(b'"id": 1', b'"id": null'),
    "id true": TEXT.replace(b'"id": 1', b'"id": true'),
    "id a fraction": TEXT.replace(b'"id": 1', b'"id": 1.5'),
    "id a list": TEXT.replace(b'"id": 1', b'"id": [1]'),
    "id an object": TEXT.replace(b'"id": 1', b'"id": {}'),
    "params a list": json.dumps({**CALL, "params": ["touch"]}).encode(),
    "params a text": json.dumps({**CALL, "params": "touch"}).encode(),
    "params a number": json.dumps({**CALL, "params": 1}).encode(),
    "params false": json.dumps({**CALL, "params": False}).encode(),
    "gzip": gzip.compress(TEXT, mtime=0),
    "XML": b"<methodCall/>",
    "a form": b"method=tools/call&name=touch",
    "an answer in chunks": b"5\r\nhello\r\n0\r\n\r\n",
}

# JSON that is one message, and none that calls a tool: the SDK answers.
OTHER_MESSAGES: dict[str, tuple[Any, Expect]] = {
    "Method for method": ({"jsonrpc": "2.0", "id": 1, "Method": "tools/call", "params": CALL["params"]}, BAD_REQUEST),
    "METHOD for method": ({"jsonrpc": "2.0", "id": 1, "METHOD": "tools/call", "params": CALL["params"]}, BAD_REQUEST),
    "Params for params": ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "Params": CALL["params"]}, ANSWERED),
    "method null": ({**CALL, "method": None}, BAD_REQUEST),
    "method a number": ({**CALL, "method": 1}, BAD_REQUEST),
    "method a list": ({**CALL, "method": ["tools/call"]}, BAD_REQUEST),
    "method empty": ({**CALL, "method": ""}, ANSWERED),
    "method of another case": ({**CALL, "method": "Tools/Call"}, ANSWERED),
    "method with a blank": ({**CALL, "method": "tools/call "}, ANSWERED),
    "method with a NUL": ({**CALL, "method": "tools/call\0"}, ANSWERED),
    "method with a slash": ({**CALL, "method": "tools/call/"}, ANSWERED),
    "method with two slashes": ({**CALL, "method": "tools//call"}, ANSWERED),
    "method escaped twice": ({**CALL, "method": "tools\\u002fcall"}, ANSWERED),
    "an unknown method": ({**CALL, "method": "admin/shutdown"}, ANSWERED),
    "tasks/list": ({**CALL, "method": "tasks/list"}, ANSWERED),
    "tasks/get": ({**CALL, "method": "tasks/get", "params": {"taskId": "1"}}, ANSWERED),
    "tasks/result": ({**CALL, "method": "tasks/result", "params": {"taskId": "1"}}, ANSWERED),
    "tasks/cancel": ({**CALL, "method": "tasks/cancel", "params": {"taskId": "1"}}, ANSWERED),
    "logging/setLevel": ({**CALL, "method": "logging/setLevel", "params": {"level": "debug"}}, ANSWERED),
    "sampling/createMessage": ({**CALL, "method": "sampling/createMessage"}, ANSWERED),
    "subscriptions/listen": ({**CALL, "method": "subscriptions/listen", "params": {}}, UNKNOWN),
    "name missing": ({**CALL, "params": {"arguments": {}}}, ANSWERED),
    "name null": ({**CALL, "params": {"name": None}}, ANSWERED),
    "name a number": ({**CALL, "params": {"name": 1}}, ANSWERED),
    "name a list": ({**CALL, "params": {"name": ["touch"]}}, ANSWERED),
    "name an object": ({**CALL, "params": {"name": {"touch": 1}}}, ANSWERED),
    "name empty": ({**CALL, "params": {"name": ""}}, ANSWERED),
    "name of another case": ({**CALL, "params": {"name": "TOUCH"}}, ANSWERED),
    "name with a blank": ({**CALL, "params": {"name": "touch "}}, ANSWERED),
    "name with a NUL": ({**CALL, "params": {"name": "touch\0"}}, ANSWERED),
    "name a path": ({**CALL, "params": {"name": "../touch"}}, ANSWERED),
    "name an attribute": ({**CALL, "params": {"name": "__class__"}}, ANSWERED),
    "name of 100 kB": ({**CALL, "params": {"name": "t" * 100_000}}, ANSWERED),
    "Name for name": ({**CALL, "params": {"Name": "touch"}}, ANSWERED),
    "arguments a list": ({**CALL, "params": {"name": "touch", "arguments": [1]}}, ANSWERED),
    "arguments a text": ({**CALL, "params": {"name": "touch", "arguments": "x"}}, ANSWERED),
    "a result nobody asked for": ({"jsonrpc": "2.0", "id": 1, "result": {}}, plain(202, "ok")),
    "an error nobody asked for": ({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}, plain(202, "ok")),
}

# RFC 6570 templates and URIs that blow up a careless expression (GHSA-8r9q-7v3j-jr4g), and paths (10.3.2).
URIS = {
    "a long URI": "vault://item/" + "a" * 50_000,
    "many slashes": "vault://item/" + "/" * 50_000,
    "many percent signs": "vault://item/" + "%" * 20_000,
    "many braces": "vault://item/" + "{" * 20_000,
    "many equals signs": "vault://item/" + "a=" * 20_000,
    "alternating": "vault://item/" + "a/" * 20_000 + "!",
    "a stranger's scheme": "file:///etc/passwd",
    "a path upwards": "vault://item/../../etc/passwd",
    "a NUL": "vault://item/a\0b",
    "another case": "VAULT://ITEM/a",
    "no scheme": "item/a",
    "empty": "",
}

CONTENT_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json-rpc",
    "application/jsonx",
    "text/json",
    "application/xml",
    "application/octet-stream",
    "application",
    "*/*",
    "",
    "application/json2; charset=utf-8",
    "x-application/json",
)


def cases(world: World) -> Iterator[Case]:
    good = ("Authorization", f"Bearer {world.token()}")
    for name, body in BODIES.items():
        yield Case(f"messages/{name}", "CVE-2025-53366 CVE-2025-53365 T1", Request((good,), body), UNREAD)
    for name, (message, expect) in OTHER_MESSAGES.items():
        request = Request((good,), json.dumps(message).encode())
        yield Case(f"messages/{name}", "CVE-2026-27896 CVE-2026-52870 T7", request, expect)
    for content_type in (*CONTENT_TYPES, None):
        request = Request((good,), TEXT, content_type=content_type)
        yield Case(f"messages/Content-Type {content_type}", "T1", request, WRONG_TYPE)
    large = TEXT.replace(b"{}", b'{"a": "' + b"x" * (4 * 1024 * 1024) + b'"}')
    yield Case("messages/larger than 4 MiB", "T1", Request((good,), large), TOO_LARGE)
    for accept in ("text/html", "image/png"):
        yield Case(f"messages/Accept {accept}", "T4", Request((good, ("Accept", accept)), TEXT), plain(406, "ok"))
    for version in ("2027-01-01", "1", "2026-07-28 ", "latest", "2025-11-25, 2026-07-28", "../2025-11-25"):
        if version.strip() in mcp.ERAS:
            continue
        request = Request((good, ("MCP-Protocol-Version", version)), TEXT)
        yield Case(f"messages/version {version}", "T5 T6", request, BAD_REQUEST)
    yield from _guarded(world)
    for name, uri in URIS.items():
        body = mcp.message("resources/read", {"uri": uri})
        yield Case(f"messages/URI: {name}", "GHSA-8r9q-7v3j-jr4g", Request((good,), body), ANSWERED)


def _guarded(world: World) -> Iterator[Case]:
    """A tool, a resource and a prompt that need a scope which this token lacks: 403 before the SDK runs (A10)."""
    good = ("Authorization", f"Bearer {world.token()}")
    operations: dict[str, tuple[str, dict[str, Any]]] = {
        "tool": ("tools/call", {"name": "guarded", "arguments": {}}),
        "tool with wrong arguments": ("tools/call", {"name": "guarded", "arguments": {"x": 1}}),
        "tool without arguments": ("tools/call", {"name": "guarded"}),
        "prompt": ("prompts/get", {"name": "guarded"}),
        "resource": ("resources/read", {"uri": "guarded://thing"}),
    }
    for name, (method, params) in operations.items():
        for era in mcp.ERAS:
            headers = tuple(mcp.headers(method, params, era=era).items())
            request = Request((good, *headers), mcp.message(method, params, era=era))
            yield Case(f"messages/guarded {name}, {era}", "A10 6750-5", request, NO_SCOPE)
    body = mcp.message("tools/call", {"name": "guarded", "arguments": {}})
    for header in ("touch", "=?base64?dG91Y2g=?=", ""):
        request = Request((good, ("Mcp-Name", header), ("Mcp-Method", "ping")), body)
        yield Case(f"messages/guarded, and Mcp-Name says {header or 'nothing'}", "trap 6", request, NO_SCOPE)
    yield Case(
        "messages/guarded, as a notification",
        "A10",
        Request(
            (good,), json.dumps({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "guarded"}}).encode()
        ),
        NO_SCOPE,
    )
    escaped = body.replace(b"guarded", b"\\u0067uarded")
    yield Case("messages/guarded, escaped", "A10", Request((good,), escaped), NO_SCOPE)
