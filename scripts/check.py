"""Lint the code, the types and both templates: one line per check, the tool's own words only where it fails.

A failed check stops no other; at the end the failed ones are named, and the exit code is 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SAM = VENV / "tools/sam"
CHECKOV = VENV / "tools/checkov"
LIMIT_SECONDS = 300  # a tool that hangs is a failure, not a reason to wait
AT_ONCE = 2  # each of the slow tools keeps one core busy

# template.yaml as it is deployed for each door and front door; a scanner sees one variant at a time.
VARIANTS = {
    "bearer": ["Door=bearer"],
    "bearer, delivering": ["DeliverToken=on"],
    "jwt, Function URL": ["Door=jwt", "JwtIssuer=https://login.example.com"],
    "oauth": ["Door=oauth", "LoginClientId=client", "AllowedUsers=alice"],
    "jwt, HTTP API": ["Door=jwt", "JwtIssuer=https://login.example.com", "FrontDoor=http-api"],
}


@dataclass(frozen=True)
class Check:
    """One line of the report: commands that must all end with 0."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    environment: dict[str, str] = field(default_factory=dict)
    output: Path | None = None  # where the first command's standard output goes, for the second to read


@dataclass(frozen=True)
class Result:
    check: Check
    said: str | None  # None: passed
    seconds: float


def program(environment: Path, name: str) -> str:
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / name)


def deployables() -> list[str]:
    """Folders of functions/ that are deployed; each has an `aws_lambda` or a `tools` of its own."""
    return sorted({path.parent.name for path in (ROOT / "functions").glob("*/*.py")} - {"mcp_faas"})


def type_checks() -> Iterator[Check]:
    """mypy once per deployable: modules of the same name in two of them must not meet."""
    for name in deployables():
        paths = ["functions/mcp_faas", f"functions/{name}"]
        yield mypy(name, paths, {"MYPYPATH": f"functions/{name}"})
    yield mypy("scripts", ["scripts"], {"MYPYPATH": "functions/oauth_server"})  # whose keys they rotate
    yield mypy("pipelines", ["docs/ci"], {})  # what the pipelines run besides scripts/


def mypy(name: str, paths: list[str], environment: dict[str, str]) -> Check:
    command = (sys.executable, "-m", "mypy", "--cache-dir", f".mypy_cache/{name}", *paths)
    return Check(f"mypy {name}", (command,), environment)


def template_checks(scratch: Path) -> Iterator[Check]:
    """template.yaml in both forms: as it is written, and as AWS transforms it for each door."""
    quiet = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
    yield Check("cfn-lint", ((program(SAM, "cfn-lint"), "template.yaml"),))
    yield Check("sam validate --lint", ((program(SAM, "sam"), "validate", "--lint"),), quiet)
    yield Check("checkov on the SAM form", (scan("template.yaml"),))
    for number, (variant, defaults) in enumerate(VARIANTS.items()):
        path = scratch / f"{number}.json"
        make = (program(SAM, "python"), "scripts/transform.py", *defaults)
        yield Check(f"checkov on what AWS makes of it ({variant})", (make, scan(str(path))), output=path)


def scan(path: str) -> tuple[str, ...]:
    """One file a run: checkov mixes the parameters of files that it reads together."""
    return (program(CHECKOV, "checkov"), "--config-file", ".checkov.yaml", "--file", path)


def checks(scratch: Path) -> Iterator[Check]:
    """The slow ones first, so that the last to end is a quick one."""
    yield from template_checks(scratch)
    yield Check("s.yaml", ((sys.executable, "scripts/check_s.py"),))
    yield Check("lock files", ((sys.executable, "scripts/lock.py", "--check"),))
    yield Check("pages that show figures", ((sys.executable, "scripts/bench.py", "--check"),))
    yield from type_checks()
    yield Check("ruff check", ((sys.executable, "-m", "ruff", "check", "--quiet", "--output-format=concise"),))
    yield Check("ruff format", ((sys.executable, "-m", "ruff", "format", "--check", "--quiet"),))


def run(check: Check) -> Result:
    began = time.monotonic()
    said = None
    for number, command in enumerate(check.commands):
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **check.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            said = f"{command[0]} did not end within {LIMIT_SECONDS} s"
        except OSError as error:
            said = f"{command[0]} does not run: {error.strerror}. Run `make setup`."
        else:
            if done.returncode != 0:
                said = (done.stdout + done.stderr).strip() or f"{command[0]} ended with {done.returncode}"
            elif check.output and number == 0:
                check.output.write_text(done.stdout, encoding="utf-8")
        if said is not None:
            break
    return Result(check, said, time.monotonic() - began)


def main() -> int:
    began = time.monotonic()
    failed = []
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(AT_ONCE) as pool:
        todo = list(checks(Path(scratch)))
        try:
            for future in as_completed([pool.submit(run, check) for check in todo]):
                result = future.result()
                print(
                    f"{'ok' if result.said is None else 'FAILED':6} {result.seconds:6.1f} s  {result.check.name}",
                    flush=True,
                )
                if result.said is not None:
                    failed.append(result.check.name)
                    print("\n".join(f"       | {line}" for line in result.said.splitlines()), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            return 130
    outcome = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"check: {len(todo)} checks in {time.monotonic() - began:.0f} s; {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
