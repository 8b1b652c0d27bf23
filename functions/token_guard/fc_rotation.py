"""Entry point: the timer function that keeps the tokens of a trigger or domain fresh. Handler: fc_rotation.handler.

Runs on FC's built-in Python runtime, every hour; most runs find nothing to do. Its role may read and update the trigger
and write the one object that it delivers to, nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import re
from typing import Any

from mcp_faas import logs
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.lifecycle.rotator import Rotator, RunFailed, RunRefused
from mcp_faas.lifecycle.settings import RotationSettingsError, fc_access, rotation_settings
from mcp_faas.lifecycle.sinks import Sink
from mcp_faas.rotation import Rotate, Step
from mcp_faas.settings import read_log_level, read_tokens_address
from mcp_faas.settings.values import SettingsError
from mcp_faas.stores import Access, AddressError, StoreError, open_store
from mcp_faas.tokens import DocumentError

CALL_SECONDS = 10.0
SPARE_SECONDS = 5.0  # kept to end in good order
LONGEST_SECONDS = 110.0
STALE_CREDENTIALS = re.compile(r"\b(InvalidAccessKeyId|InvalidSecurityToken|SecurityTokenExpired)\b")

logs.configure(read_log_level(os.environ))
logger = logging.getLogger(__name__)


def handler(event: bytes, context: Any) -> str:
    """One run. A failure is raised, so that the function's error count and its alarm see it."""
    with logs.telling_only(
        RunFailed, RunRefused, StoreError, DocumentError, RotationSettingsError, SettingsError, AddressError
    ):
        return _rotate(context)


def _rotate(context: Any) -> str:
    settings = rotation_settings(os.environ)
    access = fc_access(os.environ, CALL_SECONDS)
    sinks: list[Sink] = [_sink(settings.deliver, access)] if settings.deliver else []
    probe = _probe(settings.probe) if settings.probe else None
    store = open_store(read_tokens_address(os.environ), access)
    seconds = _seconds_left(context)
    rotator = Rotator(store, Rotate(), settings.policy, sinks, probe, CALL_SECONDS, report=_log_done, seconds=seconds)
    try:
        outcome = rotator.run()
    except (RunFailed, RunRefused) as error:
        logger.error("%s", error)  # noqa: TRY400 - the sentence is the whole story
        if STALE_CREDENTIALS.search(str(error)):
            _end_instance()
        raise
    for due in outcome.due:
        logger.info("next: %s %s, %s", due.action, due.name, due.at or "when it is fetched or proven")
    return json.dumps({"done": [str(step) for step in outcome.done]})


def _log_done(step: Step) -> None:
    """At once, so that the log of a run that fails, or is ended by the platform, tells how far it came."""
    logger.info("done: %s", step)


def _end_instance() -> None:
    """An instance may outlive the credentials that it was started with. The platform counts this as a failure, too, and
    makes a new instance, with new credentials, for its next try."""
    logger.error("the role's credentials are not taken any more: this instance ends, and the next one gets new ones")
    os._exit(1)


def _probe(url: str) -> Probe:
    try:
        return Probe(url, CALL_SECONDS)
    except ValueError as error:
        raise RotationSettingsError(f"ROTATION_PROBE: {error}.") from None


def _sink(address: str, access: Access) -> Sink:
    parts = address.removeprefix("oss://").split("/", 2)
    if not address.startswith("oss://") or len(parts) != 3 or not all(parts):
        raise RotationSettingsError(f"ROTATION_DELIVER is {address!r}; it takes oss://REGION/BUCKET/KEY.")
    from mcp_faas.lifecycle.sinks.oss import ObjectSink

    return ObjectSink(address, parts[0], parts[1], parts[2], access)


def _seconds_left(context: Any) -> float:
    """A run ends before the platform ends it: the function's timeout is in its context, in seconds."""
    timeout = getattr(getattr(context, "function", None), "timeout", None) or 60
    return min(float(timeout) - SPARE_SECONDS, LONGEST_SECONDS)
