"""What schemathesis loads: valid requests come from callers that exist, with values that count.

Most of them, that is: what random values lead to is looked at, too. Invalid requests stay as they are.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import schemathesis

KNOWN: dict[str, Any] = json.loads(os.environ["OAUTH_KNOWN"])
SHARE = 0.8


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    dice = random.Random(repr((case.query, case.body)))  # noqa: S311 - the same choice in each run with a seed
    body = case.body if isinstance(case.body, dict) else {}
    for parameters in (case.query, body):
        for name, values in KNOWN["values"].items():
            if name in parameters and dice.random() < SHARE:
                parameters[name] = dice.choice(values)
    caller = dice.choice(KNOWN["callers"])
    if "client_id" in case.query and dice.random() < SHARE:
        case.query["client_id"] = caller.get("form", {}).get("client_id", "web")
    if case.path in ("/token", "/revoke", "/introspect") and dice.random() < SHARE:
        for name in ("client_id", "client_secret"):
            body.pop(name, None)
        body.update(caller.get("form", {}))
        case.headers.update(caller.get("headers", {}))
