"""What `scripts/tokens.py` says while it waits, when it waited in vain, and of what comes next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edges.listener import Answer, Listener, Request
from edges.serving import running
from lifecycle import arguments, commands
from mcp_faas.lifecycle import door as doors
from mcp_faas.lifecycle.run import RunRefused
from mcp_faas.tokens import Token, TokenDocument, marks, mint

COMMANDS = {"rotate": commands.run_rotate, "revoke": commands.run_revoke, "rollback": commands.run_rollback}


class Door:
    """Lets everybody in, whatever the document says."""

    def __init__(self) -> None:
        self._listener = Listener(self._answer, body_limit_bytes=65536)

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

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
    times: dict[str, Any] = {what: now - ago for what, ago in since.items()}
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


def test_a_rollback_says_what_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    old, new = token(5 * day, delivered=5 * day), token(hour, delivered=hour)
    address = written(tmp_path, old, new)
    for _ in range(2):
        assert run("rollback", address, "--deliver", f"file:{tmp_path / 'client'}") == 0
        *_, note, disable, replacing = capsys.readouterr().err.splitlines()
        assert note.endswith(" is the current token again")
        assert disable.startswith(f"next: disable {new.name} in ")
        assert disable.endswith(", if rotate keeps its default --overlap")
        assert replacing.startswith("next: replace mcp-")
        assert replacing.endswith(", if rotate keeps its default --max-age")


def test_so_does_a_revocation_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hour = timedelta(hours=1)
    leaked = token(hour, delivered=hour)
    address = written(tmp_path, leaked)
    assert run("revoke", address, leaked.name, "--now", "--json") == 0
    (due,) = json.loads(capsys.readouterr().out)["due"]
    assert due["action"] == "add"


def test_a_plan_does_not_say_what_was_due_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    address = written(tmp_path, token(5 * day, delivered=5 * day), token(hour, delivered=hour))
    assert run("rollback", address, "--dry-run") == 0
    assert "next:" not in capsys.readouterr().out


def test_a_refused_rollback_ends_with_a_command_to_paste(tmp_path: Path) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    folder = tmp_path / "with a blank"
    folder.mkdir()
    address = written(folder, token(5 * day, delivered=5 * day, revoked=day), token(hour, delivered=hour))
    with pytest.raises(RunRefused) as refused:
        run("rollback", address)
    assert str(refused.value).endswith(
        f"with the --probe and --deliver of its other rotations, run: tokens.py rotate '{address}' --max-age 1s"
    )


def test_no_earlier_token_is_not_an_overlap_that_is_over(tmp_path: Path) -> None:
    minute, hour, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    current = token(hour, delivered=hour)
    with pytest.raises(RunRefused, match="there is no earlier token"):
        run("rollback", written(tmp_path, current))
    with pytest.raises(RunRefused, match="the overlap is over"):
        run("rollback", written(tmp_path, token(5 * day, delivered=5 * day, disabled=minute), current))


def test_who_has_no_room_for_a_replacement_hears_what_to_remove(tmp_path: Path) -> None:
    """The others let nobody in, so that the leaked one cannot go first."""
    hour = timedelta(hours=1)
    leaked = token(hour, delivered=hour)
    others = [Token(f"printer-{number}", False, f"foreign-{number:02}-" + "v" * 40) for number in range(19)]
    with pytest.raises(RunRefused) as refused:
        run("revoke", written(tmp_path, leaked, *others), leaked.name, "--now")
    assert (
        f"Remove a foreign token where it was made, then run this again; meanwhile {leaked.name} is still good"
        in str(refused.value)
    )


def test_a_name_from_the_end_of_all_calendars_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=timezone.utc)
    made = mint(last)
    said = marks(made.name)
    assert said
    future = replace(made, name=replace(said, delivered=last).name())
    address = written(tmp_path, token(timedelta(hours=2), delivered=timedelta(hours=1)), future)
    assert commands.run_list(arguments.parser().parse_args(["list", address])) == 0
    _, old, new = capsys.readouterr().out.splitlines()
    assert old.endswith("until 9999-12-31T23:59:59Z")
    assert new.endswith("its name says a time that is yet to come; rotate refuses this document")
