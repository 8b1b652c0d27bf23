"""A Lambda function: instances on demand, up to a limit, each with one invocation at a time. Knows no HTTP event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from edges.aws_instance import (
    REQUEST_LIMIT_BYTES,
    Function,
    InitFailed,
    Instance,
    InvocationFailed,
    RequestTooLarge,
)
from edges.processes import Log


class LambdaFunction:
    """Invoke it as often as you like: more calls at once than `max_instances` wait for a free instance."""

    def __init__(self, function: Function, *, max_instances: int, log: Log) -> None:
        self._function = function
        self._log = log
        self._places = asyncio.Semaphore(max_instances)
        self._idle: list[Instance] = []
        self._all: set[Instance] = set()
        self._calls: set[asyncio.Task[bytes]] = set()

    async def warm(self) -> None:
        """Start one instance now; InitFailed when the function does not load."""
        async with self._places:
            self._idle.append(await self._take())

    async def invoke(self, event: Mapping[str, object], *, within: float | None = None) -> bytes:
        """The function's result as JSON, or InvocationFailed.

        After `within` seconds asyncio.TimeoutError; the call itself goes on, as it does behind a gateway that gave up.
        """
        payload = json.dumps(event, ensure_ascii=False).encode()
        if len(payload) > REQUEST_LIMIT_BYTES:
            raise RequestTooLarge(f"the event has {len(payload)} bytes; Lambda takes {REQUEST_LIMIT_BYTES}")
        call = asyncio.create_task(self._invoke(payload))
        self._calls.add(call)
        call.add_done_callback(self._forget)
        try:
            return await asyncio.wait_for(asyncio.shield(call), within)
        except asyncio.CancelledError:
            if call.cancelled():  # by `stop`, not by whoever waits here
                raise InvocationFailed("the function was stopped during the call") from None
            raise

    async def stop(self) -> None:
        """End every instance that there is now. A later call starts a new one."""
        instances, self._all, self._idle = self._all, set(), []
        calls = [*self._calls]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.gather(*(instance.stop() for instance in instances))

    @property
    def busy(self) -> bool:
        """Is a call under way?"""
        return bool(self._calls)

    async def _invoke(self, payload: bytes) -> bytes:
        async with self._places:
            try:
                instance = await self._take()
            except InitFailed as error:
                raise InvocationFailed(f"Runtime.InitError: {error}") from None
            try:
                return await instance.invoke(payload)
            finally:
                if instance.alive:
                    self._idle.append(instance)
                else:
                    self._all.discard(instance)
                    await instance.stop()

    async def _take(self) -> Instance:
        """The instance used last, else a new one: Lambda, too, keeps the warm ones busy."""
        while self._idle:
            instance = self._idle.pop()
            if instance.alive:
                return instance
            self._all.discard(instance)
            await instance.stop()
        instance = Instance(self._function, self._log)
        self._all.add(instance)
        try:
            await instance.start()
        except InitFailed:
            self._all.discard(instance)
            raise
        return instance

    def _forget(self, call: asyncio.Task[bytes]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (error := call.exception()) is not None:
            self._log(f"{self._function.name}: {error}")
