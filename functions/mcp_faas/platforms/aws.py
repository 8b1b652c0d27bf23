"""Lambda events and answers, payload format 2.0: Function URLs and HTTP APIs. The only knower of AWS's shapes.

Mangum turns an event into a request and a response into an answer; what it leaves open is decided here.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from mangum.handlers import HTTPGateway
from mangum.types import LambdaConfig, LambdaContext, Response, Scope

from mcp_faas.auth.principal import Principal
from mcp_faas.call import SCOPE_KEY, Call
from mcp_faas.platforms.answers import CUT_OFF, TOO_LARGE, rpc_error
from mcp_faas.platforms.instance import CallCutOff, Instance

ANSWER_MAX_BYTES = 6 * 1024 * 1024 - 64 * 1024  # Lambda's 6 MB for the whole answer, less its headers and JSON
ESCAPED_MAX_CHARACTERS = 6  # of JSON for one byte: a control character is \u0001
MARGIN_SECONDS = 0.7  # what is needed to say that the time is over
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_CONFIG = LambdaConfig(api_gateway_base_path="/", text_mime_types=["text/", "application/json"], exclude_headers=[])

logger = logging.getLogger(__name__)

Answer = dict[str, Any]


class _Gateway(HTTPGateway):
    """Mangum's, which builds the scope anew whenever it is asked: for the request, and again for the answer."""

    @cached_property
    def scope(self) -> Scope:
        return super().scope

    def __call__(self, response: Response) -> Answer:
        try:
            return super().__call__(response)
        except UnicodeDecodeError:  # a header: Mangum takes them for UTF-8, and Starlette writes ISO 8859-1
            headers = [[part.decode("latin-1").encode() for part in header] for header in response["headers"]]
            return super().__call__({**response, "headers": headers})


def handler_for(instance: Instance, public_url: str | None) -> Callable[[Any, LambdaContext], Answer]:
    """The Lambda handler in front of an instance. It never raises for what a caller sends."""

    def handler(event: Any, context: LambdaContext) -> Answer:
        try:
            gateway, scope, body = _read(event, context, public_url)
        except ValueError as error:
            return _plain(400, str(error))
        try:
            response = instance.answer(scope, body, context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
        except CallCutOff:
            logger.error("the call was cut off before the function's timeout")  # noqa: TRY400 - no traceback to show
            response = rpc_error(body, *CUT_OFF)
        answer = gateway(response)
        return answer if _fits(response, answer) else gateway(rpc_error(body, *TOO_LARGE))

    return handler


def _read(event: Any, context: LambdaContext, public_url: str | None) -> tuple[_Gateway, dict[str, Any], bytes]:
    """Take an event apart: who answers it, the ASGI scope, the body.

    Raises ValueError, with a sentence for the caller, when it is not of payload format 2.0.
    """
    try:
        request, host = event["requestContext"], event["requestContext"]["domainName"]
        # All of them, as they came: two spellings of one name are two headers, and not for mangum to choose from.
        headers = [(name.lower().encode(), value.encode()) for name, value in event["headers"].items()]
        cookies = "; ".join(event.get("cookies") or ())
        if event["version"] != "2.0" or not _HOST.fullmatch(host):
            raise ValueError
        # Mangum would build scheme and server from Host and X-Forwarded-*, which are what a caller says.
        gateway = _Gateway({**event, "headers": {"host": host, "x-forwarded-port": "443"}}, context, _CONFIG)
        scope = dict(gateway.scope)
        prefix = _stage_prefix(event)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError("This function takes events of a Function URL or an HTTP API, payload format 2.0.") from None
    scope["path"] = scope["path"].removeprefix(prefix) or "/"
    scope["headers"] = [*headers, (b"cookie", cookies.encode())] if cookies else headers
    scope[SCOPE_KEY] = Call(
        request_id=context.aws_request_id,
        public_url=public_url or f"https://{host}{prefix}/mcp",
        mount=prefix,
        gateway=_principal(request.get("authorizer")),
    )
    del scope["aws.event"], scope["aws.context"]  # nobody behind this line shall see the caller's headers again
    return gateway, scope, _body(event)


def _fits(response: Response, answer: Answer) -> bool:
    """Can Lambda return it? What is certainly small enough is not written as JSON only to be measured."""
    size = len(response["body"]) + sum(len(name) + len(value) + 2 for name, value in response["headers"])
    return size * ESCAPED_MAX_CHARACTERS <= ANSWER_MAX_BYTES or len(json.dumps(answer)) <= ANSWER_MAX_BYTES


def _stage_prefix(event: Any) -> str:
    """`/prod` behind a named stage, whose name API Gateway leaves in the path; empty for `$default`."""
    stage = event["requestContext"].get("stage", "$default")
    prefix = f"/{stage}"
    return prefix if stage != "$default" and event["rawPath"].startswith(f"{prefix}/") else ""


def _principal(authorizer: Any) -> Principal | None:
    """Who the Lambda authorizer says that it is; only API Gateway can put this into an event."""
    context = authorizer.get("lambda") if isinstance(authorizer, dict) else None
    name = context.get("tokenName") if isinstance(context, dict) else None
    return Principal(client=name, subject=name) if isinstance(name, str) and name else None


def _body(event: Any) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise ValueError("The event's body is not text.")
    try:
        return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError):
        raise ValueError("The body is not valid base64, or not text.") from None


def _plain(status: int, message: str) -> Answer:
    headers = {"content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps({"message": message})}
