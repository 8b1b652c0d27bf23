"""An authorizer that decides by the token's own words, and says each time that it was asked."""

from __future__ import annotations

import json
import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    token = event["headers"]["authorization"].removeprefix("Bearer ")
    print("asked", json.dumps(event))
    if token == "crash":
        raise ValueError("inner detail")
    if token == "slow":
        time.sleep(30)
    if token.startswith("{"):
        return json.loads(token)
    return {"isAuthorized": token.startswith("good"), "context": {"tokenName": token, "n": 1}}
