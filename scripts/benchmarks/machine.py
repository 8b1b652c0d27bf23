"""On what a run was measured: processor, kernel, interpreters, load. Reads the machine; measures nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

TELLING = frozenset(
    [
        *("mcp", "mangum", "starlette", "pydantic", "anyio", "uvicorn", "pyjwt", "cryptography"),
        *("fastmcp", "awslabs-mcp-lambda-handler", "run-mcp-servers-with-aws-lambda"),
    ]
)


def describe(pythons: dict[str, Path], versions: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {kernel()}",
        "architecture": platform.machine(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "pythons": {name: _version(python) for name, python in pythons.items()},
        "versions": {stack: _telling(found) for stack, found in versions.items()},
    }


def _telling(found: dict[str, str]) -> dict[str, str]:
    """Those that a reader would ask about; the locks have the others."""
    return {name: version for name, version in found.items() if name in TELLING}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def kernel() -> str:
    """Major and minor; what comes after may name whose machine it is."""
    return ".".join(platform.release().split(".")[:2])


def _version(python: Path) -> str:
    done = subprocess.run([str(python), "-VV"], capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("Python ").partition(" ")[0]
