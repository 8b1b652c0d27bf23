"""What FC's built-in Python 3.12 runtime is to a handler: bytes for an event, a context, the role in the environment.

Runs under the artifact's own Python with nothing but the artifact: `python -I -S fc_python_runtime.py FOLDER HANDLER`.
One JSON object per line on stdin is one invocation of the same warm instance; one per line on stdout its answer.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import dataclass, field


@dataclass
class FunctionMeta:
    """The members that the vendor's page names for this runtime."""

    name: str = "mcp-server-rotation"
    handler: str = "fc_rotation.handler"
    memory: int = 512
    timeout: int = 120
    version_id: str = ""
    qualifier: str = "LATEST"


@dataclass
class FCContext:
    """Likewise; there are no credentials in it, as older runtimes have them."""

    request_id: str
    function: FunctionMeta = field(default_factory=FunctionMeta)
    region: str = "cn-hangzhou"
    account_id: str = "1234567890123456"
    log_project: str = ""
    log_store: str = ""
    logger: object = None


def main(folder: str, handler: str) -> None:
    sys.path.insert(0, folder)
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    for number, line in enumerate(sys.stdin):
        invocation = json.loads(line)
        os.environ.update(invocation["environment"])
        try:
            answer = {"result": function(invocation["event"].encode(), FCContext(f"1-{number}"))}
        except Exception as error:  # noqa: BLE001 - as the platform reports whatever a handler raises
            answer = {"error": type(error).__name__, "message": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
