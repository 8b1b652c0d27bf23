"""Write every lock file: exact versions and hashes, for Python 3.10 and later on every platform, and no address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# In this order: what is deployed decides, and everything above it must agree.
LOCKS = {
    "functions/mcp_server/requirements": [],
    "functions/mcp_server/requirements-otel": ["functions/mcp_server/requirements.txt"],
    "functions/token_guard/requirements-fc": [],
    "functions/oauth_server/requirements": ["functions/mcp_server/requirements.txt"],
    "functions/oauth_server/requirements-fc": ["functions/oauth_server/requirements.txt"],
    "requirements/uv": [],
    "requirements/run": [
        "functions/mcp_server/requirements.txt",
        "functions/token_guard/requirements-fc.txt",
        "functions/oauth_server/requirements-fc.txt",
        "requirements/uv.txt",
    ],
    "requirements/dev": ["requirements/run.txt", "functions/mcp_server/requirements-otel.txt"],
    "requirements/sam": [],
    "requirements/checkov": [],
    "requirements/schemathesis": [],
    "requirements/bench-plots": [],
}
# What `make bench` measures beside our own runs on the machine that it measures, and some of it on no older Python.
BENCH = {
    "requirements/bench-awslabs": [],
    "requirements/bench-fastmcp": ["functions/mcp_server/requirements.txt"],
    "requirements/bench-stdio": [],
}
EVERYWHERE = ["--universal", "--python-version", "3.10"]
ON_LAMBDA = ["--python-platform", "linux", "--python-version", "3.13"]


def main() -> int:
    for stem, constraints in {**LOCKS, **BENCH}.items():
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            *(ON_LAMBDA if stem in BENCH else EVERYWHERE),
        ]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header"]
        command += [*sys.argv[1:], "--output-file", f"{stem}.txt", f"{stem}.in"]
        for constraint in constraints:
            command += ["--constraint", constraint]
        print(f"lock {stem}.txt", file=sys.stderr)
        subprocess.run(command, cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
