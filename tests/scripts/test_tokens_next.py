"""What `scripts/tokens.py` says while it waits, when it waited in vain, and of what comes next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edges.listener import Answer, Listener, Request
from edges.serving import running
from lifecycle import arguments, commands
from mcp_faas.lifecycle import door as doors
from mcp_faas.tokens import Token, TokenDocument, marks, mint

COMMANDS = {"rotate": commands.run_rotate, "revoke": commands.run_revoke, "rollback": commands.run_rollback}


class Door:
    """Lets everybody in, whatever the document says."""

    def __init__(self) -> None:
        self._listener = Listener(self._answer, body_limit_bytes=65536)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.port}/mcp"

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _answer(self, request: Request) -> Answer:
        return Answer(200, ())


@pytest.fixture
def open_door() -> Iterator[Door]:
    with running(Door()) as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "REFUSED_SECONDS", 0.3)


def run(command: str, *more: str) -> int:
    return COMMANDS[command](arguments.parser().parse_args([command, *more]))


def token(age: timedelta, **since: timedelta) -> Token:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    made = mint(now - age)
    said = marks(made.name)
    assert said
    times = {what: now - ago for what, ago in since.items()}
    return Token(replace(said, **times).name(), "disabled" not in since, made.data)


def written(folder: Path, *found: Token) -> str:
    path = folder / "tokens.json"
    path.write_text(TokenDocument(found).dump())
    path.chmod(0o600)
    return f"file:{path}"


def test_a_run_that_asked_in_vain_says_so(tmp_path: Path, open_door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    old = token(40 * hour, delivered=40 * hour, disabled=minute)
    address = written(tmp_path, old, token(hour, delivered=hour))
    for _ in range(2):
        assert run("rotate", address, "--probe", open_door.url) == 0
        told = capsys.readouterr().err.splitlines()
        assert [line.split(" for up to")[0] for line in told[:1]] == [
            f"asking {open_door.url} again whether it refuses {old.name},"
        ]
        assert told[1].startswith(f"{open_door.url} still accepts {old.name}, which is disabled in the document. ")
        assert told[1].endswith("run the same command again in a minute, to see it refused and to delete it")
        assert told[2] == f"next: delete {old.name}, when the door is found to refuse it"
        assert "nothing to do" not in told


def test_a_machine_hears_it_too(tmp_path: Path, open_door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    address = written(tmp_path, token(9 * hour, delivered=9 * hour, disabled=minute), token(hour, delivered=hour))
    assert run("rotate", address, "--probe", open_door.url, "--json") == 0
    assert "still accepts" in json.loads(capsys.readouterr().out)["note"]
