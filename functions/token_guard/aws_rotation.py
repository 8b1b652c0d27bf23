"""Entry point: the rotation function of Secrets Manager, four steps. Handler: aws_rotation.handler.

Each rotation takes at most one step of the plan: the pending version is the next token document, or a copy of the
current one when nothing is due. Without ROTATION_DELIVER a new token waits until somebody fetches it with `tokens.py
rotate`, and no old one goes before that. Logs carry names and version ids, never a value.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from mcp_faas import logs
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.lifecycle.rotator import Rotator, RunFailed
from mcp_faas.lifecycle.settings import rotation_settings
from mcp_faas.lifecycle.sinks.secretsmanager import SecretSink
from mcp_faas.rotation import Rotate, continues
from mcp_faas.settings import read_log_level
from mcp_faas.stores import Access
from mcp_faas.stores.secretsmanager import RotatingSecret, SecretsManagerStore
from mcp_faas.tokens import TokenDocument, check_writable, parse

CALL_SECONDS = 8.0
SPARE_SECONDS = 5.0  # kept to end in good order

logs.configure(read_log_level(os.environ))
logger = logging.getLogger(__name__)


def handler(event: Any, context: Any) -> None:
    """One of createSecret, setSecret, testSecret and finishSecret; each may come twice."""
    step = STEPS.get(str(event["Step"]).replace("_", "").lower())
    if step is None:
        raise ValueError("the event's Step is none of the four")
    secret = RotatingSecret(event["SecretId"], event["ClientRequestToken"], Access(timeout=CALL_SECONDS))
    if not secret.check():
        logger.info("%s: version %s is current already", event["Step"], secret.token)
        return
    step(secret, context)


def create(secret: RotatingSecret, context: Any) -> None:
    """Lay the next document beside the current one."""
    if secret.pending() is not None:
        logger.info("createSecret: version %s has its document already", secret.token)
        return
    settings = rotation_settings(os.environ)
    store = SecretsManagerStore.of(secret.text)
    sinks = [_sink(settings.deliver, secret.text.access)] if settings.deliver else []
    probe = Probe(settings.probe, CALL_SECONDS) if settings.probe else None
    rotator = Rotator(store, Rotate(), settings.policy, sinks, probe, CALL_SECONDS, seconds=_seconds_left(context))
    document, plan = rotator.prepare()
    secret.lay(document.dump())
    for due in plan.due:
        logger.info("next: %s %s, %s", due.action, due.name, due.at or "when it is fetched or proven")
    logger.info("createSecret: version %s: %s", secret.token, plan.steps[0] if plan.steps else "nothing is due")


def _seconds_left(context: Any) -> float:
    """Until Lambda ends the invocation; without a context, as in a test, half a minute."""
    left = context.get_remaining_time_in_millis() / 1000 if context else 35.0
    return float(left) - SPARE_SECONDS


def set_(secret: RotatingSecret, context: Any) -> None:
    """Nothing to do: the document itself is what the authorizer reads."""


def test(secret: RotatingSecret, context: Any) -> None:
    """The pending document must be one that the authorizer understands, and must let somebody in."""
    document = _pending(secret)
    if not document.live():
        raise RunFailed("testSecret: the pending document would let nobody in")


def finish(secret: RotatingSecret, context: Any) -> None:
    """Make it current, unless the current one has moved on since: then the next rotation begins anew."""
    found = secret.text.read()
    before = parse(found.text) if found.version else TokenDocument()
    if not continues(before, _pending(secret)):
        secret.abandon()
        raise RunFailed("finishSecret: the document was changed during this rotation; the next one begins anew")
    secret.text.move_current(secret.token, found.version)
    logger.info("finishSecret: version %s is current", secret.token)


def _pending(secret: RotatingSecret) -> TokenDocument:
    text = secret.pending()
    if text is None:
        raise RunFailed(f"version {secret.token} has no document yet; createSecret comes first")
    document = parse(text)
    check_writable(document)
    return document


def _sink(address: str, access: Access) -> SecretSink:
    region, _, name = address.removeprefix("aws://").partition("/")
    if not address.startswith("aws://") or not region or not name:
        raise ValueError(f"ROTATION_DELIVER is {address!r}; it takes aws://REGION/SECRET.")
    return SecretSink(address, region, name, access)


STEPS: dict[str, Callable[[RotatingSecret, Any], None]] = {
    "createsecret": create,
    "setsecret": set_,
    "testsecret": test,
    "finishsecret": finish,
}
