"""The Lambda authorizer of an HTTP API: one identity source, simple responses, a cache for yes and no. No HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edges.aws_function import LambdaFunction
from edges.aws_instance import InvocationFailed

TIMEOUT_SECONDS = 10.0  # a quota of HTTP APIs
CACHE_ENTRIES = 10_000  # of this stand-in, so that a flood of random tokens cannot fill the memory


@dataclass(frozen=True)
class Decision:
    """What the authorizer said, and what it tells the function."""

    allowed: bool
    context: dict[str, Any] = field(default_factory=dict)


class AuthorizerFailed(Exception):
    """No decision: a crash, a timeout, or an answer that is none. The door says 500, and the next call asks again."""


class Authorizer:
    """Asks once per Authorization value and TTL, whatever the route: a refusal is remembered like a grant."""

    def __init__(
        self,
        function: LambdaFunction,
        *,
        ttl_seconds: float,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._function = function
        self._ttl_seconds = ttl_seconds
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._remembered: dict[bytes, tuple[float, Decision]] = {}

    async def decide(self, event: dict[str, Any], identity: str) -> Decision:
        key = hashlib.sha256(identity.encode("latin-1", "replace")).digest()  # no token outlives its request
        until, decision = self._remembered.get(key, (0.0, Decision(False)))
        if self._clock() < until:
            return decision
        try:
            payload = await self._function.invoke(event, within=self._timeout_seconds)
        except asyncio.TimeoutError:
            raise AuthorizerFailed(f"the authorizer did not answer within {self._timeout_seconds:.0f} s") from None
        except InvocationFailed as error:
            raise AuthorizerFailed(f"the authorizer failed: {error}") from None
        decision = _decision_of(payload)
        if len(self._remembered) >= CACHE_ENTRIES:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[key] = (self._clock() + self._ttl_seconds, decision)
        return decision


def _decision_of(payload: bytes) -> Decision:
    result: object = json.loads(payload)
    if not isinstance(result, dict) or not isinstance(result.get("isAuthorized"), bool):
        raise AuthorizerFailed("the authorizer's answer has no isAuthorized that is true or false")
    context = result.get("context") or {}
    if not isinstance(context, dict):
        raise AuthorizerFailed("the authorizer's context is not an object")
    return Decision(result["isAuthorized"], context)
