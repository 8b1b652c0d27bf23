"""Make the folder that each stack runs from, and the interpreter with Lambda's runtime client. Made anew on any change.

What is ours is built by the project's own builder, `plain` by the real `sam build`; the others are their locks
installed into a folder. Nothing enters the environment that the project is developed in.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import package
from artifacts import archive, bytecode, interpreters, wheels
from artifacts.deployables import ARTIFACTS, DEFAULT_PYTHON, FC_PYTHON, Target, target_of
from artifacts.locks import pins_for
from benchmarks.peers import SDK_LOCK, Peer

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = Path(__file__).with_name("handlers")
PLACE = ROOT / ".build/bench"
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
# What Lambda's own runtime has of what it imports at a start.
RUNTIME = frozenset(["awslambdaric", "simplejson", "snapshot-restore-py"])
TOOLS = "sdk_tools.py"
HALF_MADE = ".making-"
LONGEST_RUN_SECONDS = 3600
SAM_TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Plain:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: source, Handler: {handler}, Runtime: python{python}, Architectures: [{architecture}]}}
"""

Say = Callable[[str], None]


class EnvironmentMissing(Exception):
    """Something that the benchmark needs is not on this machine; the message says how to get it."""


def interpreter(version: str = DEFAULT_PYTHON) -> Path:
    found = interpreters.find(version)
    if found is None:
        raise EnvironmentMissing(
            f"there is no Python {version} here, which the function runs on. "
            f"Get one: .venv/bin/python -m uv python install {version}"
        )
    return found


def folder_of(peer: Peer, say: Say) -> Path:
    """The unpacked artifact of a stack for Lambda."""
    if peer.packaging == "ours":
        return ours("aws", say)
    python = interpreter()

    def fill(folder: Path) -> None:
        say(f"installing {peer.name}: {peer.what}")
        if peer.packaging == "sam build":
            _by_sam(peer, folder, python)
        else:
            lock = ROOT / peer.lock if peer.lock else None
            _by_lock(lock, peer.files, folder, Target(DEFAULT_PYTHON, ARCHITECTURE), python)

    parts = [_texts(HANDLERS / name for name in peer.files), _texts([ROOT / peer.lock] if peer.lock else [])]
    return _made(peer.folder, [str(python), peer.packaging, *parts], fill)


def ours(cloud: str, say: Say, deployable: str = "mcp_server") -> Path:
    """The project's own artifact, with the benchmark's tools in place of the user's."""
    row = next(row for row in ARTIFACTS if row.name == f"{cloud}/{deployable}")
    target = target_of(row, DEFAULT_PYTHON, ARCHITECTURE)
    python = interpreter(target.python)

    def fill(folder: Path) -> None:
        say(f"building {row.name} for {target}")
        package.fill(row, target, folder, (), say=lambda sentence: None)
        if "tools" in row.entries:
            exchange_tools(folder, python)

    sources = [path for folder in ("functions", "scripts/artifacts") for path in sorted((ROOT / folder).rglob("*"))]
    sources = [path for path in sources if path.is_file() and path.suffix in (".py", ".txt", "", ".in")]
    stamp = [str(python), str(target), _texts([*sources, ROOT / "scripts/package.py", HANDLERS / TOOLS])]
    return _made(f"{deployable}-{cloud}", stamp, fill)


def exchange_tools(folder: Path, python: Path) -> None:
    """Put the benchmark's tools in place of those that the artifact was built with, bytecode and all."""
    for stale in (folder / "__pycache__").glob("tools.*"):
        stale.unlink()
    shutil.copyfile(HANDLERS / TOOLS, folder / "tools.py")
    compile_own([folder / "tools.py"], folder, python)


def compile_own(files: list[Path], folder: Path, python: Path) -> None:
    """As the builder compiles what is not a dependency."""
    command = [str(python), "-S", "-m", "compileall", "-q", "-f", "--invalidation-mode", bytecode.OWN_FILES]
    subprocess.run([*command, "-s", str(folder), "-p", "/var/task", *map(str, files)], check=True)


def sdk_for_fc(say: Say) -> Path:
    """The official SDK with uvicorn for the Python that FC has, with bytecode."""
    python = interpreter(FC_PYTHON)
    files = ("sdk_web.py", "sdk_tools.py")

    def fill(folder: Path) -> None:
        say("installing the official SDK for FC's Python")
        _by_lock(ROOT / SDK_LOCK, files, folder, Target(FC_PYTHON, ARCHITECTURE), python)

    return _made("sdk-fc", [str(python), _texts([ROOT / SDK_LOCK, *(HANDLERS / name for name in files)])], fill)


def runtime(say: Say) -> Path:
    """The interpreter of an environment with Lambda's runtime client in it, compiled as Lambda's own is."""
    python = interpreter()
    pins = pins_for(Target(DEFAULT_PYTHON, ARCHITECTURE), ROOT / "requirements/run.txt")
    wanted = "".join(f"{pin}\n" for pin in pins if pin.requirement.name in RUNTIME)

    def fill(folder: Path) -> None:
        say("installing Lambda's runtime client")
        lock = folder / "lock.txt"
        lock.write_text(wanted)
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--relocatable", "--python", str(python), str(folder / "venv")], check=True)
        install = ["pip", "install", "--python", str(folder / "venv"), "--compile-bytecode", "--require-hashes"]
        subprocess.run([*uv, *install, "--no-deps", "-r", str(lock)], check=True)

    return _made("runtime", [str(python), wanted], fill) / "venv/bin/python"


def naive(say: Say) -> tuple[Path, Path]:
    """The artifact with the naive handler of the same SDK in it, and that without bytecode."""
    artifact, python = ours("aws", say), interpreter()
    files = ("sdk_mangum.py", TOOLS)

    def fill(folder: Path) -> None:
        say("copying the artifact for the naive handler")
        shutil.copytree(artifact, folder / "sdk")
        for name in files:
            shutil.copyfile(HANDLERS / name, folder / "sdk" / name)
        compile_own([folder / "sdk" / name for name in files], folder / "sdk", python)
        shutil.copytree(folder / "sdk", folder / "plain", ignore=shutil.ignore_patterns("__pycache__"))

    made = _made("naive", [artifact.name, str(python), _texts(HANDLERS / name for name in files)], fill)
    return made / "sdk", made / "plain"


def has_bytecode(folder: Path) -> bool:
    return any(folder.rglob("*.pyc"))


def sizes(folder: Path) -> tuple[int, int]:
    """Bytes of a folder unzipped and zipped, by the same zipper for all."""
    with tempfile.TemporaryDirectory(dir=PLACE) as scratch:
        zipped = Path(scratch) / "artifact.zip"
        archive.write(folder, zipped)
        return archive.bytes_of(folder), zipped.stat().st_size


def versions_in(folder: Path) -> dict[str, str]:
    """What is installed in a folder, by name."""
    found = {}
    for info in sorted(folder.glob("*.dist-info")):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        found[name.replace("_", "-").lower()] = version
    return found


def _by_lock(lock: Path | None, files: tuple[str, ...], folder: Path, target: Target, python: Path) -> None:
    if lock is not None:
        wheels.install(lock, target, folder)
    own = [Path(shutil.copyfile(HANDLERS / name, folder / name)) for name in files]
    bytecode.compile_folder(folder, own, python, target.python, "/var/task")


def _by_sam(peer: Peer, folder: Path, python: Path) -> None:
    """What a user gets who writes a template, a handler and a requirements.txt, and types `sam build`."""
    with tempfile.TemporaryDirectory(dir=PLACE) as scratch:
        project = Path(scratch)
        (project / "source").mkdir()
        for name in peer.files:
            shutil.copyfile(HANDLERS / name, project / "source" / name)
        shutil.copyfile(ROOT / SDK_LOCK, project / "source/requirements.txt")
        template = SAM_TEMPLATE.format(handler=peer.handler, python=DEFAULT_PYTHON, architecture=ARCHITECTURE)
        (project / "template.yaml").write_text(template)
        environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
        # SAM's builder takes the Python of that version that it finds on PATH.
        environment["PATH"] = f"{python.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
        sam = ROOT / ".venv/tools/sam/bin/sam"
        done = subprocess.run([str(sam), "build"], cwd=project, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise EnvironmentMissing(f"`sam build` failed:\n{done.stdout}{done.stderr}")
        shutil.copytree(project / ".aws-sam/build/Plain", folder, dirs_exist_ok=True)


def _made(name: str, stamp: Iterable[str], fill: Callable[[Path], None]) -> Path:
    """A folder that `fill` makes once for what `stamp` says; it appears whole or not at all."""
    key = hashlib.sha256("\0".join([sys.version, *stamp]).encode()).hexdigest()[:12]
    place = PLACE / f"{name}-{key}"
    if place.exists():
        return place
    PLACE.mkdir(parents=True, exist_ok=True)
    for stale in [*PLACE.glob(f"{name}-{'[0-9a-f]' * 12}"), *PLACE.glob(f"{HALF_MADE}*")]:
        if time.time() - stale.stat().st_mtime > LONGEST_RUN_SECONDS:  # else another run may be at work in it
            shutil.rmtree(stale)
    scratch = Path(tempfile.mkdtemp(prefix=HALF_MADE, dir=PLACE))
    try:
        fill(scratch)
        scratch.chmod(0o755)
        try:
            scratch.rename(place)
        except OSError:
            if not place.exists():  # else another run was quicker, with the same bytes
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def _texts(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
