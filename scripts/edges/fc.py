"""The local stand-in for Function Compute: an account, a function with its HTTP trigger, and the API that changes them.

What a caller of the gateway or of the API can see is in `fc_gateway` and `fc_openapi`; here they are put together.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edges.fc_faults import Faults
from edges.fc_gateway import Gateway, Limits, Overflow
from edges.fc_headers import Function
from edges.fc_instance import Instance
from edges.fc_openapi import API_BODY_LIMIT_BYTES, OpenApi
from edges.fc_state import Account, Unproven
from edges.listener import Listener
from edges.processes import Log
from edges.serving import Server

ACCOUNT_ID = "1234567890123456"


def ignore(line: str) -> None:
    """Where the function's output goes when nobody wants it."""


class FcEdge:
    """Listens on `port` (the trigger) and `api_port` (the API); 0 takes a free port, known after `start`.

    `trigger` is a triggerConfig: methods, authType, authConfig, disableURLInternet. Its token document may be an object
    here, whatever type `unproven.auth_config` then stores. `code` is the functions tree or an unpacked artifact.
    """

    def __init__(
        self,
        *,
        trigger: Mapping[str, Any],
        code: Path,
        environment: Mapping[str, str],
        log: Log = ignore,
        port: int = 0,
        api_port: int = 0,
        python: str = sys.executable,
        region: str = "local",
        function: str = "mcp-server",
        trigger_name: str = "http",
        domains: Mapping[str, Mapping[str, Any]] | None = None,
        timeout_seconds: float = 60.0,
        instance_concurrency: int = 20,
        overflow: Overflow = "queue",
        default_host: bool = True,
        unproven: Unproven | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.port = port
        self.api_port = api_port
        self.account = Account(unproven or Unproven(), clock)
        self.account.put_trigger(function, trigger_name, self._typed(trigger))
        for name, auth_config in (domains or {}).items():
            self.account.put_domain(name, auth_config)
        self.api = OpenApi(self.account, region=region, account_id=ACCOUNT_ID)
        self._code = code
        self._python = python
        self._log = log
        self._function = Function(function, trigger_name, region, ACCOUNT_ID)
        self._instance = self._instance_of(self._function, environment)
        self._beside: list[Instance] = []
        self._limits = Limits(timeout_seconds, instance_concurrency, overflow)
        self._default_host = default_host
        self._clock = clock
        self._gateway: Gateway | None = None
        self._servers: list[Server | Listener] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def faults(self) -> Faults:
        """Asked before every call of the API; see `fc_faults`."""
        return self.api.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.api.faults = faults

    async def start(self) -> None:
        """Return once the function answers behind its trigger. OSError names a port that is taken."""
        self._gateway = Gateway(
            self.account,
            self._function,
            self._instance,
            self._limits,
            default_host=self._default_host,
            clock=self._clock,
        )
        try:
            gateway = Server(self._gateway, port=self.port)
            await gateway.start()
            self._servers.append(gateway)
            self.api.public_url = f"http://127.0.0.1:{gateway.port}"
            api = Listener(self.api.handle, port=self.api_port, body_limit_bytes=API_BODY_LIMIT_BYTES, now=self._clock)
            await api.start()
            self._servers.append(api)
            await self._instance.ready()
        except BaseException:
            await self.stop()
            raise
        self.port, self.api_port = gateway.port, api.port

    async def add(
        self, name: str, room: str, *, environment: Mapping[str, str], methods: Sequence[str], paths: Sequence[str]
    ) -> None:
        """Deploy another function of the tree and let the custom domains route these paths to it; it then answers."""
        if self._gateway is None:
            raise RuntimeError("start() comes first")
        function = Function(name, "http", self._function.region, ACCOUNT_ID)
        trigger = {"methods": [*methods], "authType": "anonymous", "disableURLInternet": False}
        self.account.put_trigger(name, function.trigger, trigger)
        instance = self._instance_of(function, environment, room)
        self._beside.append(instance)
        self._gateway.route(paths, function, instance)
        await instance.ready()

    async def restart(self) -> None:
        """Put the functions' code into effect as it is now; callers wait meanwhile."""
        for instance in (self._instance, *self._beside):
            await instance.stop()
            await instance.ready()

    async def stop(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            await server.stop()
        if self._gateway is not None:
            await self._gateway.close()
        for instance in (self._instance, *self._beside):
            await instance.stop()

    def _instance_of(self, function: Function, environment: Mapping[str, str], room: str = "mcp_server") -> Instance:
        return Instance(
            code=self._code,
            python=self._python,
            environment=environment,
            platform={
                "FC_FUNCTION_NAME": function.name,
                "FC_REGION": function.region,
                "FC_ACCOUNT_ID": ACCOUNT_ID,
                "FC_INSTANCE_ID": "c-local",
                "FC_QUALIFIER": "LATEST",
            },
            log=self._log,
            room=room,
        )

    def _typed(self, trigger: Mapping[str, Any]) -> dict[str, Any]:
        """The trigger with its token document in the type that this API keeps it in."""
        auth = trigger.get("authConfig")
        if isinstance(auth, Mapping) and self.account.unproven.auth_config == "string":
            return {**trigger, "authConfig": json.dumps(auth, separators=(",", ":"))}
        if isinstance(auth, str) and self.account.unproven.auth_config == "object":
            return {**trigger, "authConfig": json.loads(auth)}
        return dict(trigger)
