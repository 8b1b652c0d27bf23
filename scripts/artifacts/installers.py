"""Let uv install into a folder, or pip where uv cannot. Knows neither lock nor target: the caller says what to take."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from artifacts import distributions
from artifacts.errors import BuildError
from artifacts.locks import Pin

CHECKED = ("--require-hashes", "--no-deps", "-r")

# What an installer writes beside a distribution: its own name, the machine's paths, or a list that includes them.
INSTALLER_TRACES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def install(
    pins: Iterable[Pin], into: Path, *, uv: Iterable[str], pip: Iterable[str], failure: str
) -> dict[str, set[str]]:
    """Install exactly these into a folder that held none before; returns the files of each distribution.

    The options are each installer's own words for one.
    """
    into.mkdir(parents=True, exist_ok=True)
    wanted = into / ".requirements.txt"
    wanted.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    commands = {"uv": _uv(into, wanted, uv), "pip": _pip(into, wanted, pip)}
    failures = []
    for name, command in commands.items():
        if command is None:
            failures.append(f"{name} is not installed here (make setup installs it)")
            continue
        done = subprocess.run(command, capture_output=True, text=True, env=_quiet_environment())
        if done.returncode == 0:
            break
        failures.append(f"{name} says:\n{(done.stderr or done.stdout).strip()}")
        _empty(into, keep=wanted)
    else:
        raise BuildError("\n".join([failure, *failures]))
    wanted.unlink()
    owners = distributions.files_by_owner(into)
    clean(into)
    return owners


def clean(folder: Path) -> None:
    """Drop what depends on the building machine and what no function runs; licences and metadata stay."""
    shutil.rmtree(folder / "bin", ignore_errors=True)  # commands, with this machine's interpreter in the first line
    (folder / ".lock").unlink(missing_ok=True)
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    for info in folder.glob("*.dist-info"):
        for trace in INSTALLER_TRACES:
            (info / trace).unlink(missing_ok=True)


def _uv(into: Path, wanted: Path, options: Iterable[str]) -> list[str] | None:
    uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else [shutil.which("uv") or ""]
    if not uv[0]:
        return None
    command = [*uv, "pip", "install", "--quiet", "--target", str(into), "--python", sys.executable, *options]
    return [*command, "--no-compile-bytecode", *CHECKED, str(wanted)]


def _pip(into: Path, wanted: Path, options: Iterable[str]) -> list[str] | None:
    if not importlib.util.find_spec("pip"):
        return None
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(into)]
    return [*command, *options, "--no-compile", *CHECKED, str(wanted)]


def _quiet_environment() -> dict[str, str]:
    """Without settings that would send the installer to another folder or interpreter than the one it is told."""
    aside = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT", "UV_TARGET", "UV_PREFIX", "UV_PYTHON", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in aside}


def _empty(folder: Path, keep: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != keep:
            path.unlink()
