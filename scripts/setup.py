"""Make the environments that the other commands run in, from the lock files; instant when nothing changed.

Runs on the machine's own Python (3.10 or later) with the standard library alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = VENV / "tools"  # each lives alone: SAM and checkov pin libraries, schemathesis joins every run of pytest
OLDEST = (3, 10)
GROWING = ("requirements/uv.txt", "requirements/run.txt", "requirements/dev.txt")  # .venv; each holds those before it

# What each level of setup installs, as (environment, lock file); a level includes those before it.
LEVELS: dict[str, list[tuple[Path, str]]] = {
    "lock": [(VENV, "requirements/uv.txt")],
    "run": [(VENV, "requirements/run.txt")],
    "dev": [
        (VENV, "requirements/dev.txt"),
        (TOOLS / "sam", "requirements/sam.txt"),
        (TOOLS / "checkov", "requirements/checkov.txt"),
        (TOOLS / "schemathesis", "requirements/schemathesis.txt"),
    ],
}


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment, wherever this system puts it."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def say(sentence: str) -> None:
    print(f"setup: {sentence}", file=sys.stderr, flush=True)


def stamp_of(lock: str) -> str:
    """What an environment was made from: this interpreter and the bytes of the lock."""
    digest = hashlib.sha256(sys.version.encode() + (ROOT / "requirements/uv.txt").read_bytes())
    digest.update((ROOT / lock).read_bytes())
    return digest.hexdigest()


def is_current(environment: Path, lock: str) -> bool:
    """Does the environment already hold this lock, or (for .venv) a larger one that includes it?"""
    marks = {path.read_text() for path in environment.glob("*.stamp")}
    larger = {stamp_of(other) for other in GROWING[GROWING.index(lock) :]} if environment == VENV else set()
    return python_of(environment).exists() and bool(marks & ({stamp_of(lock)} | larger))


def make(environment: Path, lock: str) -> None:
    """Create or update one environment so that it holds exactly what its lock names, every hash checked."""
    for stale in environment.glob("*.stamp"):
        stale.unlink()
    if not python_of(environment).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    python = str(python_of(environment))
    # Without build isolation: what has no wheel is built with the locked setuptools, not with whatever is newest today.
    safely = ["--quiet", "--require-hashes", "--no-build-isolation"]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", *safely]
    count = sum(1 for line in (ROOT / lock).read_text().splitlines() if line[:1].isalnum())
    began = time.monotonic()
    say(f"installing up to {count} locked packages into {environment.relative_to(ROOT)} ({lock})")
    if subprocess.run([*pip, "-r", "requirements/uv.txt"], cwd=ROOT).returncode == 0:
        uv = [python, "-m", "uv", "--system-certs", "pip", "install", *safely, "--python", python, "-r", lock]
        done = subprocess.run(uv, cwd=ROOT).returncode == 0
    else:
        done = False
    if not done:  # uv does not read pip's configuration, so a private mirror may be known to pip alone
        say("uv could not do it; trying pip, which is slower")
        subprocess.run([*pip, "-r", lock], cwd=ROOT, check=True)
    (environment / f"{Path(lock).stem}.stamp").write_text(stamp_of(lock))
    say(f"{environment.relative_to(ROOT)} is ready after {time.monotonic() - began:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("level", nargs="?", choices=LEVELS, default="dev", help="lock, run: what that target needs")
    level = parser.parse_args().level
    if sys.version_info < OLDEST:
        say(f"this is Python {sys.version.split()[0]}; Python 3.10 or later is needed. Try: make PYTHON3=python3.12 …")
        return 1
    if python_of(VENV).exists() and not shutil.which(str(python_of(VENV))):
        shutil.rmtree(VENV)
    for environment, lock in LEVELS[level]:
        if not is_current(environment, lock):
            try:
                make(environment, lock)
            except subprocess.CalledProcessError as error:
                say(f"could not install {lock} (exit {error.returncode}): see above, then run the command again.")
                return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted; run the same command again to continue")
        sys.exit(130)
