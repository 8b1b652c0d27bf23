"""The flow of one request through the FC gateway: door, function, answer, and the three ways it can end early.

Who gets in is `fc_door`, what happens to header fields `fc_headers`. Stores nothing.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import httpx2
from starlette.types import Receive, Scope, Send

from edges import fc_headers
from edges.fc_door import Headers, Stop, check, domain_of, target, values
from edges.fc_headers import Function
from edges.fc_instance import Instance
from edges.fc_state import Account
from edges.processes import ChildFailed

BODY_LIMIT_BYTES = 32 * 1024 * 1024

Overflow = Literal["queue", "refuse"]


@dataclass(frozen=True)
class Limits:
    """What the function is configured with."""

    timeout_seconds: float
    instance_concurrency: int
    overflow: Overflow  # above the concurrency: "queue" as for an instance that is busy, "refuse" as for a spent quota


@dataclass
class Backend:
    """One function with its trigger, and the places that its instance has."""

    function: Function
    instance: Instance
    slots: asyncio.Semaphore


@dataclass
class Reply:
    """The way back to the caller. What the platform adds to an answer is added here."""

    send: Send = field(repr=False)
    platform_headers: Headers
    request_id: str
    default_host: bool
    started: bool = False

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        names = {name for name, _ in headers}
        added = [(name, value) for name, value in self.platform_headers if name not in names]
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *added]})

    async def more(self, body: bytes) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def refuse(self, stop: Stop, *, text: bool) -> None:
        if text:
            content_type, body = b"text/plain", str(stop).encode()
        else:
            said = {"Code": stop.code, "Message": str(stop), "RequestId": self.request_id}
            content_type, body = b"application/json", json.dumps(said).encode()
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        await self.start(stop.status, [*headers, (b"x-fc-error-type", b"FCCommonError")])
        await self.end(body)


class Gateway:
    """An ASGI app: one HTTP trigger, and the custom domains, in front of one function. A domain may route to more."""

    def __init__(
        self,
        account: Account,
        function: Function,
        instance: Instance,
        limits: Limits,
        *,
        default_host: bool,
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._limits = limits
        self._own = self._backend(function, instance)
        self._routes: dict[str, Backend] = {}
        self._default_host = default_host
        self._clock = clock
        self._client = httpx2.AsyncClient(
            trust_env=False,  # a proxy from the environment has no business between a gateway and its function
            timeout=None,  # `Limits` has one, for streams too
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),  # an instance may be replaced
        )

    def route(self, paths: Iterable[str], function: Function, instance: Instance) -> None:
        """Send these paths of the custom domains to another function: these alone, and nothing below them."""
        backend = self._backend(function, instance)
        self._routes |= dict.fromkeys(paths, backend)

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # attachment and CORS: not on a custom domain (docs, reported)
        own_host = domain_of(self._account, scope) is None
        backend = self._own if own_host else self._routes.get(scope["path"], self._own)
        function = backend.function
        request_id = f"1-{uuid.uuid4()}"
        platform_headers = fc_headers.of_platform(
            scope["headers"],
            request_id=request_id,
            now=self._clock(),
            default_host=self._default_host and own_host,
            cors=own_host,
        )
        reply = Reply(send, platform_headers, request_id, self._default_host and own_host)
        try:
            if own_host and self._is_preflight(scope):
                await reply.start(200, fc_headers.of_preflight(scope["headers"]))
                await reply.end()
                return
            check(self._account, self._account.triggers[function.name, function.trigger], scope)
            body = await self._body(receive)
            if body is not None:  # else: hung up while sending
                await self._invoke(backend, scope, body, reply, receive)
        except Stop as stop:
            if reply.started:
                scope["edge.connection"].reset()  # the only way to say that the rest of a stream will not come
            else:
                text = stop.code == "AccessDenied" and self._account.unproven.refusal_body == "text"
                await reply.refuse(stop, text=text)

    def _backend(self, function: Function, instance: Instance) -> Backend:
        return Backend(function, instance, asyncio.Semaphore(self._limits.instance_concurrency))

    def _is_preflight(self, scope: Scope) -> bool:
        asks = scope["method"] == "OPTIONS" and bool(values(scope["headers"], b"access-control-request-method"))
        return asks and self._account.unproven.preflight == "platform"

    @staticmethod
    async def _body(receive: Receive) -> bytes | None:
        """The whole body, or None when the caller hung up. One that is too large is read on: its sender hears why."""
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(chunk)
            if size <= BODY_LIMIT_BYTES:
                chunks.append(chunk)
        if size > BODY_LIMIT_BYTES:
            raise Stop(400, "InvalidArgument", "the body of the request exceeds 32 MB")
        return b"".join(chunks)

    async def _invoke(self, backend: Backend, scope: Scope, body: bytes, reply: Reply, receive: Receive) -> None:
        """Run one invocation to its end, the caller's end or the timeout, whichever is first."""
        if self._limits.overflow == "refuse" and backend.slots.locked():
            raise Stop(429, "ResourceExhausted", "the concurrency of the function is exhausted")
        async with backend.slots:
            work = asyncio.create_task(self._forward(backend, scope, body, reply))
            gone = asyncio.create_task(self._until_gone(receive))
            try:
                done, _ = await asyncio.wait(
                    {work, gone}, timeout=self._limits.timeout_seconds, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                gone.cancel()
                finished = work.done()
                if not finished:
                    work.cancel()  # closes the connection to the function, which is how it hears of it
                    with suppress(asyncio.CancelledError, Stop):
                        await work
        if finished:
            work.result()
        elif not done:
            raise Stop(504, "FunctionTimeout", f"the function did not end within {self._limits.timeout_seconds:g} s")
        elif self._limits.instance_concurrency == 1:
            await backend.instance.stop()  # FC replaces an instance whose only caller hung up (docs)

    @staticmethod
    async def _until_gone(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _forward(self, backend: Backend, scope: Scope, body: bytes, reply: Reply) -> None:
        instance = backend.instance
        try:
            port = await instance.ready()
            try:
                response = await self._send(backend.function, port, scope, body, reply)
            except httpx2.ConnectError:  # it ended since the last call: the platform makes another
                response = await self._send(backend.function, await instance.replace(port), scope, body, reply)
            try:
                headers = fc_headers.from_function(response.headers.raw, default_host=reply.default_host)
                await reply.start(response.status_code, headers)
                async for chunk in response.aiter_raw():
                    await reply.more(chunk)
                await reply.end()
            finally:
                await response.aclose()
        except ChildFailed as failure:
            raise Stop(412, "CAExited", f"The function either cannot be started or exited. {failure}") from None
        except httpx2.HTTPError:
            await instance.settle()
            raise Stop(502, "BadResponse", "the function broke off its response") from None

    async def _send(self, function: Function, port: int, scope: Scope, body: bytes, reply: Reply) -> httpx2.Response:
        headers = fc_headers.to_function(scope["headers"], function, self._account.unproven, reply.request_id)
        request = httpx2.Request(
            scope["method"],
            f"http://127.0.0.1:{port}/",
            headers=headers,
            content=body,
            extensions={"target": target(scope)},  # byte for byte, not as a URL library would spell it
        )
        return await self._client.send(request, stream=True)
