"""Install the locked wheels for the target into a folder: hashes checked, nothing built from source."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from artifacts.deployables import Target
from artifacts.errors import BuildError
from artifacts.locks import pins_for

# Every image of both clouds has at least this glibc, and so does every wheel that is built for it.
GLIBC = "manylinux2014"
PIP_PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_12", "manylinux_2_5")  # pip takes each name literally

CHECKED = ("--require-hashes", "--no-deps", "-r")

# What an installer writes beside a distribution: its own name, the machine's paths, or a list that includes them.
INSTALLER_TRACES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def install(lock: Path, target: Target, into: Path) -> int:
    """Returns how many distributions are now in the folder, which held none before."""
    pins = pins_for(target, lock)
    into.mkdir(parents=True, exist_ok=True)
    wanted = into / ".requirements.txt"
    wanted.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    commands = {"uv": _uv(wanted, target, into), "pip": _pip(wanted, target, into)}
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
        raise BuildError(
            f"the packages of {lock} could not be installed for {target}. Each needs a wheel for that platform; where "
            "one has none, choose another version in the .in file beside the lock and run: make lock\n"
            + "\n".join(failures)
        )
    wanted.unlink()
    clean(into)
    return len(pins)


def clean(folder: Path) -> None:
    """Drop what depends on the building machine and what no function runs; licences and metadata stay."""
    shutil.rmtree(folder / "bin", ignore_errors=True)  # commands, with this machine's interpreter in the first line
    (folder / ".lock").unlink(missing_ok=True)
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    for info in folder.glob("*.dist-info"):
        for trace in INSTALLER_TRACES:
            (info / trace).unlink(missing_ok=True)


def _uv(wanted: Path, target: Target, into: Path) -> list[str] | None:
    uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else [shutil.which("uv") or ""]
    if not uv[0]:
        return None
    command = [*uv, "pip", "install", "--quiet", "--target", str(into), "--python", sys.executable]
    command += ["--python-version", target.python, "--python-platform", f"{target.machine}-{GLIBC}"]
    command += ["--link-mode", "copy"]  # a hard link would let us change the modes of the files in uv's cache
    return [*command, "--only-binary", ":all:", "--no-compile-bytecode", *CHECKED, str(wanted)]


def _pip(wanted: Path, target: Target, into: Path) -> list[str] | None:
    if not importlib.util.find_spec("pip"):
        return None
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(into)]
    command += ["--python-version", target.python, "--implementation", "cp"]
    for name in PIP_PLATFORMS:
        command += ["--platform", f"{name}_{target.machine}"]
    return [*command, "--only-binary=:all:", "--no-compile", *CHECKED, str(wanted)]


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
