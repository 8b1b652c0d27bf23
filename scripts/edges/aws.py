"""The AWS front doors on this machine: an HTTP API or a Function URL before the deployed entry points.

What the real doors do to a request, to an answer and to a function that fails, this one does too. What nobody has
proved on a real account is a switch of the constructor, so that both ways can be tried. Event shapes stay outside.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edges.aws_answers import BrokenResult, Refusals, answer_of
from edges.aws_authorizer import TIMEOUT_SECONDS, Authorizer, AuthorizerFailed
from edges.aws_events import Event, Kind, Platform, authorizer_event_of, event_of
from edges.aws_function import LambdaFunction
from edges.aws_instance import Client, Function, InvocationFailed, RequestTooLarge, ResultTooLarge
from edges.aws_routes import Route, select
from edges.listener import Answer, Listener, Request
from edges.secretsmanager import SecretsManager

# Quotas of HTTP APIs. The header quota of a Function URL is not published.
GATEWAY_TIMEOUT_SECONDS = 30.0
GATEWAY_BODY_LIMIT_BYTES = 10 * 1024 * 1024
GATEWAY_HEAD_LIMIT_BYTES = 10_240
FUNCTION_URL_BODY_LIMIT_BYTES = 6 * 1024 * 1024


class AwsEdge:
    """The front door at `port`, Secrets Manager at `api_port`, and the functions behind them.

    `environment` and `authorizer_environment` are the functions' own, with PYTHONPATH where they need what lies beside
    `code`. `routes` are the keys of the template; those in `open_routes` have no authorizer.
    """

    def __init__(
        self,
        *,
        kind: Kind,
        port: int,
        environment: Mapping[str, str],
        code: Path,
        python: str,
        log: Callable[[str], None],
        api_port: int | None = None,
        authorizer_environment: Mapping[str, str] | None = None,
        token_guard_code: Path | None = None,
        handler: str = "aws_lambda.handler",
        authorizer_handler: str = "aws_authorizer.handler",
        timeout_seconds: float = 30,
        stage: str = "$default",
        routes: Sequence[str] = ("ANY /{proxy+}",),
        open_routes: Sequence[str] = (),
        max_instances: int = 4,
        authorizer_ttl_seconds: float = 60,
        authorizer_timeout_seconds: float = TIMEOUT_SECONDS,
        gateway_timeout_seconds: float = GATEWAY_TIMEOUT_SECONDS,
        region: str = "us-east-1",
        client: Client = "any",
        # Unproven on a real account:
        renames_challenge: bool = True,
        trusts_forwarded: bool = False,
        timeout_status: int = 503,
        too_large_result_status: int = 502,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (authorizer_environment is None) != (token_guard_code is None):
            raise ValueError("an authorizer needs both authorizer_environment and token_guard_code")
        if kind == "function-url" and (authorizer_environment is not None or stage != "$default"):
            raise ValueError("a Function URL has neither an authorizer nor a stage; use kind='http-api'")
        self.kind = kind
        self._platform = Platform(kind, stage, region=region, trusts_forwarded=trusts_forwarded)
        self._routes = [Route.parse(key) for key in routes] + [Route.parse(key, is_open=True) for key in open_routes]
        self._log = log
        self._gateway_timeout_seconds = gateway_timeout_seconds if kind == "http-api" else None
        self._renames_challenge = renames_challenge
        self._timeout_status = timeout_status
        self._too_large_result_status = too_large_result_status
        self._refusal = Refusals(kind)
        self._listener = Listener(
            self._answer,
            port=port,
            body_limit_bytes=GATEWAY_BODY_LIMIT_BYTES if kind == "http-api" else FUNCTION_URL_BODY_LIMIT_BYTES,
        )
        self.secrets = SecretsManager(port=api_port) if api_port is not None else None

        def function(
            name: str, handler: str, code: Path, environment: Mapping[str, str], seconds: float
        ) -> LambdaFunction:
            described = Function(name, handler, code, environment, python, seconds, region=region, client=client)
            return LambdaFunction(described, max_instances=max_instances, log=log)

        self._describe = function
        self._beside: dict[str, LambdaFunction] = {}  # by the key of each route that leads to it
        self.function = function("mcp-server", handler, code, environment, timeout_seconds)
        self.authorizer_function: LambdaFunction | None = None
        self._authorizer: Authorizer | None = None
        if authorizer_environment is not None and token_guard_code is not None:
            self.authorizer_function = function(
                "aws-authorizer", authorizer_handler, token_guard_code, authorizer_environment, TIMEOUT_SECONDS
            )
            self._authorizer = Authorizer(
                self.authorizer_function,
                ttl_seconds=authorizer_ttl_seconds,
                timeout_seconds=authorizer_timeout_seconds,
                clock=clock,
            )

    @property
    def port(self) -> int:
        return self._listener.port

    async def add(
        self, name: str, *, code: Path, environment: Mapping[str, str], routes: Sequence[str], timeout_seconds: float
    ) -> None:
        """Deploy another function behind this HTTP API, with open routes of its own; one instance of it has started."""
        if self.kind != "http-api":
            raise ValueError("a Function URL leads to one function; use kind='http-api'")
        function = self._describe(name, "aws_lambda.handler", code, environment, timeout_seconds)
        self._beside |= dict.fromkeys(routes, function)
        self._routes += [Route.parse(key, is_open=True) for key in routes]
        await function.warm()

    async def start(self) -> None:
        """Return once the ports listen. The functions start with their first call; `warm` does that now."""
        if self.secrets is not None:
            await self.secrets.start()
        try:
            await self._listener.start()
        except OSError:
            await self.stop()
            raise

    async def warm(self) -> None:
        """Start one instance of each function; InitFailed, with the function's last line, when one does not load."""
        for function in self._functions:
            await function.warm()

    async def restart(self) -> None:
        """Put the functions' code into effect as it is now; InitFailed when it does not load."""
        for function in self._functions:
            await function.stop()
        await self.warm()

    async def stop(self) -> None:
        """Leave no process and no open port."""
        await self._listener.stop()
        for function in self._functions:
            await function.stop()
        if self.secrets is not None:
            await self.secrets.stop()

    @property
    def _functions(self) -> list[LambdaFunction]:
        others = dict.fromkeys(self._beside.values())  # each once
        return [self.function, *([self.authorizer_function] if self.authorizer_function else []), *others]

    async def _answer(self, request: Request) -> Answer:
        """The door's own refusals carry the id of the request as well."""
        request_id = str(uuid.uuid4())
        answer = await self._decide(request, request_id)
        name = "apigw-requestid" if self._platform.kind == "http-api" else "x-amzn-requestid"
        return Answer(answer.status, (*answer.headers, (name, request_id)), answer.body)

    async def _decide(self, request: Request, request_id: str) -> Answer:
        http_api = self._platform.kind == "http-api"
        if http_api and _head_bytes(request) > GATEWAY_HEAD_LIMIT_BYTES:
            return self._refusal(431)
        if request.too_large:
            return self._refusal(413)
        route_key, path_parameters, needs_authorizer = "$default", {}, False
        if http_api:
            path = self._platform.route_path_of(self._platform.path_of(request))
            selected = select(self._routes, request.method, path) if path is not None else None
            if selected is None:
                return self._refusal(404)
            route_key, path_parameters = selected[0].key, selected[1]
            needs_authorizer = not selected[0].is_open
        event = event_of(
            self._platform,
            request,
            route_key=route_key,
            path_parameters=path_parameters,
            request_id=request_id,
            trace_id=_trace_id(),
            now=time.time(),
        )
        if self._authorizer is not None and needs_authorizer:
            refused = await self._authorize(self._authorizer, event)
            if refused is not None:
                return refused
        return await self._invoke(self._beside.get(route_key, self.function), event)

    async def _authorize(self, authorizer: Authorizer, event: Event) -> Answer | None:
        """None lets the event pass, with the authorizer's context in it."""
        identity = event["headers"].get("authorization")
        if not identity:
            return self._refusal(401)
        try:
            decision = await authorizer.decide(authorizer_event_of(self._platform, event, identity), identity)
        except AuthorizerFailed as error:
            self._log(f"http-api: {error}")
            return self._refusal(500)
        if not decision.allowed:
            return self._refusal(403)
        event["requestContext"]["authorizer"] = {"lambda": decision.context}
        return None

    async def _invoke(self, function: LambdaFunction, event: Event) -> Answer:
        try:
            payload = await function.invoke(event, within=self._gateway_timeout_seconds)
            return answer_of(self._platform.kind, payload, renames_challenge=self._renames_challenge)
        except asyncio.TimeoutError:
            self._log(f"http-api: no answer within {self._gateway_timeout_seconds:.0f} s; the function goes on")
            return self._refusal(self._timeout_status)
        except RequestTooLarge:
            return self._refusal(413)
        except ResultTooLarge:
            return self._refusal(self._too_large_result_status)
        except InvocationFailed:
            pass  # the function has logged it; a caller hears no details
        except BrokenResult as error:
            self._log(f"{self._platform.kind}: the function's result is no answer: {error}")
        return self._refusal(self._refusal.function_failed)


def _head_bytes(request: Request) -> int:
    """The quota counts the request line and the values of the headers together."""
    line = len(request.method) + len(request.target) + len(" ") * 2 + len("HTTP/1.1")
    return line + sum(len(value) for _, value in request.headers)


def _trace_id() -> str:
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
