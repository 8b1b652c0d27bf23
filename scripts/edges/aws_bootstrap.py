"""The program of one function instance: be a Lambda runtime. Imports nothing of ours: it runs beside the function.

Where the vendor's runtime client can be imported (it is built for Linux) this file becomes it; elsewhere it speaks the
same Runtime API itself, with the standard library.
"""

from __future__ import annotations

import http.client
import importlib
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

API = "/2018-06-01/runtime"


class Context:
    """The second argument of a handler, as far as the Runtime API tells it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))


class RuntimeApi:
    """The verbs of the Runtime API over one kept connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[Any, Context]:
        self._connection.request("GET", f"{API}/invocation/next")
        response = self._connection.getresponse()
        return json.loads(response.read()), Context({name.lower(): value for name, value in response.getheaders()})

    def post(self, path: str, payload: object) -> None:
        body = json.dumps(payload).encode()
        self._connection.request("POST", f"{API}/{path}", body, {"Content-Type": "application/json"})
        self._connection.getresponse().read()


def describe(error: Exception) -> dict[str, object]:
    stack = traceback.format_tb(error.__traceback__)
    return {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}


def load(handler: str) -> Callable[[Any, Context], object]:
    module, _, name = handler.rpartition(".")
    function: Callable[[Any, Context], object] = getattr(importlib.import_module(module.replace("/", ".")), name)
    return function


def serve(handler: str, api: RuntimeApi) -> None:
    try:
        function = load(handler)
    except Exception as error:
        api.post("init/error", describe(error))
        raise
    while True:
        event, context = api.next()
        try:
            result = function(event, context)
            json.dumps(result)
        except Exception as error:  # noqa: BLE001 - whatever a function raises is its result; a runtime goes on
            traceback.print_exc()
            api.post(f"invocation/{context.aws_request_id}/error", describe(error))
        else:
            api.post(f"invocation/{context.aws_request_id}/response", result)


def main() -> None:
    client, handler = sys.argv[1:]
    sys.path[0] = str(Path.cwd())  # the function's folder, where Lambda's runtime looks first, in place of this file's
    if client != "portable" and importlib.util.find_spec("runtime_client") is not None:
        os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", handler])  # noqa: S606 - no shell on purpose
    if client == "vendor":
        sys.exit(f"{sys.executable} has no awslambdaric; install it there, or leave the choice of the client open.")
    serve(handler, RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"]))


if __name__ == "__main__":
    main()
