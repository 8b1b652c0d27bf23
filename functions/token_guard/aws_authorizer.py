"""Entry point: the Lambda authorizer of an HTTP API for door `bearer`. Handler: aws_authorizer.handler.

Payload format 2.0 with simple responses. It compares the bearer token with the token document in Secrets Manager, and
never raises: an error would be a 500 for the caller. While the document cannot be read nobody is let in.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from mcp_faas import audit, logs
from mcp_faas.auth.bearer import identify, token_of
from mcp_faas.auth.errors import AuthError, TokenMissing, TokenUnknown
from mcp_faas.documents import DocumentUnavailable, TokenDocuments
from mcp_faas.settings import read_log_level, read_tokens_address
from mcp_faas.settings.values import SettingsError
from mcp_faas.starting import collector_off
from mcp_faas.stores import Access, AddressError, StoreError, open_store

READ_SECONDS = 3.0  # API Gateway gives an authorizer 10 s, and a read may need a second connection

logs.configure(read_log_level(os.environ))
logger = logging.getLogger(__name__)
try:
    with collector_off():  # a caller waits for this start, and most of it is AWS's client
        store = open_store(read_tokens_address(os.environ), Access(timeout=READ_SECONDS))
except (AddressError, StoreError) as error:
    raise SettingsError(f"MCP_TOKENS leads to no token document: {error}") from None
documents = TokenDocuments(lambda: store.read().document)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """`{"isAuthorized": true, "context": {"tokenName": ...}}`, or `isAuthorized` false with an empty context."""
    began = time.perf_counter()
    decision = audit.Decision(door="bearer", request_id=_request_id(event))
    try:
        name = _name_of(_authorization(event))
        decision.decision, decision.reason, decision.client, decision.subject = "allow", "ok", name, name
    except AuthError as error:
        decision.deny(error)
    except DocumentUnavailable:
        decision.reason = "document_unavailable"
    except Exception as error:  # noqa: BLE001 - an error would be a 500 for the caller; whatever it is, nobody is let in
        logger.error("the authorizer failed: %s", logs.defect(error))  # noqa: TRY400 - a text may quote the token
        decision.reason = "internal_error"
    decision.ms = round((time.perf_counter() - began) * 1000, 3)
    audit.write(decision, time.time())
    allowed = decision.decision == "allow"
    return {"isAuthorized": allowed, "context": {"tokenName": decision.client} if allowed else {}}


def _name_of(authorization: str) -> str:
    presented = token_of([authorization])
    try:
        return identify(presented, documents.tokens()).name
    except TokenUnknown:
        # Perhaps a token that was made a moment ago: API Gateway would remember a refusal for its whole cache time.
        return identify(presented, documents.tokens(newer=True)).name


def _authorization(event: Any) -> str:
    """The one Authorization header; API Gateway joins repeated ones with commas, which no token contains."""
    headers = event.get("headers") if isinstance(event, dict) else None
    pairs = headers.items() if isinstance(headers, dict) else ()
    values = [value for name, value in pairs if str(name).lower() == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str):
        raise TokenMissing("no Authorization header")
    return values[0].strip(" \t")


def _request_id(event: Any) -> str | None:
    request = event.get("requestContext") if isinstance(event, dict) else None
    identity = request.get("requestId") if isinstance(request, dict) else None
    return identity if isinstance(identity, str) else None
