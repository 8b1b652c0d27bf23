"""How each command of `tokens.py` ends when nobody takes what it says, and on Ctrl-C: with one clean sentence."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from edges.listener import Answer, Listener, Request
from edges.serving import running
from mcp_faas.tokens import from_object, marks
from support.hunted_places import places
from support.hunts import FOREIGN, aged

TOOL = Path(__file__).resolve().parents[2] / "scripts" / "tokens.py"
JWT = "jwt --issuer http://127.0.0.1:1 --audience http://127.0.0.1:1/mcp --keys {key}"
SHOWING = {
    "--help": "--help",
    "list --help": "list --help",
    "mint": "mint",
    "mint --json": "mint --json",
    "mint --document": "mint --document",
    "mint ADDRESS": "mint {address}",
    "list": "list {address}",
    "list --json": "list {address} --json",
    "rotate": "rotate {address} --max-age 1s",
    "rotate --json": "rotate {address} --max-age 1s --json",
    "rotate --dry-run": "rotate {address} --dry-run",
    "rotate --deliver stdout": "rotate {address} --deliver stdout",
    "revoke --now": "revoke {address} {name} --now",
    "revoke --json": "revoke {address} {name} --json",
    "rollback": "rollback {address}",
    "rollback --json": "rollback {address} --json",
    "verify": "verify http://127.0.0.1:9/mcp",
    "verify --json": "verify http://127.0.0.1:9/mcp --json",
    "config": "config https://host.example/mcp --client cursor",
    "config --json": "config https://host.example/mcp --client cursor --json",
    "jwt": JWT,
    "jwt --jwks": JWT + " --jwks",
}
CHANGING = [name for name in SHOWING if name.startswith(("mint ADDRESS", "rotate", "revoke", "rollback"))]


@pytest.fixture
def words(tmp_path: Path, name: str) -> dict[str, str]:
    """A document with a token that is due, and for a rollback one in the overlap before it."""
    old = aged(timedelta(days=40), timedelta(hours=1))
    older = [aged(timedelta(days=41), timedelta(hours=2))] if name.startswith("rollback") else []
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"tokens": [each.dump() for each in (FOREIGN, *older, old)]}))
    path.chmod(0o600)
    return {"address": f"file:{path}", "name": old.name, "key": str(tmp_path / "key")}


@contextmanager
def nobody() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@contextmanager
def full() -> Iterator[int]:
    writer = os.open("/dev/full", os.O_WRONLY)
    try:
        yield writer
    finally:
        os.close(writer)


LOST = {"a closed pipe": nobody, "a full device": full}
if not Path("/dev/full").exists():
    del LOST["a full device"]  # not on every system


def run(
    typed: str, words: dict[str, str], closed: str = "", stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *typed.format(**words).split()]
    if closed:
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True, timeout=110, env=environment
    )


def assert_clean(done: subprocess.CompletedProcess[str], word: str) -> None:
    assert done.returncode == 1, done.stderr
    assert re.search(rf"^{word}: \S.*\n\Z", done.stderr, flags=re.MULTILINE), done.stderr
    for unclean in ("Traceback", "Exception ignored", "unexpected"):
        assert unclean not in done.stderr


@pytest.mark.parametrize("name", SHOWING)
def test_output_that_nobody_takes_is_a_failure(name: str, words: dict[str, str]) -> None:
    for lost in LOST.values():
        with lost() as writer:
            assert_clean(run(SHOWING[name], words, stdout=writer), "failed")


@pytest.mark.parametrize("name", ["--help", "mint", "list", "rotate", "rotate --json", "config"])
def test_closed_output_is_a_failure(name: str, words: dict[str, str]) -> None:
    assert_clean(run(SHOWING[name], words, closed=">&-"), "failed")


@pytest.mark.parametrize("name", CHANGING)
def test_no_token_counts_as_delivered_that_nobody_took(name: str, words: dict[str, str]) -> None:
    path = Path(words["address"].removeprefix("file:"))
    before = delivered(path)
    with nobody() as writer:
        run(SHOWING[name], words, stdout=writer)
    assert delivered(path) == before
    assert all(token.enabled for token in from_object(json.loads(path.read_text())).tokens)


def delivered(path: Path) -> set[str]:
    """The values of the tokens that the document takes for delivered."""
    tokens = from_object(json.loads(path.read_text())).tokens
    return {token.data for token in tokens if (said := marks(token.name)) and said.delivered}


@pytest.mark.parametrize("name", ["mint ADDRESS", "list --json", "rotate --json", "config"])
def test_a_story_that_nobody_hears_stops_nothing(name: str, words: dict[str, str]) -> None:
    with nobody() as writer:
        assert run(SHOWING[name], words, stderr=writer).returncode == 0
    silent = run(SHOWING[name], words, closed="2>&-")
    assert silent.returncode == 0
    assert not re.search("done:|next:|Paste", silent.stdout), "the story went to stdout"


WAITING = {
    "mint": "mint {address}",
    "list": "list {address} --json",
    "rotate": "rotate {address}",
    "revoke": "revoke {address} {name} --now --json",
    "rollback": "rollback {address}",
    "verify": "verify {url}",
    "jwt": JWT,
}


class Silence:
    """An endpoint that never answers; `asked` is set when somebody waits for it to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._listener = Listener(self._answer, body_limit_bytes=65536)

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _answer(self, request: Request) -> Answer:
        self.asked.set()
        await asyncio.sleep(3600)
        return Answer(200)


@pytest.mark.parametrize("name", WAITING)
def test_ctrl_c_ends_with_a_sentence(name: str, tmp_path: Path) -> None:
    with places("fc", tmp_path / "tokens.json") as around, running(Silence()) as silence:
        old = aged(timedelta(days=40), timedelta(hours=1))
        around.store.put({"tokens": [FOREIGN.dump(), old.dump()]})
        os.mkfifo(tmp_path / "key")

        def wait(kind: str, number: int) -> str:
            silence.asked.set()
            return "timeout before"

        around.store.fail = wait
        words = {"address": around.store.address, "name": old.name, "key": str(tmp_path / "key")}
        words["url"] = f"http://127.0.0.1:{silence.port}/mcp"
        process = subprocess.Popen(
            [sys.executable, str(TOOL), *WAITING[name].format(**words).split()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **around.environment},
        )
        with ExitStack() as stack:
            if name == "jwt":
                writer = os.open(tmp_path / "key", os.O_WRONLY)  # returns when the other side has opened it
                stack.callback(os.close, writer)
            else:
                assert silence.asked.wait(60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert_clean(subprocess.CompletedProcess([], process.returncode, out, err), "stopped")
    assert not out or json.loads(out)["exit"] == 1
