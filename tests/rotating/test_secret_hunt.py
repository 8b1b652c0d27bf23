"""Hunt for secrets in all that `tokens.py` shows while it works, fails and is interrupted (G8 of docs/rotation.md).

Each case is one process, with services of its own. Every token that any of them was ever shown is looked for in what
the process wrote, said, started and set, raw, encoded and in pieces; the cloud's credentials likewise.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from edges.listener import Answer
from support.canaries import Canaries
from support.hunted_places import CLIENT_SECRET, REGION, TOKEN, Places, StoreKind, places
from support.hunting import make_folders, watch
from support.hunts import DISABLED, FOREIGN, NOISY, Caught, aged, at_once, leaks, private
from support.oss import ADDRESS as OSS_ADDRESS

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "scripts" / "tokens.py"
SINKS = "--deliver file:token --deliver env:.env --deliver aws://{region}/{client} --deliver {oss}"
FULL_DISK = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")
CORES = ("sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh")


@dataclass(frozen=True)
class Case:
    """One run: what is typed, where, what goes wrong and how it must end."""

    command: str
    store: StoreKind = "file"
    tokens: Literal["none", "old", "overlap", "retired"] = "old"
    exit: int = 0
    shows: Literal["nothing", "new", "any"] = "nothing"  # what stdout was asked for
    fail: str = ""  # kind of call:fault, or a broken sink
    door: Literal["obeys", "refuses", "echoes", "redirects", "breaks"] = "obeys"
    stop: signal.Signals | None = None
    at: int = 1  # the how-many-eth call of the service, or question to the door, at which it is stopped
    environment: Mapping[str, str] = field(default_factory=lambda: NOISY)
    python: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    stdin: str = ""


def _cases() -> dict[str, Case]:
    stores: tuple[StoreKind, ...] = ("file", "fc", "fc-domain", "aws")
    store: StoreKind
    cases = {
        "mint": Case("mint", shows="new"),
        "mint --json": Case("mint --json", shows="new"),
        "mint --document": Case("mint --document", shows="new"),
        "mint, -X dev": Case("mint", shows="new", python=("-X", "dev")),
        "mint a token as its address": Case("mint {old}", exit=2),
        "an unknown option that is a token": Case("list {address} --token {old}", exit=2),
        "jwt": Case("jwt --issuer http://127.0.0.1:1 --audience http://127.0.0.1:1/mcp --keys key", shows="any"),
        "jwt --jwks": Case("jwt --issuer http://127.0.0.1:1 --audience http://127.0.0.1:1/mcp --keys key --jwks"),
        "config": Case("config {url} --client cursor"),
        "config with a password": Case("config https://me:{old}@127.0.0.1/mcp --client cursor", exit=2),
        "verify": Case("verify {url} --json", stdin="{old}\n"),
        "verify with a password": Case("verify https://me:{old}@127.0.0.1/mcp", exit=2),
        "verify, refused": Case("verify {url}", door="refuses", stdin="{old}\n", exit=1),
        "verify, echoed": Case("verify {url} --json", door="echoes", stdin="{old}\n", exit=1),
        "verify, no answer": Case("verify {url}", door="breaks", stdin="{old}\n", exit=1),
        "rotate, by a door that echoes": Case(
            "rotate {address} --probe {url} --deliver file:token", door="echoes", stop=signal.SIGINT, at=4, exit=1
        ),
        "rotate, by a door that redirects": Case(
            "rotate {address} --probe {url} --deliver file:token", door="redirects", stop=signal.SIGTERM, at=3, exit=1
        ),
        "rotate, killed by SIGQUIT": Case(
            "rotate {address} --probe {url}", door="refuses", stop=signal.SIGQUIT, at=3, exit=-3, before=CORES
        ),
        "rotate, quietly": Case("rotate {address} --deliver file:token", environment={}),
        "stdout": Case("rotate {address} --deliver stdout", shows="new"),
        "stdout, in JSON": Case("rotate {address} --json", shows="new"),
        "github-output": Case("rotate {address} --deliver github-output", shows="new"),
        "github-output that cannot be written": Case(
            "rotate {address} --deliver github-output", fail="sink:github", shows="new", exit=1
        ),
        "a sink in no folder": Case("rotate {address} --deliver file:none/token", exit=1),
        "a sink that is a folder": Case("rotate {address} --deliver file:.", exit=1),
        "a sink that is no text": Case("rotate {address} --deliver env:.env", fail="sink:env", exit=1),
        "a full disk below the sink": Case(
            "rotate {address} --deliver file:token --deliver env:.env", store="aws", before=FULL_DISK, exit=1
        ),
        "a full disk below the document": Case("rotate {address} --deliver file:token", before=FULL_DISK, exit=1),
        "Secrets Manager refuses the delivery": Case(
            "rotate {address} --deliver aws://{region}/{client}", fail="sink:denied", exit=1
        ),
        "Secrets Manager quotes the delivery": Case(
            "rotate {address} --deliver aws://{region}/{client}", fail="sink:echo", exit=1
        ),
        "OSS quotes the delivery": Case("rotate {address} --deliver {oss}", fail="sink:oss", exit=1),
        "credentials from a URI, for OSS": Case(
            "rotate {address} --deliver {oss}",
            environment={
                **NOISY,
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "",
                "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
                "ALIBABA_CLOUD_CREDENTIALS_URI": "{credentials}",
            },
        ),
        "a credential that is no header": Case(
            "list {address}", store="aws", exit=1, environment={**NOISY, "AWS_SESSION_TOKEN": "{session}\n"}
        ),
        "a credential that is no header, FC": Case(
            "list {address}", store="fc", exit=1, environment={**NOISY, "ALIBABA_CLOUD_SECURITY_TOKEN": "{session}\n"}
        ),
    }
    for store in stores:
        cases |= {
            f"list, {store}": Case("list {address} --json", store, "overlap"),
            f"rotate, {store}": Case("rotate {address} --probe {url} --json " + SINKS, store),
            f"rotate on, {store}": Case("rotate {address} --probe {url} --deliver file:token", store, "retired"),
        }
    for store in ("file", "fc", "aws"):
        cases |= {
            f"mint, {store}": Case("mint {address}", store, shows="new"),
            f"revoke --now, {store}": Case("revoke {address} {name} --now --probe {url} --deliver file:token", store),
            f"rollback, {store}": Case("rollback {address} --deliver env:.env", store, "overlap"),
        }
    cases |= {
        "revoke": Case("revoke {address} {name} --json --deliver file:token"),
        "revoke a token by its value": Case("revoke {address} {old} --now", exit=3),
        "rotate --dry-run": Case("rotate {address} --dry-run --json --deliver file:token", "aws"),
        "rotate from nothing": Case("rotate {address} --deliver file:token", "fc", "none"),
    }
    for store in ("fc", "aws"):
        for fault in ("500", "denied", "malformed", "truncated", "echo"):
            cases[f"read {fault}, {store}"] = Case("rotate {address}", store, fail=f"read:{fault}", exit=1)
        for fault in ("denied", "echo"):
            cases[f"write {fault}, {store}"] = Case(
                "rotate {address} --json --deliver file:token", store, fail=f"write:{fault}", exit=1
            )
        cases[f"write lost, {store}"] = Case("rotate {address} --deliver file:token", store, fail="once:reset after")
        cases[f"Ctrl-C in a call, {store}"] = Case(
            "rotate {address} --deliver file:token", store, stop=signal.SIGINT, at=3, exit=1
        )
    return cases


# The same ways through the code as the others, on another service: only with MCP_FAULT_MATRIX=full.
LONGER = {
    *("mint, file", "mint, aws", "revoke --now, file", "revoke --now, fc", "rollback, file", "rollback, aws"),
    *("list, file", "list, fc", "list, fc-domain", "rotate on, file", "rotate on, aws", "rotate on, fc-domain"),
    *("rotate, fc-domain", "read 500, fc", "read 500, aws", "read malformed, aws", "read truncated, fc"),
    *("write denied, aws", "write lost, fc"),
}
FULL = os.environ.get("MCP_FAULT_MATRIX") == "full"
CASES = {name: case for name, case in _cases().items() if FULL or name not in LONGER}


def hunt(case: Case, folder: Path) -> Caught:
    """One case, in a folder of its own."""
    folders = make_folders(folder)
    work = folders["work"]
    with places(case.store, work / "tokens.json") as around:
        old = aged(timedelta(days=40), timedelta(days=40))
        newer = {"overlap": timedelta(hours=1), "retired": timedelta(days=2)}.get(case.tokens)
        tokens = [] if case.tokens == "none" else [old] + ([aged(newer, newer)] if newer else [])
        around.store.put({"tokens": [each.dump() for each in (FOREIGN, DISABLED, *tokens)], "kept": 1})
        around.door.truth = around.store.truth
        around.door.mode = case.door
        broken(case, around, work)
        words = {
            "address": around.store.address,
            "url": around.door.url,
            "old": old.data,
            "name": old.name,
            "region": REGION,
            "client": CLIENT_SECRET,
            "oss": OSS_ADDRESS,
            "credentials": around.door.credentials_url,
            "session": around.environment["AWS_SESSION_TOKEN"],
        }
        command = [*case.before, sys.executable, *case.python, str(TOOL), *case.command.format(**words).split()]
        environment = {
            "TOKENS_TIMEOUT": "3",
            "GITHUB_OUTPUT": str(work / ("none/output" if case.fail == "sink:github" else "output")),
            **around.environment,
            **{name: value.format(**words) for name, value in case.environment.items()},
        }
        started = stopping(case, around)
        seen = watch(command, folder, environment, stdin=case.stdin.format(**words), started=started)
        begun = {each.data for each in (FOREIGN, DISABLED, old, *tokens)}
        shown = set(TOKEN.findall(seen.stdout))
        secrets = begun | around.shown() | shown
        asked = {"nothing": set(), "new": shown - begun, "any": shown}[case.shows]
        files = [name for name in ("token", ".env", "none/token") if f":{name}" in case.command]
        sinks = {path for name in files for path in private(work / name)}
        homes = sinks | (private(work / "tokens.json") if case.store == "file" else set())
        if "github-output" in case.command:
            homes.add(environment["GITHUB_OUTPUT"])
        if "--keys" in case.command:
            homes |= private(work / "key")
            secrets.add(json.loads((work / "key").read_text())["d"])
        requests = around.door.targets
        locks = {str(work / ".tokens.json.lock")}
        return Caught(seen, secrets, asked, homes, locks, requests, "{old}" in case.command)


def broken(case: Case, around: Places, work: Path) -> None:
    """Make that go wrong which the case says."""
    kind, _, fault = case.fail.partition(":")
    if kind == "sink":
        if fault == "env":
            (work / ".env").write_bytes(b"MCP_TOKEN=\xff\n")
        elif fault == "oss":
            around.oss.fail = lambda request: quoting(request.body) if request.method == "PUT" else None
        elif fault in ("denied", "echo"):
            around.aws.sink_fault = fault
    elif kind == "once":
        faults = iter([fault])
        around.store.fail = lambda called, number: next(faults, None) if called == "write" else None
    elif kind:
        around.store.fail = lambda called, number: fault if called == kind else None


def quoting(body: bytes) -> Answer:
    """An error of OSS each of whose words is what was sent."""
    told = "".join(f"<{name}>{body.decode()}</{name}>" for name in ("Code", "Message", "RequestId", "EC"))
    return Answer(403, (("x-oss-request-id", body.decode()),), f"<Error>{told}</Error>".encode())


def stopping(case: Case, around: Places) -> Callable[[subprocess.Popen[bytes]], None]:
    """Send the signal, if there is one in this case, while the process waits for an answer."""
    running: list[subprocess.Popen[bytes]] = []

    def strike() -> None:
        assert case.stop
        running[0].send_signal(case.stop)

    def at_call(kind: str, number: int) -> str | None:
        if number != case.at:
            return None
        strike()
        return "timeout after"

    asked: list[str] = []

    def at_door() -> None:
        asked.append("")
        if len(asked) == case.at:
            strike()

    if case.stop is None:
        return lambda process: None
    if case.store == "file":
        around.door.asked = at_door
    else:
        around.store.fail = at_call
    return running.append


@pytest.fixture(scope="module")
def hunted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with at_once(request, tmp_path_factory, test_no_secret_is_shown.__name__, CASES, hunt) as runs:
        yield runs


@pytest.mark.parametrize("name", CASES)
def test_no_secret_is_shown(hunted: dict[str, Future[Caught]], name: str, cases: Counter[str]) -> None:
    caught = hunted[name].result()
    cases["secret hunt"] += 1
    seen = caught.seen
    assert (seen.exit, "Traceback" in seen.stderr) == (CASES[name].exit, False), seen.stderr
    if seen.exit > 0:
        assert seen.stderr.strip(), "a non-zero exit says why"
    assert leaks(caught) == []


# What the kernel sees

TRACE = "trace=execve,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,memfd_create"
SINK = re.compile(
    r"^\d* *write\(\d+</[^>]*/(\.tokens\.json\.tmp|\.token\.tmp|\.\.env\.tmp|output)>|^\d* *sendto\(\d+<socket:"
)


def can_trace(folder: Path) -> bool:
    """Is there an strace, and may it look into its children?"""
    if shutil.which("strace") is None or os.geteuid() != 0:  # the memory of the tool is closed to other users' tracers
        return False
    done = subprocess.run(["strace", "-f", "-qq", "-o", folder / "probe", "true"], stderr=subprocess.DEVNULL)
    return done.returncode == 0


def test_no_secret_is_written_but_to_its_place(tmp_path: Path, cases: Counter[str]) -> None:
    if not can_trace(tmp_path):
        pytest.skip("no strace here that may look into a process; what is written is hunted in the other tests, too")
    folders = make_folders(tmp_path / "run")
    trace = tmp_path / "trace"
    with places("file", folders["work"] / "tokens.json") as around:
        around.store.put({"tokens": [FOREIGN.dump(), aged(timedelta(days=40), timedelta(days=40)).dump()]})
        deliver = f"--deliver file:token --deliver env:.env --deliver aws://{REGION}/{CLIENT_SECRET}".split()
        typed = ["rotate", around.store.address, "--probe", around.door.url, *deliver]
        tracer = ["strace", "-f", "-qq", "-y", "-s", "65535", "-o", str(trace), "-e", TRACE]
        seen = watch(
            [*tracer, sys.executable, TOOL, *typed], tmp_path / "run", {**around.environment, **NOISY, "PYTHONPATH": ""}
        )
        canaries = Canaries({FOREIGN.data, *around.shown()})
    assert seen.exit == 0, seen.stderr
    lines = [line for line in trace.read_text().splitlines() if canaries.found(line.encode())]
    assert len(lines) >= 5, "the tracer has seen the secrets go where they belong"
    assert [line for line in lines if not SINK.search(line)] == []
    cases["system calls with a secret"] += len(lines)


# Does the hunt find what there is to find?

LEAKS = {
    "stdout": ("print(secret)", "raw in stdout"),
    "stderr": ("print(secret[7:19], file=sys.stderr)", "raw in stderr"),
    "an exception": ("raise ValueError(secret)", "raw in stderr"),
    "a traceback that nobody sees": ("sys.stderr = None; raise ValueError(secret)", "raw in event sys.excepthook"),
    "arguments of a child": ("subprocess.run(['true', secret])", "raw in event subprocess.Popen"),
    "environment of a child": (
        "subprocess.run(['true'], env={'X': secret[::-1]})",
        "reversed in event subprocess.Popen",
    ),
    "arguments of a child of its own making": (
        "os.fork() or os.execlp('sh', 'sh', '-c', 'sleep 0.3; true ' + secret); time.sleep(0.3)",
        "raw in arguments",
    ),
    "its environment": ("os.environ['X'] = secret", "raw in event os.putenv"),
    "a file": ("pathlib.Path('left').write_text(base64.b64encode(b'x' + secret.encode()).decode())", "base64 in file"),
    "a file that is gone": (
        "name = tempfile.mkstemp()[1]; open(name, 'w').write(secret.encode().hex()); os.remove(name)",
        "hexadecimal in file",
    ),
    "a file that is empty again": (
        "open('f', 'w').write(json.dumps(secret).replace('/', '\\\\/')); open('f', 'w')",
        "JSON-escaped in file",
    ),
    "a URL": (
        "try: urllib.request.urlopen('http://127.0.0.1:9/?q=' + urllib.parse.quote(secret, ''))\nexcept OSError: pass",
        "URL-encoded in event urllib.Request",
    ),
    "no secret, but a file that nobody expected": ("open('somewhere', 'w')", "file "),
}
IMPORTS = "import base64, json, os, pathlib, subprocess, sys, tempfile, time, urllib.parse, urllib.request"


@pytest.mark.parametrize("name", LEAKS)
def test_what_leaks_is_found(tmp_path: Path, name: str) -> None:
    code, expected = LEAKS[name]
    make_folders(tmp_path)
    program = [sys.executable, "-c", f"{IMPORTS}\nsecret = input()\n{code}"]
    caught = Caught(watch(program, tmp_path, {}, stdin=FOREIGN.data), {FOREIGN.data})
    assert any(found.startswith(expected) for found in leaks(caught)), leaks(caught)


def test_what_does_not_leak_is_not_found(tmp_path: Path) -> None:
    make_folders(tmp_path)
    program = [sys.executable, "-c", f"{IMPORTS}\nprint(input()[:11]); subprocess.run(['true'])"]
    seen = watch(program, tmp_path, {}, stdin=FOREIGN.data)
    assert leaks(Caught(seen, {FOREIGN.data})) == []
