"""Entry point: the rotation function of Secrets Manager, four steps. Handler: aws_rotation.handler.

Each rotation changes the document once at most: the pending version is the next token document, or a copy of the
current one when nothing is due. A new token is delivered in the rotation that makes it current, and the next one notes
that: an overlap can only become longer so. Without ROTATION_DELIVER it waits until somebody fetches it with `tokens.py
rotate`, and no old one goes before that. Logs carry names and version ids, never a value.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from mcp_faas import logs
from mcp_faas.documents import RETRY_SECONDS
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.clock import Clock
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.lifecycle.rotator import Rotator, RunFailed, RunRefused
from mcp_faas.lifecycle.settings import RotationSettings, RotationSettingsError, rotation_settings
from mcp_faas.lifecycle.sinks.documents import same_secret
from mcp_faas.lifecycle.sinks.secretsmanager import SecretSink
from mcp_faas.rotation import WRITES, Plan, Rotate, Step, continues
from mcp_faas.settings import read_log_level
from mcp_faas.stores import Access, AddressError, StoreConflict, StoreError
from mcp_faas.stores.secretsmanager import RotatingSecret, SecretsManagerStore, SecretText
from mcp_faas.tokens import DocumentError, TokenDocument, check_writable, parse

CALL_SECONDS = 8.0
SPARE_SECONDS = 5.0  # kept to end in good order
# By then every authorizer reads the document again for a token that it does not know. Asked earlier, one that has just
# read it for a stranger may refuse, and API Gateway would remember that refusal for its whole cache time.
NOTICED_SECONDS = RETRY_SECONDS + 1.0
CHANGED = "finishSecret: the document was changed during this rotation; the next one begins anew"

clock = Clock()
logs.configure(read_log_level(os.environ))
logger = logging.getLogger(__name__)


def handler(event: Any, context: Any) -> None:
    """One of createSecret, setSecret, testSecret and finishSecret; each may come twice."""
    with logs.telling_only(RunFailed, RunRefused, StoreError, AddressError, DocumentError, RotationSettingsError):
        _rotate(event, context)


def _rotate(event: Any, context: Any) -> None:
    step = STEPS.get(str(event["Step"]).replace("_", "").lower())
    if step is None:
        raise RunRefused("the event's Step is none of the four; Secrets Manager calls this function, nobody else")
    secret = RotatingSecret(event["SecretId"], event["ClientRequestToken"], Access(timeout=CALL_SECONDS))
    if secret.check():
        step(secret, context)
        return
    logger.info("%s: version %s is current already", event["Step"], secret.token)
    if step is finish:  # an earlier call may have been stopped after it had made the version current
        complete(secret, context)


def create(secret: RotatingSecret, context: Any) -> None:
    """Lay the next document beside the current one."""
    if secret.pending() is not None:
        logger.info("createSecret: version %s has its document already", secret.token)
        return
    settings = rotation_settings(os.environ)
    document, plan = _rotator(secret, settings, context).prepare()
    secret.lay(document.dump())
    for due in plan.due:
        logger.info("next: %s %s, %s", due.action, due.name, due.at or "when it is fetched or proven")
    logger.info("createSecret: version %s: %s", secret.token, plan.steps[0] if plan.steps else "nothing is due")
    waiting = Generations(document).pending
    if waiting and not settings.deliver:
        logger.warning(
            "%s waits until somebody fetches it with tokens.py rotate … --deliver …; no older token goes before that. "
            "With ROTATION_DELIVER this function delivers it.", waiting.token.name,
        )  # fmt: skip


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
        secret.release()
        raise RunFailed(CHANGED)
    try:
        secret.text.move_current(secret.token, found.version)
    except StoreConflict:
        secret.release()
        raise RunFailed(CHANGED) from None
    logger.info("finishSecret: version %s is current", secret.token)
    complete(secret, context)


def complete(secret: RotatingSecret, context: Any) -> None:
    """What follows when the version is current. It may be stopped anywhere, and be called again."""
    hand_over(secret, context)
    secret.release()


def hand_over(secret: RotatingSecret, context: Any) -> None:
    """Deliver a new token that the document holds now. It fails with all tokens as they are, and can be repeated."""
    settings = rotation_settings(os.environ)
    if not settings.deliver:
        return
    rotator = _rotator(secret, settings, context)
    plan, _, _ = rotator.preview()
    delivery = _delivery(plan)
    if delivery is None or delivery.token is None:
        return
    if settings.probe:
        clock.sleep(min(NOTICED_SECONDS, max(rotator.seconds, 0.0)))
    rotator.prepare()  # proves and delivers; the write before which it stops is for the next rotation
    logger.info("finishSecret: %s is delivered; the next rotation notes that", delivery.token.name)


def _delivery(plan: Plan) -> Step | None:
    """The delivery that can be made without changing the document first."""
    for step in plan.steps:
        if step.action in WRITES:
            return None
        if step.action == "deliver":
            return step
    return None


def _rotator(secret: RotatingSecret, settings: RotationSettings, context: Any) -> Rotator:
    sinks = [_sink(settings.deliver, secret.text)] if settings.deliver else []
    return Rotator(
        SecretsManagerStore.of(secret.text),
        Rotate(),
        settings.policy,
        sinks,
        _probe(settings.probe) if settings.probe else None,
        CALL_SECONDS,
        clock,
        seconds=_seconds_left(context),
    )


def _seconds_left(context: Any) -> float:
    """Until Lambda ends the invocation; without a context, as in a test, half a minute."""
    left = context.get_remaining_time_in_millis() / 1000 if context else 35.0
    return float(left) - SPARE_SECONDS


def _pending(secret: RotatingSecret) -> TokenDocument:
    text = secret.pending()
    if text is None:
        raise RunFailed(f"version {secret.token} has no document yet; createSecret comes first")
    document = parse(text)
    check_writable(document)
    return document


def _probe(url: str) -> Probe:
    try:
        return Probe(url, CALL_SECONDS)
    except ValueError as error:
        raise RotationSettingsError(f"ROTATION_PROBE: {error}.") from None


def _sink(address: str, document: SecretText) -> SecretSink:
    region, _, name = address.removeprefix("aws://").partition("/")
    if not address.startswith("aws://") or not region or not name:
        raise RotationSettingsError(f"ROTATION_DELIVER is {address!r}; it takes aws://REGION/SECRET.")
    if same_secret(region, name, document.client.meta.region_name, document.name):
        raise RotationSettingsError(
            f"ROTATION_DELIVER is {address!r}, the secret that is being rotated; a token in the document's place would "
            "lock everybody out. Name the secret that clients read."
        )
    return SecretSink(address, region, name, document.access)


STEPS: dict[str, Callable[[RotatingSecret, Any], None]] = {
    "createsecret": create,
    "setsecret": set_,
    "testsecret": test,
    "finishsecret": finish,
}
