"""Entry point: renews the authorization server's signing keys, on a schedule. Handler: aws_key_rotation.handler.

Each call does the next step that is due, and mostly nothing is. It may run at any time, twice at once, or not for days.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from authorization_server.key_rotation import open_place, rotate
from authorization_server.settings import read_signing_keys
from mcp_faas import logs
from mcp_faas.settings import read_log_level

MAX_AGE_SECONDS = 90 * 86400  # what signing_keys.py takes by default

address = read_signing_keys(os.environ)
logs.configure(read_log_level(os.environ))
logger = logging.getLogger(__name__)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Bring the document one step further. An error fails the call, so that the schedule tries again and counts it."""
    step, _ = rotate(open_place(address), MAX_AGE_SECONDS)
    if step.added:
        logger.warning("a signing key was added: %s", step.added)
    for kid in step.dropped:
        logger.warning("a signing key was dropped, whose tokens are all dead: %s", kid)
    return {"added": step.added, "dropped": list(step.dropped)}
