"""Function Compute: the web function's request context, and the built-in runtime's events. The only knower of both."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urlencode

from mangum.types import Response, Scope
from starlette.types import ASGIApp, Receive, Send

from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.gate import Gate
from mcp_faas.platforms.answers import CUT_OFF, rpc_error
from mcp_faas.platforms.instance import CallCutOff, Instance

REQUEST_ID_MAX_CHARACTERS = 128
KEEP_ALIVE_SECONDS = 15 * 60  # FC keeps connections to an instance; it asks for at least this
GRACEFUL_STOP_SECONDS = 10
# Which headers a function may not answer with: FC sets them itself, or drops them.
_PLATFORM_HEADERS = ("connection", "content-length", "date", "keep-alive", "server", "upgrade")

logger = logging.getLogger(__name__)


def web_function(app: ASGIApp, public_url: str | None) -> ASGIApp:
    """The app as FC's web function calls it: `x-fc-*` headers become the call's context and go no further.

    Clients cannot set them (FC drops theirs), and some carry the function's own credentials.
    """

    async def with_call(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            known = {name: value for name, value in scope["headers"] if name.startswith(b"x-fc-")}
            headers = [(name, value) for name, value in scope["headers"] if not name.startswith(b"x-fc-")]
            request_id = known.get(b"x-fc-request-id", b"").decode("latin-1")[:REQUEST_ID_MAX_CHARACTERS] or None
            call = Call(request_id=request_id, public_url=public_url)
            scope = {**scope, "headers": headers, SCOPE_KEY: call}
        await app(scope, receive, send)

    return with_call


def run_web_function(gate: Gate, port: int, public_url: str | None) -> None:
    """Serve the gate as FC's web function wants it, until the platform sends SIGTERM."""
    import uvicorn  # not part of what an event function needs

    from mcp_faas.platforms.capacity import Capacity  # an event function has one call at a time

    config = uvicorn.Config(
        web_function(Capacity(gate), public_url),
        host="0.0.0.0",  # noqa: S104 - FC's gateway reaches the instance from outside its loopback
        port=port,
        lifespan="on",
        http="h11",  # never the laxer parser that some package may bring along
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # X-Forwarded-* is what a caller says
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_STOP_SECONDS,
    )
    uvicorn.Server(config).run()


class FunctionComputeEvent:
    """An HTTP trigger's event of a built-in runtime, as one of mangum's handlers: `scope`, `body`, the answer.

    It resembles API Gateway's payload 2.0, so that mangum takes it for one and fails; hence a handler of our own.
    Raises KeyError, TypeError, ValueError or AttributeError where the event has another shape.
    """

    def __init__(self, event: Any) -> None:
        if event["version"] != "v1":
            raise ValueError("not an event of version v1")
        self.event = event

    @property
    def body(self) -> bytes:
        """The request's body. Raises ValueError when it is not what the event says."""
        body = self.event.get("body")
        if body is None:
            return b""
        if not isinstance(body, str):
            raise TypeError("body is not text")
        return base64.b64decode(body, validate=True) if self.event.get("isBase64Encoded") else body.encode()

    @property
    def scope(self) -> Scope:
        """The ASGI scope. Raises KeyError, TypeError or AttributeError when the event has another shape."""
        http = self.event["requestContext"]["http"]
        path = unquote(self.event["rawPath"]) or "/"
        headers = [(name.lower().encode(), value.encode()) for name, value in self.event["headers"].items()]
        query = urlencode(self.event.get("queryParameters") or {}, doseq=True)
        return {
            "type": "http",
            "http_version": "1.1",
            "method": http["method"].upper(),
            "scheme": "https",
            "path": path,
            "raw_path": quote(path).encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name, value) for name, value in headers if not name.startswith(b"x-fc-")],
            "client": (http.get("sourceIp"), 0),
            "server": (self.event["requestContext"].get("domainName"), 443),
            "asgi": {"version": "3.0", "spec_version": "2.0"},
        }

    def __call__(self, response: Response) -> dict[str, Any]:
        headers: dict[str, str] = {}
        for raw_name, raw_value in response["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name not in _PLATFORM_HEADERS:
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        text = _text(response["body"])
        body = base64.b64encode(response["body"]).decode() if text is None else text
        return {
            "statusCode": response["status"],
            "headers": headers,
            "body": body,
            "isBase64Encoded": text is None,
        }


def handler_for(instance: Instance, public_url: str | None, seconds: float) -> Callable[[Any, Any], dict[str, Any]]:
    """The handler of a built-in runtime in front of an instance; `seconds` is what a call may take at most."""

    def handler(event: Any, context: Any) -> dict[str, Any]:
        try:
            document = json.loads(event) if isinstance(event, bytes | bytearray | str) else event
            request = FunctionComputeEvent(document)
            scope, body = dict(request.scope), request.body
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
            message = "This function takes the events of an HTTP trigger, version v1."
            answer = {"statusCode": 400, "headers": {"content-type": "application/json"}, "isBase64Encoded": False}
            return {**answer, "body": json.dumps({"message": message})}
        request_id = getattr(context, "request_id", None)
        scope[SCOPE_KEY] = Call(request_id=request_id, public_url=public_url)
        try:
            response = instance.answer(scope, body, seconds)
        except CallCutOff:
            logger.error("the call was cut off before the function's timeout")  # noqa: TRY400 - no traceback to show
            response = rpc_error(body, *CUT_OFF)
        return request(response)

    return handler


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
